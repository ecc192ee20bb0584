"""The score: how closely a host follows a profile, 0 to 100. It says nothing of speed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from optimizer.model.plan import ScoreForecast
from optimizer.model.result import LostPoint, ModuleScore
from optimizer.model.tunable import Permission
from optimizer.planning.comparing import Status, Verdict

# Shares of the modules in the score of a host; only those that apply are counted.
MODULE_WEIGHTS = {"system": 40, "postgresql": 30, "redis": 20, "node": 10}

_COUNTED = (Status.MATCH, Status.DRIFT, Status.PENDING, Status.UNKNOWN)


def weights(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Share of each counted reading in the score, in points of 100.

    The instances of one tunable share its weight, so that many CPUs do not outweigh the rest.
    """
    counted = [verdict for verdict in verdicts if verdict.status in _COUNTED]
    instances = Counter(verdict.reading.tunable.id for verdict in counted)
    modules = {verdict.reading.tunable.module for verdict in counted}
    module_total = sum(MODULE_WEIGHTS.get(module, 10) for module in modules)
    tunable_total: dict[str, float] = defaultdict(float)
    for verdict in counted:
        tunable = verdict.reading.tunable
        tunable_total[tunable.module] += tunable.weight / instances[tunable.id]
    return {
        verdict.reading.id: 100.0
        * MODULE_WEIGHTS.get(verdict.reading.tunable.module, 10)
        / module_total
        * (verdict.reading.tunable.weight / instances[verdict.reading.tunable.id])
        / tunable_total[verdict.reading.tunable.module]
        for verdict in counted
    }


def score(verdicts: Sequence[Verdict], counts: Callable[[Verdict], bool]) -> float | None:
    """Add up the points of the verdicts that count; None when one of them is unknown."""
    if any(verdict.status is Status.UNKNOWN for verdict in verdicts):
        return None
    points = weights(verdicts)
    if not points:
        return 100.0
    won = (points[one.reading.id] for one in verdicts if one.reading.id in points and counts(one))
    return round(sum(won), 1)


def now(verdicts: Sequence[Verdict]) -> float | None:
    """Conformance of the host as it is."""
    return score(verdicts, lambda verdict: verdict.status is Status.MATCH)


def forecast(verdicts: Sequence[Verdict], allow: Iterable[Permission]) -> ScoreForecast:
    """Conformance now, after what is allowed, and after restarts and reboots too."""
    allowed = frozenset(allow)

    def is_won(verdict: Verdict) -> bool:
        is_made = verdict.is_allowed(allowed) and verdict.counts(allowed)
        return verdict.status is Status.MATCH or (_can_win(verdict) and is_made)

    return ScoreForecast(
        now=now(verdicts), after=score(verdicts, is_won), possible=score(verdicts, _can_win)
    )


def _can_win(verdict: Verdict) -> bool:
    """Everything, but a boot value that somebody else's file sets after ours."""
    return verdict.status is Status.MATCH or (
        verdict.reading.overridden_by is None or verdict.reading.boot == verdict.wanted
    )


def by_module(verdicts: Sequence[Verdict]) -> tuple[ModuleScore, ...]:
    """Score each module by itself."""
    modules: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.status in _COUNTED:
            modules[verdict.reading.tunable.module].append(verdict)
    return tuple(
        ModuleScore(
            module=module,
            score=now(own),
            weight=MODULE_WEIGHTS.get(module, 10),
            matching=sum(verdict.status is Status.MATCH for verdict in own),
            counted=len(own),
        )
        for module, own in modules.items()
    )


def lost(verdicts: Sequence[Verdict]) -> tuple[LostPoint, ...]:
    """List what costs points, most points first."""
    points = weights(verdicts)
    losing = [one for one in verdicts if one.status in (Status.DRIFT, Status.PENDING)]
    rows = (
        LostPoint(
            tunable=one.reading.id,
            live=one.reading.live,
            wanted=one.wanted,
            gain=round(points[one.reading.id], 1),
            effect=one.reading.effect,
            why=one.why or one.reading.tunable.why,
        )
        for one in losing
    )
    return tuple(sorted(rows, key=lambda row: (-row.gain, row.tunable)))


def status_of(points: float | None) -> str:
    """Name the band of a score: optimal from 90, good from 75, warning from 50."""
    if points is None:
        return "unknown"
    bands = ((90, "optimal"), (75, "good"), (50, "warning"))
    return next((name for least, name in bands if points >= least), "critical")


_SEVERITY = ("critical", "unknown", "warning", "good", "optimal")


def lowered_by_health(status: str, checks: Iterable[str]) -> str:
    """A health check that is warning or critical lowers the status to its own."""
    bad = [check for check in checks if check in ("warning", "critical")]
    return min([status, *bad], key=_SEVERITY.index)
