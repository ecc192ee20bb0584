"""A reading: what a host has for one tunable, live and at boot, and how far that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from optimizer.model.tunable import Effect, Permission, Tunable


class ReadingState(StrEnum):
    """Whether a tunable can be compared on this host."""

    KNOWN = "known"
    NOT_APPLICABLE = "not applicable"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Reading:
    """One tunable, or one instance of it, on one host.

    instance: which of several (vda, policy0); empty for a tunable that exists once.
    path: the kernel file of the live value; empty where it is not one.
    live: canonical text in force; None where nothing is in force.
    boot: canonical text that the next boot or restart sets; None where nothing sets it.
    source: `file:line` that decides the boot value. overridden_by: `file:line` of somebody
        else that is read after our file and so beats it.
    has_live: False for settings without a value that could be in force (a log set).
    has_boot: False for what outlasts a boot by itself and is in no file (an object in a database).
    unkept: why nothing can set it at boot here. own: what our own file says.
    facts: what `when:` may ask for about this instance alone, such as the kind of disk.
    numbers: what expressions may use besides the facts of the host; sizes in bytes.
    effect_here: when a change counts on this host, where that is not what is usual.
    is_restartable: whether there is a unit through which its service can be restarted.
    blocked: why nothing of ours can change it, as somebody else's setting beats it.
    lost_by_restart: which data a restart of the service would lose; empty for none.
    """

    tunable: Tunable
    instance: str = ""
    path: str = ""
    live: str | None = None
    boot: str | None = None
    source: str | None = None
    overridden_by: str | None = None
    state: ReadingState = ReadingState.KNOWN
    reason: str = ""
    has_live: bool = True
    has_boot: bool = True
    unkept: str = ""
    own: str | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    effect_here: Effect | None = None
    lost_by_restart: str = ""
    is_restartable: bool = True
    blocked: str = ""

    @property
    def id(self) -> str:
        """Tunable id, with the instance in brackets where there are several."""
        return f"{self.tunable.id}[{self.instance}]" if self.instance else self.tunable.id

    @property
    def effect(self) -> Effect:
        """When a change of it counts on this host."""
        return self.effect_here or self.tunable.effect

    @property
    def restart_needs(self) -> tuple[Permission, ...]:
        """What has to be allowed before its service may be restarted."""
        more = (Permission.DATA,) if self.lost_by_restart else ()
        return (Permission.RESTART, *more)


@dataclass(frozen=True)
class Difference:
    """A reading that has to change.

    live: new live text, None to leave it alone. boot: likewise for the boot value.
    """

    reading: Reading
    live: str | None = None
    boot: str | None = None
