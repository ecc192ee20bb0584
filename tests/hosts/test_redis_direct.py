"""A server asked by its host and by the controller itself says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from optimizer import catalog
from optimizer.engine.redis_direct import read_servers
from optimizer.host.observed import observe
from optimizer.host.wire import parse_answer, probe_program
from optimizer.model.redis import RedisInstance, RedisLogin
from optimizer.model.request import ProbeRequest
from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_SMALL
from tests.hosts.redis_lab import KEYS, Server

PASSWORD = "of both ways"  # noqa: S105
# What only the host can see of a server, and what every question changes.
_OF_THE_HOST: dict[str, Any] = {
    "address": "",
    "unit": "",
    "config_state": None,
    "include": "",
    "lines": (),
    "arguments": {},
    "open_files": None,
    "memory_max": None,
    "can_change": True,
}
_MOVING = (
    "used_memory",
    "mem_",
    "allocator_",
    "total_",
    "instantaneous_",
    "uptime",
    "connected_clients",
    "latest_fork",
)
_PARAMETERS = frozenset(
    tunable.target for tunable in catalog.TUNABLES.values() if tunable.kind == "redis"
)


def test_both_ways_of_asking_give_the_same(server: Server) -> None:
    request = ProbeRequest(redis=_PARAMETERS, redis_health=True)
    login = RedisLogin("", PASSWORD)
    with server.configured("bind 0.0.0.0", f'requirepass "{PASSWORD}"'):
        said = server.host.run("sh", input=probe_program(request, {"": login})).stdout
        [by_host] = observe(parse_answer(said), server.host.name).redis
        url = f"redis://{server.host.address}:{server.port}"
        [by_controller] = read_servers({url: login}, request)
        assert by_host.keys == by_controller.keys == KEYS
        assert len(by_host.config) > 40
        assert by_host.fixed >= {"io-threads", "tcp-backlog"}
        assert _common(by_host) == _common(by_controller)
        [refused] = read_servers({url: RedisLogin("", "wrong")}, request)
        assert "another login" in refused.problem


def _common(server: RedisInstance) -> RedisInstance:
    info = {name: text for name, text in server.info.items() if not name.startswith(_MOVING)}
    latency = " ".join(server.latency.split())
    return replace(server, info=info, latency=latency, **_OF_THE_HOST)


def test_a_host_without_a_client_is_read_over_its_url_and_not_changed(
    redis7: Server, controller: MakeController
) -> None:
    host = redis7.host
    url = f"redis://:{PASSWORD.replace(' ', '%20')}@{host.address}:{redis7.port}"
    with redis7.configured("bind 0.0.0.0", f'requirepass "{PASSWORD}"'):
        host.run("mv /usr/bin/redis-cli /usr/bin/redis-cli.away")
        try:
            planned = controller(host, redis_url=url).plan("--profile", REDIS_SMALL).expect(0)
            found = planned.host("redis7")
            [left] = found["not_applicable"]
            assert "takes redis-cli on the host" in left["reason"]
            blind = controller(host).plan("--profile", REDIS_SMALL).expect(0).host("redis7")
            assert "needs redis-cli" in blind["unknown"][0]["reason"]
        finally:
            host.run("mv /usr/bin/redis-cli.away /usr/bin/redis-cli")
