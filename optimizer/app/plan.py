"""plan: what would change on each host, and why. Nothing is touched."""

from __future__ import annotations

from optimizer.app.choosing import reference
from optimizer.app.looking import Look, look_at
from optimizer.app.probing import Failure
from optimizer.app.requests import SILENCE, ProfileRequest, Progress
from optimizer.model.fleet import Fleet
from optimizer.model.plan import HostPlan, Plan
from optimizer.model.tunable import Permission
from optimizer.modules.host_plan import plan_host, refused


def plan(
    fleet: Fleet,
    request: ProfileRequest,
    allow: frozenset[Permission] = frozenset(),
    progress: Progress = SILENCE,
) -> Plan:
    """Compare every host with its profile; one remote command per host."""
    looks = look_at(fleet, request, progress)
    made = Plan(
        profile=reference(look.profile for look in looks),
        allow=tuple(sorted(allow)),
        hosts=tuple(_host(look, allow) for look in looks),
    )
    return made.sealed()


def _host(look: Look, allow: frozenset[Permission]) -> HostPlan:
    if isinstance(look.seen, Failure):
        return unusable(look.name, look.seen)
    return plan_host(look.name, look.profile, look.seen, look.pins, allow)


def unusable(name: str, failure: Failure) -> HostPlan:
    """Return the plan of a host that could not be asked."""
    if failure.is_reached:
        return refused(name, failure.error, failure.hint)
    return HostPlan(name=name, state="unreachable", error=failure.error, hint=failure.hint)
