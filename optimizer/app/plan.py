"""plan: what would change on each host, and why. Nothing is touched."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.app.choosing import profile_of_each, reference
from optimizer.app.probing import Failure, probe
from optimizer.app.requests import SILENCE, ProfileRequest, Progress
from optimizer.model.fleet import Fleet
from optimizer.model.observation import Observation
from optimizer.model.plan import HostPlan, Plan
from optimizer.model.profile import Profile
from optimizer.model.tunable import Effect
from optimizer.modules.examination import request_for
from optimizer.modules.host_plan import plan_host, refused


def plan(
    fleet: Fleet,
    request: ProfileRequest,
    allow: frozenset[Effect] = frozenset(),
    progress: Progress = SILENCE,
) -> Plan:
    """Compare every host with its profile; one remote command per host."""
    chosen = profile_of_each(fleet, request)
    seen = probe(fleet, {name: request_for(one) for name, one in chosen.items()}, progress)
    pins = {target.name: target.pins for target in fleet.targets()}
    hosts = tuple(
        _host(name, profile, seen[name], pins[name], allow) for name, profile in chosen.items()
    )
    made = Plan(profile=reference(chosen.values()), allow=tuple(sorted(allow)), hosts=hosts)
    return made.sealed()


def _host(
    name: str,
    profile: Profile,
    seen: Observation | Failure,
    pins: Mapping[str, str],
    allow: frozenset[Effect],
) -> HostPlan:
    if isinstance(seen, Failure):
        return unusable(name, seen)
    return plan_host(name, profile, seen, pins, allow)


def unusable(name: str, failure: Failure) -> HostPlan:
    """Return the plan of a host that could not be asked."""
    if failure.is_reached:
        return refused(name, failure.error, failure.hint)
    return HostPlan(name=name, state="unreachable", error=failure.error, hint=failure.hint)
