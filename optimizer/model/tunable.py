"""A tunable: one setting that the optimizer understands, declared as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from optimizer.model.values import ValueType


class Effect(StrEnum):
    """When a change counts."""

    LIVE = "live"
    NEW_CONNECTIONS = "new connections"
    RELOAD = "reload"
    SESSION = "session"
    RESTART = "restart"
    REBOOT = "reboot"

    @property
    def permission(self) -> Permission | None:
        """What has to be allowed before a change of this effect is made to count."""
        return {Effect.RESTART: Permission.RESTART, Effect.REBOOT: Permission.REBOOT}.get(self)


class Permission(StrEnum):
    """What a change may need to be allowed by name: `--allow restart,reboot,data`.

    DATA: it can lose data, now or at the next crash or restart.
    """

    RESTART = "restart"
    REBOOT = "reboot"
    DATA = "data"


class Risk(StrEnum):
    """What a wrong value can do to the host."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True)
class Coupling:
    """What else the kernel changes when a tunable is written.

    Names are tunable ids, or patterns of paths, whose `*` is any name; where the tunable has
    instances, a `*` is the name of its own.

    excludes: the kernel zeroes these when this one is set (vm.dirty_bytes, vm.dirty_ratio);
        zero cannot be written back, so restoring writes whichever of them was in force.
    mirrors: take the same value at the same moment (net.ipv4.ip_forward, and that of each card).
    opposes: take the opposite value, of 0 and 1.
    resets: fall back to a default of the kernel's choice and are written again afterwards
        (queue/scheduler, queue/nr_requests).
    owns: patterns of paths of settings that only this value has, and that go with it
        (queue/scheduler, queue/iosched/*); what they were is written when it comes back.
    """

    excludes: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    opposes: tuple[str, ...] = ()
    resets: tuple[str, ...] = ()
    owns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tunable:
    """One setting: what it is, how it is written, what it does and what can go wrong.

    id: `module.group.name`, for example `system.sysctl.vm.swappiness`.
    kind: name of the resource kind that reads, writes and undoes it.
    target: what the kind needs to find it: a sysctl key, a sysfs path pattern with `*`
        for the instance, a unit directive, a boot parameter.
    weight: share in the score, 1 (cosmetic) to 10 (decides whether the profile works).
    modules: kernel module that has to be loaded for a value, by value.
    refused: why no profile may set it; empty for a normal tunable.
    is_forcible: whether the command line may set what is refused, by its name.
    opt_in: why it is in no shipped profile and has to be asked for by name.
    """

    id: str
    kind: str
    target: str
    value: ValueType
    why: str
    docs: str
    weight: int = 3
    effect: Effect = Effect.LIVE
    risk: Risk = Risk.LOW
    unit: str = ""
    coupling: Coupling = Coupling()
    modules: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    opt_in: str = ""
    is_known: bool = True
    is_forcible: bool = False

    @property
    def module(self) -> str:
        """The area of tuning, the first word of the id."""
        return self.id.partition(".")[0]
