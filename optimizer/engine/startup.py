"""Importing pyinfra and what it stands on for less: every verb that reaches hosts waits for it."""

from __future__ import annotations

import gc
import importlib.metadata
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType


class _Postponed(ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            # The import system asks for these, and would load the module at once.
            raise AttributeError(name)
        sys.modules.pop(self.__name__, None)
        return getattr(import_module(self.__name__), name)


def postpone_import(name: str) -> None:
    """Let `import name` succeed at once; the module is loaded when something of it is used."""
    if name not in sys.modules:
        sys.modules[name] = _Postponed(name)


@contextmanager
def packages_searched_once() -> Iterator[None]:
    """Answer every search for entry points from a single one over the installed packages."""
    search = importlib.metadata.entry_points
    found = search()
    importlib.metadata.entry_points = found.select
    try:
        yield
    finally:
        importlib.metadata.entry_points = search


def collect_garbage_from_now_on() -> None:
    """End what the command line began: no search for garbage while everything is imported.

    What is there by now stays until the end, so it is not looked at again.
    """
    gc.freeze()
    gc.enable()
