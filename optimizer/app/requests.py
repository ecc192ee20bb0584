"""What a use case is asked for, and the port through which it reaches hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from optimizer.model.tunable import Permission


@dataclass(frozen=True)
class ProfileRequest:
    """Which profile, and how the command line narrows and overrides it.

    name: empty where inventory data chooses the profile of each host.
    forced: settings that are refused otherwise, by id.
    """

    name: str = ""
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)
    forced: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ApplyOptions:
    """How a plan is carried out.

    confirm_timeout: seconds after which a host restores itself unless confirmed.
    confirm: False leaves the hosts waiting for `optimizer confirm`.
    """

    allow: frozenset[Permission] = frozenset()
    confirm_timeout: int = 120
    confirm: bool = True
    by: str = ""


class Progress(Protocol):
    """Where a use case says what it is doing; the command line shows it on stderr."""

    def phase(self, text: str, total: int) -> None:
        """Begin a phase over `total` hosts."""

    def host(self, name: str, text: str) -> None:
        """Say that a host finished the phase, and how."""


class Silence:
    """A Progress that says nothing."""

    def phase(self, text: str, total: int) -> None:
        """Ignore it."""

    def host(self, name: str, text: str) -> None:
        """Ignore it."""


SILENCE: Progress = Silence()
