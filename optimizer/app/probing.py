"""Asking hosts: one probe each, with failures as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optimizer.app.direct import with_direct
from optimizer.app.requests import Progress
from optimizer.host.observed import observe
from optimizer.host.wire import GarbledAnswer, Logins, parse_answer, probe_program
from optimizer.model.fleet import Fleet, Reply
from optimizer.model.observation import Observation
from optimizer.model.request import ProbeRequest

# A probe takes a fraction of a second; a small host under heavy load may take far longer.
PROBE_TIMEOUT = 180.0


@dataclass(frozen=True)
class Failure:
    """Why a host could not be asked. is_reached: it answered, but not with what was asked."""

    error: str
    hint: str = ""
    is_reached: bool = False


def probe(
    fleet: Fleet, requests: Mapping[str, ProbeRequest], progress: Progress
) -> dict[str, Observation | Failure]:
    """Probe hosts, one remote command each; name -> what was seen or why nothing was."""
    progress.phase("reading", len(requests))
    targets = {target.name: target for target in fleet.targets()}
    logins = logins_of_each(fleet)
    programs = {name: probe_program(request, logins[name]) for name, request in requests.items()}
    seen: dict[str, Observation | Failure] = {}
    for name, found in _look(fleet, programs).items():
        if isinstance(found, Observation):
            found = with_direct(found, targets[name], requests[name], fleet)
        seen[name] = found
        progress.host(name, "read" if isinstance(seen[name], Observation) else "not read")
    return seen


def _look(fleet: Fleet, programs: Mapping[str, str]) -> dict[str, Observation | Failure]:
    """Run the probes; once more where somebody's change began or ended in the middle of it."""
    seen = _read(fleet, programs)
    torn = {name: programs[name] for name, found in seen.items() if _is_torn(found)}
    seen |= _read(fleet, torn) if torn else {}
    moved = Failure(
        "changes are made here by somebody else: they began or ended while it was looked at",
        "Try again when they are done.",
        is_reached=True,
    )
    return {name: moved if _is_torn(found) else found for name, found in seen.items()}


def _read(fleet: Fleet, programs: Mapping[str, str]) -> dict[str, Observation | Failure]:
    replies = fleet.run(programs, PROBE_TIMEOUT)
    return {name: read_observation(name, reply) for name, reply in replies.items()}


def _is_torn(found: Observation | Failure) -> bool:
    return isinstance(found, Observation) and found.is_torn


def logins_of_each(fleet: Fleet) -> dict[str, Logins]:
    """Return how to log in to the servers on each host."""
    return {target.name: target.logins for target in fleet.targets()}


def read_observation(name: str, reply: Reply) -> Observation | Failure:
    """Turn the reply to a probe into an observation."""
    if reply.error:
        return Failure(reply.error, reply.hint, reply.is_reached)
    try:
        return observe(parse_answer(reply.text), name)
    except GarbledAnswer as error:
        return Failure(str(error), error.hint, is_reached=True)
