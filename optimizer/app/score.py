"""score: how closely hosts follow a profile, and where the points are lost."""

from __future__ import annotations

from optimizer.app.choosing import reference
from optimizer.app.health import health
from optimizer.app.looking import Look, look_at
from optimizer.app.probing import Failure
from optimizer.app.requests import SILENCE, ProfileRequest, Progress
from optimizer.model.errors import InvalidValue
from optimizer.model.fleet import Fleet
from optimizer.model.plan import Skipped
from optimizer.model.result import HostScore, ScoreResult
from optimizer.modules.examination import examine
from optimizer.planning.comparing import Status, Verdict
from optimizer.scoring import conformance


def score(fleet: Fleet, request: ProfileRequest, progress: Progress = SILENCE) -> ScoreResult:
    """Score every host; one remote command per host."""
    looks = look_at(fleet, request, progress, with_health=True)
    hosts = tuple(map(_score, looks))
    return ScoreResult(profile=reference(look.profile for look in looks), hosts=hosts)


def _score(look: Look) -> HostScore:
    name, seen = look.name, look.seen
    if isinstance(seen, Failure):
        return HostScore(name=name, state="unreachable", error=seen.error)
    try:
        verdicts = examine(look.profile, seen, look.pins).verdicts
    except InvalidValue as error:
        return HostScore(name=name, state="unknown", error=str(error))
    points = conformance.now(verdicts)
    checks = health(seen, look.profile.health)
    band = conformance.status_of(points)
    return HostScore(
        name=name,
        state="scored" if points is not None else "unknown",
        score=points,
        status=conformance.lowered_by_health(band, [check.status for check in checks]),
        modules=conformance.by_module(verdicts),
        lost=conformance.lost(verdicts),
        health=checks,
        not_applicable=_left_out(verdicts, Status.NOT_APPLICABLE),
        pinned=_left_out(verdicts, Status.PINNED),
        unknown=_left_out(verdicts, Status.UNKNOWN),
    )


def _left_out(verdicts: tuple[Verdict, ...], status: Status) -> tuple[Skipped, ...]:
    return tuple(
        Skipped(tunable=verdict.reading.id, reason=verdict.reason)
        for verdict in verdicts
        if verdict.status is status
    )
