"""A first look at every host of a fleet, with the profile it should follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optimizer.app.choosing import profile_of_each
from optimizer.app.health import HEALTH_OF_NODE, HEALTH_OF_POSTGRESQL, HEALTH_OF_REDIS
from optimizer.app.probing import Failure, probe
from optimizer.app.requests import ProfileRequest, Progress
from optimizer.model.fleet import Fleet
from optimizer.model.observation import Observation
from optimizer.model.profile import Profile
from optimizer.model.request import ProbeRequest, join
from optimizer.modules.examination import request_for


@dataclass(frozen=True)
class Look:
    """One host: its profile, what was seen of it, and what the operator wants left alone."""

    name: str
    profile: Profile
    seen: Observation | Failure
    pins: Mapping[str, str]


def look_at(
    fleet: Fleet, request: ProfileRequest, progress: Progress, *, with_health: bool = False
) -> tuple[Look, ...]:
    """Probe every host for what its profile names; one remote command per host.

    with_health: also for the health of the servers that the profile tunes.
    """
    chosen = profile_of_each(fleet, request)
    requests = {
        name: join((request_for(one), _health(one) if with_health else ProbeRequest()))
        for name, one in chosen.items()
    }
    seen = probe(fleet, requests, progress)
    pins = {target.name: target.pins for target in fleet.targets()}
    return tuple(Look(name, chosen[name], seen[name], pins[name]) for name in chosen)


def _health(profile: Profile) -> ProbeRequest:
    tuned = {one.tunable.module for one in profile.settings.values()}
    asked = {
        "redis": HEALTH_OF_REDIS,
        "postgresql": HEALTH_OF_POSTGRESQL,
        "node": HEALTH_OF_NODE,
    }
    return join(request for module, request in asked.items() if module in tuned)
