"""The Redis part of the catalogue: complete, in a safe order, and closed where it has to be."""

from __future__ import annotations

import pytest

from optimizer import catalog
from optimizer.catalog import redis
from optimizer.model.tunable import Effect, Risk

OURS = {tunable.target: tunable for tunable in redis.AREA.tunables}
REFUSED = {
    tunable.target: tunable
    for tunable in catalog.TUNABLES.values()
    if tunable.kind == "redis" and tunable.refused
}
LAZY = (
    "lazyfree-lazy-eviction",
    "lazyfree-lazy-expire",
    "lazyfree-lazy-server-del",
    "lazyfree-lazy-user-del",
    "lazyfree-lazy-user-flush",
    "replica-lazy-flush",
)

# What Redis 7.0.15, Redis 8.0.2 and Valkey 8.1.1 answered `CONFIG SET` with "immutable" for.
IMMUTABLE = {
    "aof-rewrite-cpulist",
    "bgsave-cpulist",
    "bio-cpulist",
    "disable-thp",
    "io-threads",
    "io-threads-do-reads",
    "rdbchecksum",
    "server-cpulist",
    "tcp-backlog",
    "unixsocket",
    "unixsocketperm",
}


def test_every_parameter_is_declared_under_its_own_name() -> None:
    assert len(OURS) == len(redis.AREA.tunables) == 52
    for target, tunable in OURS.items():
        assert (tunable.kind, tunable.id) == ("redis", f"redis.{target}")
        assert not tunable.refused
        # Redis 7.0 alone spells some with _; the dash is what all others know.
        assert "_" not in target


def test_what_a_server_cannot_change_needs_a_restart() -> None:
    assert {name for name, one in OURS.items() if one.effect is Effect.RESTART} == IMMUTABLE
    connections = {name for name, one in OURS.items() if one.effect is Effect.NEW_CONNECTIONS}
    assert connections == {"tcp-keepalive"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("maxmemory-policy", "maxmemory"),
        ("appendfsync", "appendonly"),
        ("no-appendfsync-on-rewrite", "appendonly"),
        ("auto-aof-rewrite-min-size", "appendonly"),
        ("appendonly", "save"),
        ("oom-score-adj-values", "oom-score-adj"),
    ],
)
def test_parameters_stand_in_the_order_of_writing(first: str, second: str) -> None:
    order = list(OURS)
    assert order.index(first) < order.index(second)


def test_the_host_is_made_ready_before_its_servers() -> None:
    order = [name for name, tunable in catalog.TUNABLES.items() if not tunable.refused]
    servers = [name for name in order if name.startswith(("redis.", "postgresql.", "node."))]
    assert order[-len(servers) :] == servers


@pytest.mark.parametrize(
    "name",
    ["maxmemory", "maxmemory-policy", "save", "appendonly", "appendfsync", "min-replicas-to-write"],
)
def test_what_can_lose_data_or_refuse_writes_is_a_high_risk(name: str) -> None:
    assert OURS[name].risk is Risk.HIGH


@pytest.mark.parametrize("name", LAZY)
def test_freeing_in_the_background_is_harmless(name: str) -> None:
    assert OURS[name].risk is Risk.LOW
    assert OURS[name].value.canonical("on") == "yes"


@pytest.mark.parametrize("name", ["no-appendfsync-on-rewrite", "rdbchecksum"])
def test_less_durability_has_to_be_asked_for_by_name(name: str) -> None:
    assert OURS[name].opt_in


def test_sizes_are_bytes() -> None:
    sizes = {name for name, tunable in OURS.items() if tunable.unit == "bytes"}
    assert sizes == {
        "maxmemory",
        "maxmemory-clients",
        "auto-aof-rewrite-min-size",
        "repl-backlog-size",
    }


@pytest.mark.parametrize(
    "name",
    ["bind", "port", "tls-port", "protected-mode", "requirepass", "aclfile", "user", "masterauth"],
)
def test_who_may_reach_a_server_is_reported_and_never_changed(name: str) -> None:
    assert "reported by doctor, never changed" in REFUSED[name].refused


@pytest.mark.parametrize("name", ["dir", "dbfilename", "appendfilename", "appenddirname"])
def test_where_the_keys_are_is_never_changed(name: str) -> None:
    assert "come up without them" in REFUSED[name].refused


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("redis.max-memory", "redis.maxmemory"),
        ("redis.maxMemory", "redis.maxmemory"),
        ("redis.maxMemoryPolicy", "redis.maxmemory-policy"),
        ("redis.maxmemory_policy", "redis.maxmemory-policy"),
        ("redis.lazyfreeLazyEviction", "redis.lazyfree-lazy-eviction"),
        ("redis.server_cpulist", "redis.server-cpulist"),
        ("redis.client-output-buffer-limit.norml", "redis.client-output-buffer-limit.normal"),
        ("maxmemory-policy", "redis.maxmemory-policy"),
        ("appendonly", "redis.appendonly"),
        ("REDIS_MAXMEMORY", "redis.maxmemory"),
        ("REDIS_MAXMEMORY_POLICY", "redis.maxmemory-policy"),
        ("REDIS_SAVE", "redis.save"),
        ("REDIS_APPENDONLY", "redis.appendonly"),
        ("REDIS_TCP_KEEPALIVE", "redis.tcp-keepalive"),
        ("REDIS_TIMEOUT", "redis.timeout"),
    ],
)
def test_names_from_programs_and_environments_lead_to_the_parameter(
    written: str, meant: str
) -> None:
    assert catalog.find(written) is None
    assert catalog.nearest(written) == meant
