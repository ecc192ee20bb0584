"""The ways in which a change is cut off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.hosts.controller import QUICK
from tests.hosts.faults.area import AREAS
from tests.hosts.faults.faulty import READ_ONLY
from tests.hosts.faults.sweep import PHASES, Sweep, Verdict


@dataclass(frozen=True)
class Way:
    """One way.

    stride: between two points that are tried; phases, areas: where it makes sense; is_by_boot: the
    next boot has to clear up, so points at which there is nothing it could go by are left out.
    """

    name: str
    cut: Callable[[Sweep, str, int], Verdict]
    stride: int = 1
    phases: tuple[str, ...] = PHASES
    areas: tuple[str, ...] = tuple(AREAS)
    is_by_boot: bool = False


def _ordered(order: str, sweep: Sweep, phase: str, number: int) -> Verdict:
    return sweep.cut(phase, order.format(number))


def _killed(sweep: Sweep, phase: str, number: int) -> Verdict:
    return sweep.lose_controller(phase, number)


def _cut_off(sweep: Sweep, phase: str, number: int) -> Verdict:
    return sweep.lose_controller(phase, number, cut=int(QUICK))


def _gone(sweep: Sweep, phase: str, number: int) -> Verdict:
    return sweep.lose_controller(phase, number, cut=sweep.patience)


# Both commands of a change, at some moments from before their first change to after the last one:
# each of these takes as long as the real timer.
_COMMANDS = ("apply", "confirm")

WAYS = (
    Way("killed", partial(_ordered, "kill {}")),
    Way(
        "killed, apt goes on",
        partial(_ordered, "alone {}"),
        stride=4,
        phases=("confirm", "restore", "undone"),
        areas=("package",),
    ),
    Way("disk full", partial(_ordered, "full {}")),
    Way("/etc read-only", partial(_ordered, f"strike {{}} {READ_ONLY}"), stride=8),
    Way(
        "Redis killed",
        partial(_ordered, "strike {} pkill -KILL -x redis-server"),
        stride=8,
        areas=("redis", "all"),
    ),
    Way(
        "PostgreSQL killed",
        partial(_ordered, "strike {} pkill -KILL -ox postgres"),
        stride=8,
        areas=("postgresql", "all"),
    ),
    # Where a boot takes minutes, moments are drawn by chance: test_vm.py.
    Way(
        "power cut",
        Sweep.lose_power,
        stride=6,
        areas=("system", "redis", "postgresql", "node", "all"),
        is_by_boot=True,
    ),
    Way("controller killed", _killed, stride=12, phases=_COMMANDS),
    # Where time is granted for an append-only file or a package, this is over before the timer is.
    Way("network cut", _cut_off, stride=12, phases=_COMMANDS),
    Way("network gone", _gone, stride=12, phases=_COMMANDS),
)
