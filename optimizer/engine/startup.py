"""Importing pyinfra and what it stands on for less: every run of a verb waits for it."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import LazyLoader, find_spec, module_from_spec


def import_when_used(name: str) -> None:
    """Let `import name` succeed at once; the module is loaded when something of it is used."""
    spec = None if name in sys.modules else find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


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
