"""Servers of a host that only the controller could ask, added to what was seen of the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from optimizer.host.redis_observed import parameters
from optimizer.model.fleet import Fleet, Target
from optimizer.model.observation import Observation
from optimizer.model.redis import RedisLogin, server_of
from optimizer.model.request import ProbeRequest


def with_direct(
    seen: Observation, target: Target, request: ProbeRequest, fleet: Fleet
) -> Observation:
    """Ask the servers that inventory data names, where the host itself got no answer of them."""
    if request.redis or request.redis_health:
        seen = _with_servers(seen, target, request, fleet)
    if (request.postgresql or request.postgresql_health) and target.postgres_dsn:
        seen = _with_cluster(seen, target.postgres_dsn, request, fleet)
    return seen


def _with_servers(
    seen: Observation, target: Target, request: ProbeRequest, fleet: Fleet
) -> Observation:
    answering = {server.name for server in seen.redis if server.answers}
    urls = {**_without_client(seen, target), **target.redis_urls}
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


def _without_client(seen: Observation, target: Target) -> Mapping[str, RedisLogin]:
    """On this machine itself a server without redis-cli is in reach all the same."""
    if not target.is_local:
        return {}
    anybody = target.logins.get("", RedisLogin())
    return {
        _url(server.address): target.logins.get(server.name, anybody)
        for server in seen.redis
        if server.problem and server.address
    }


def _url(address: str) -> str:
    return f"unix://{address}" if address.startswith("/") else f"redis://{address}"


def _with_cluster(seen: Observation, dsn: str, request: ProbeRequest, fleet: Fleet) -> Observation:
    if any(not cluster.problem for cluster in seen.postgresql):
        return seen
    read = fleet.read_postgresql(dsn, request)
    kept = [one for one in seen.postgresql if one.name != read.name]
    return replace(seen, postgresql=(*kept, read))
