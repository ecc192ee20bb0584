"""What a profile wants of one tunable, held against what the host has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from optimizer.model.errors import InvalidValue
from optimizer.model.observation import Facts
from optimizer.model.profile import Constraint, Setting, Wanted
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.tunable import Effect, Permission
from optimizer.planning.conditions import FACTS, holds
from optimizer.planning.expressions import evaluate


class Status(StrEnum):
    """What became of one tunable on one host."""

    MATCH = "match"
    DRIFT = "drift"
    PENDING = "pending"
    NOT_APPLICABLE = "not applicable"
    UNKNOWN = "unknown"
    PINNED = "pinned"
    UNTOUCHED = "untouched"


@dataclass(frozen=True)
class Verdict:
    """A reading, what is wanted of it, and what has to change.

    wanted: canonical text; empty where nothing is. reason: why it is left out.
    at_stake: which data the change can lose.
    """

    reading: Reading
    status: Status
    wanted: str = ""
    difference: Difference | None = None
    reason: str = ""
    why: str = ""
    at_stake: str = ""

    def is_allowed(self, allow: frozenset[Permission]) -> bool:
        """Whether the change may be made at all; what it needs to count is another matter."""
        if self.reading.effect is Effect.REBOOT and Permission.REBOOT not in allow:
            return False
        return not self.reading.blocked and (not self.at_stake or Permission.DATA in allow)

    def counts(self, allow: frozenset[Permission]) -> bool:
        """Whether the change, once made, counts without a later restart or reboot."""
        effect = self.reading.effect
        if self.difference is not None and self.difference.live is None:
            return True
        if effect is Effect.RESTART:
            needs = self.reading.restart_needs
            return self.reading.is_restartable and allow.issuperset(needs)
        return effect is not Effect.REBOOT


def compare(setting: Setting, reading: Reading, facts: Facts, pin: str | None) -> Verdict:
    """Compare one reading with the alternative of the setting that applies to it.

    pin: why the operator wants it left alone, None when it is not pinned.
    Raises InvalidValue when an expression comes out of range on this host.
    """
    if pin is not None:
        return Verdict(reading, Status.PINNED, reason=pin or "pinned in the inventory")
    if reading.state is ReadingState.NOT_APPLICABLE:
        return Verdict(reading, Status.NOT_APPLICABLE, reason=reading.reason)
    chosen = _chosen(setting, reading, facts)
    if chosen is None:
        return Verdict(reading, Status.NOT_APPLICABLE, reason=_unmet(setting))
    if chosen.constraint is Constraint.UNTOUCHED:
        return Verdict(reading, Status.UNTOUCHED)
    if reading.state is ReadingState.UNKNOWN:
        return Verdict(reading, Status.UNKNOWN, reason=reading.reason)
    wanted = resolve(chosen, reading, facts)
    return _verdict(reading, chosen, wanted)


def _chosen(setting: Setting, reading: Reading, facts: Facts) -> Wanted | None:
    # A fact that this instance does not have, such as the disk of a network card, fits nothing.
    known: dict[str, str | int] = dict.fromkeys(FACTS, "")
    known |= facts.conditions() | dict(reading.facts)
    return next((one for one in setting.alternatives if holds(one.when, known)), None)


def _unmet(setting: Setting) -> str:
    conditions = (
        " and ".join(f"{fact} {condition}" for fact, condition in one.when.items())
        for one in setting.alternatives
    )
    return "the profile sets it only where " + ", or ".join(conditions)


def resolve(wanted: Wanted, reading: Reading, facts: Facts) -> str:
    """Return the canonical value that is wanted on this host, expressions worked out."""
    value = reading.tunable.value
    try:
        return value.canonical(wanted.value)
    except InvalidValue:
        if not value.is_numeric:
            raise
    numbers = {"ram": facts.ram, "cpus": facts.cpus, "numa_nodes": facts.numa_nodes}
    numbers |= reading.numbers
    try:
        return value.canonical(str(evaluate(wanted.value, numbers)))
    except InvalidValue as error:
        raise InvalidValue(what=f"{reading.id}: {wanted.value}: {error}") from None


def _bound(constraint: Constraint, reading: Reading, current: str | None, wanted: str) -> str:
    """Return the nearest value to the current one that the constraint allows."""
    if constraint is Constraint.EXACTLY or not current:
        return wanted
    pick = max if constraint is Constraint.AT_LEAST else min
    order = reading.tunable.value.order
    try:
        numbers = [pick(pair) for pair in zip(order(current), order(wanted), strict=True)]
    except (InvalidValue, ValueError):
        return wanted
    if tuple(numbers) == order(current):
        return current
    return reading.tunable.value.canonical(" ".join(map(str, numbers)))


def _verdict(reading: Reading, chosen: Wanted, wanted: str) -> Verdict:
    constraint = chosen.constraint
    live = _bound(constraint, reading, reading.live, wanted)
    boot = _boot(constraint, reading, live, wanted)
    live_differs = reading.has_live and reading.live != live
    is_kept = reading.has_boot and not reading.unkept
    boot_differs = is_kept and boot is not None and boot != reading.boot
    difference = Difference(
        reading,
        live=live if live_differs else None,
        boot=boot if boot_differs and boot != reading.own else None,
    )
    status = _status(reading, live_differs=live_differs, boot_differs=boot_differs)
    needed = difference if difference.live is not None or difference.boot is not None else None
    return Verdict(reading, status, live, needed, why=chosen.why)


def _boot(constraint: Constraint, reading: Reading, live: str, wanted: str) -> str | None:
    """Return what boot has to set; None where whatever it sets now is good enough.

    A bound that the kernel's own default satisfies needs no file: writing today's value
    down could lower what a later kernel or a bigger machine starts with.
    """
    if constraint is Constraint.EXACTLY:
        return wanted
    if reading.boot is None:
        return None if reading.live == live else live
    return _bound(constraint, reading, reading.boot, wanted)


def _status(reading: Reading, *, live_differs: bool, boot_differs: bool) -> Status:
    # What nothing of ours can write does not come with the next boot either.
    waits = reading.effect is Effect.RESTART or (
        reading.effect is Effect.REBOOT and reading.has_boot
    )
    if live_differs and not boot_differs and waits:
        return Status.PENDING
    return Status.DRIFT if live_differs or boot_differs else Status.MATCH


def excluding_pairs(settings: Mapping[str, Setting]) -> list[tuple[str, str]]:
    """Find settings of which the kernel can keep only one."""
    return [
        (name, other)
        for name, setting in settings.items()
        if _is_set(setting)
        for other in setting.tunable.coupling.excludes
        if name < other and other in settings and _is_set(settings[other])
    ]


def _is_set(setting: Setting) -> bool:
    return any(one.constraint is not Constraint.UNTOUCHED for one in setting.alternatives)
