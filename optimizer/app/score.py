"""score: how closely hosts follow a profile, and where the points are lost."""

from __future__ import annotations

from optimizer.app.choosing import profile_of_each, reference
from optimizer.app.health import HEALTH_OF_REDIS, health
from optimizer.app.looking import Look
from optimizer.app.probing import Failure, probe
from optimizer.app.requests import SILENCE, ProfileRequest, Progress
from optimizer.model.fleet import Fleet
from optimizer.model.plan import Skipped
from optimizer.model.profile import Profile
from optimizer.model.request import ProbeRequest, join
from optimizer.model.result import HostScore, ScoreResult
from optimizer.modules.examination import examine, request_for
from optimizer.planning.comparing import Status, Verdict
from optimizer.scoring import conformance


def score(fleet: Fleet, request: ProfileRequest, progress: Progress = SILENCE) -> ScoreResult:
    """Score every host; one remote command per host."""
    looks = _look_at(fleet, request, progress)
    hosts = tuple(map(_score, looks))
    return ScoreResult(profile=reference(look.profile for look in looks), hosts=hosts)


def _look_at(fleet: Fleet, request: ProfileRequest, progress: Progress) -> tuple[Look, ...]:
    """Probe every host for what its profile names, and for the health of what that tunes."""
    chosen = profile_of_each(fleet, request)
    seen = probe(fleet, {name: _request(profile) for name, profile in chosen.items()}, progress)
    return tuple(
        Look(target.name, chosen[target.name], seen[target.name], target.pins)
        for target in fleet.targets()
    )


def _request(profile: Profile) -> ProbeRequest:
    has_redis = any(one.tunable.module == "redis" for one in profile.settings.values())
    return join((request_for(profile), HEALTH_OF_REDIS if has_redis else ProbeRequest()))


def _score(look: Look) -> HostScore:
    name, seen = look.name, look.seen
    if isinstance(seen, Failure):
        return HostScore(name=name, state="unreachable", error=seen.error)
    verdicts = examine(look.profile, seen, look.pins)
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
