"""Asking hosts: one probe each, with failures as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from optimizer.app.requests import Progress
from optimizer.host.observed import observe
from optimizer.host.redis_observed import parameters
from optimizer.host.wire import GarbledAnswer, Logins, parse_answer, probe_program
from optimizer.model.fleet import Fleet, Reply, Target
from optimizer.model.observation import Observation
from optimizer.model.redis import RedisLogin, server_of
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
    replies = fleet.run(programs, PROBE_TIMEOUT)
    seen: dict[str, Observation | Failure] = {}
    for name, reply in replies.items():
        seen[name] = _with_servers(
            read_observation(name, reply), targets[name], requests[name], fleet
        )
        progress.host(name, "read" if isinstance(seen[name], Observation) else "not read")
    return seen


def _with_servers(
    seen: Observation | Failure, target: Target, request: ProbeRequest, fleet: Fleet
) -> Observation | Failure:
    """Add the Redis servers that only this controller could ask."""
    if isinstance(seen, Failure) or not (request.redis or request.redis_health):
        return seen
    urls = dict(target.redis_urls)
    if target.is_local:
        mute = [server for server in seen.redis if server.problem and server.address]
        for server in mute:
            login = target.logins.get(server.name, target.logins.get("", RedisLogin()))
            urls.setdefault(_url(server.address), login)
    answering = {server.name for server in seen.redis if server.answers}
    missing = {url: login for url, login in urls.items() if server_of(url) not in answering}
    if not missing:
        return seen
    read = fleet.read_redis(missing, request)
    names = {server.name for server in read if server.answers}
    kept = [server for server in seen.redis if server.name not in names]
    known = {server.name for server in kept}
    added = [server for server in read if server.answers or server.name not in known]
    values = {value.path: value for server in added for value in parameters(server)}
    return replace(seen, redis=(*kept, *added), values={**seen.values, **values})


def _url(address: str) -> str:
    return f"unix://{address}" if address.startswith("/") else f"redis://{address}"


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
