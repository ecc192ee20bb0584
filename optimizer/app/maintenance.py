"""When the maintenance of a host last ran, and how it ended. Source: systemctl(1)."""

from __future__ import annotations

from collections.abc import Iterator

from optimizer.model.observation import Observation, Unit
from optimizer.model.request import ProbeRequest
from optimizer.model.result import Diagnosis
from optimizer.resources.maintenance import JOBS, unit_of

# Properties of units, which systemd knows without looking at a cluster.
MAINTENANCE = ProbeRequest(
    units=frozenset(unit_of(job, suffix) for job in JOBS for suffix in ("timer", "service")),
    properties=frozenset({"Result", "ExecMainExitTimestamp", "NextElapseUSecRealtime"}),
)


def maintenance(seen: Observation) -> Iterator[Diagnosis]:
    """Say it of every timer of ours that is on the host."""
    for job in JOBS:
        timer = seen.units.get(unit_of(job, "timer"))
        service = seen.units.get(unit_of(job, "service"))
        if timer is not None and timer.is_loaded and service is not None:
            yield _of(job, timer, service)


def _of(job: str, timer: Unit, service: Unit) -> Diagnosis:
    check = f"PostgreSQL {job}"
    if not timer.is_active:
        return Diagnosis(
            check=check,
            status="warning",
            answer="its timer does not run",
            hint=f"systemctl start {timer.name}, or apply the profile again.",
        )
    ended = service.properties.get("ExecMainExitTimestamp", "")
    upcoming = timer.properties.get("NextElapseUSecRealtime", "")
    after = f"; next {upcoming}" if upcoming else ""
    result = service.properties.get("Result", "success")
    if result != "success":
        return Diagnosis(
            check=check,
            status="warning",
            answer=f"failed {ended} ({result}){after}",
            hint=f"journalctl -u {service.name} says why.",
        )
    if service.properties.get("ActiveState") == "activating":
        return Diagnosis(check=check, status="ok", answer="at work now")
    answer = f"ended well {ended}" if ended else "not run since the host was started"
    return Diagnosis(check=check, status="ok", answer=answer + after)
