"""score: how closely hosts follow a profile, and where the points are lost."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.app.choosing import profile_of_each, reference
from optimizer.app.probing import Failure, probe
from optimizer.app.requests import SILENCE, ProfileRequest, Progress
from optimizer.model.fleet import Fleet
from optimizer.model.observation import Observation
from optimizer.model.plan import Skipped
from optimizer.model.profile import Profile
from optimizer.model.result import HostScore, ScoreResult
from optimizer.modules.examination import examine, request_for
from optimizer.planning.comparing import Status, Verdict
from optimizer.scoring import conformance
from optimizer.scoring.health import system_health


def score(fleet: Fleet, request: ProfileRequest, progress: Progress = SILENCE) -> ScoreResult:
    """Score every host; one remote command per host."""
    chosen = profile_of_each(fleet, request)
    seen = probe(fleet, {name: request_for(one) for name, one in chosen.items()}, progress)
    pins = {target.name: target.pins for target in fleet.targets()}
    hosts = tuple(_score(name, profile, seen[name], pins[name]) for name, profile in chosen.items())
    return ScoreResult(profile=reference(chosen.values()), hosts=hosts)


def _score(
    name: str, profile: Profile, seen: Observation | Failure, pins: Mapping[str, str]
) -> HostScore:
    if isinstance(seen, Failure):
        return HostScore(name=name, state="unreachable", error=seen.error)
    verdicts = examine(profile, seen, pins)
    points = conformance.now(verdicts)
    health = system_health(seen.facts)
    band = conformance.status_of(points)
    return HostScore(
        name=name,
        state="scored" if points is not None else "unknown",
        score=points,
        status=conformance.lowered_by_health(band, [check.status for check in health]),
        modules=conformance.by_module(verdicts),
        lost=conformance.lost(verdicts),
        health=health,
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
