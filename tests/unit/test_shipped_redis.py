"""The Redis part of the shipped profiles: no key is lost, and a second plan finds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import catalog, profiles
from optimizer.model.errors import InvalidValue
from optimizer.model.profile import Constraint, Profile, Wanted
from optimizer.model.redis import NO_SAVE
from optimizer.planning import conditions, expressions

DIRECTORY = Path(__file__).parents[2] / "profiles"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.yaml"))
CACHE = "cache-only"
TUNING = sorted(set(NAMES) - {"development"})
STATEFUL = sorted(set(TUNING) - {CACHE})
PERSISTENCE = ("none", "rdb", "aof")

MIB, GIB = 2**20, 2**30


@cache
def load(name: str) -> Profile:
    return profiles.load(name, directories=[DIRECTORY])


def chosen(name: str, parameter: str, persistence: str, role: str = "primary") -> Wanted | None:
    """Return what a profile wants of a parameter of such an instance on a large host."""
    setting = load(name).settings.get(f"redis.{parameter}")
    facts: Mapping[str, str | int] = dict.fromkeys(conditions.FACTS, "") | {
        "persistence": persistence,
        "role": role,
        "cpus": 16,
        "ram": 64 * GIB,
        "numa_nodes": 1,
    }
    alternatives = setting.alternatives if setting else ()
    found = next((one for one in alternatives if conditions.holds(one.when, facts)), None)
    return None if found is None or found.constraint is Constraint.UNTOUCHED else found


def value(name: str, parameter: str, persistence: str) -> str | None:
    wanted = chosen(name, parameter, persistence)
    return wanted.value if wanted else None


def maxmemory(name: str, persistence: str, slice_: int) -> int:
    wanted = chosen(name, "maxmemory", persistence)
    assert wanted is not None
    assert wanted.constraint is Constraint.EXACTLY
    return expressions.evaluate(wanted.value, {"slice": slice_})


def persistence_after(name: str, before: str) -> str:
    """Return how an instance keeps its keys once it follows a profile."""
    append = value(name, "appendonly", before) or ("yes" if before == "aof" else "no")
    if append == "yes":
        return "aof"
    points = value(name, "save", before) or ("3600 1" if before == "rdb" else NO_SAVE)
    return "none" if points == NO_SAVE else "rdb"


# Nothing is lost


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("persistence", PERSISTENCE)
def test_only_the_cache_profile_gives_up_what_is_saved(name: str, persistence: str) -> None:
    append, points = (value(name, key, persistence) for key in ("appendonly", "save"))
    if name == CACHE:
        assert (append, points) == ("no", NO_SAVE)
    else:
        assert append in (None, "yes")
        assert points is None


@pytest.mark.parametrize("name", NAMES)
def test_no_profile_syncs_less_than_a_host_does(name: str) -> None:
    """`always` stays where an operator chose it; `no` is raised."""
    wanted = chosen(name, "appendfsync", "aof")
    if wanted is not None:
        assert (wanted.constraint, wanted.value) == (Constraint.AT_LEAST, "everysec")
    for parameter in ("no-appendfsync-on-rewrite", "stop-writes-on-bgsave-error", "rdbchecksum"):
        assert f"redis.{parameter}" not in load(name).settings


@pytest.mark.parametrize("name", STATEFUL)
@pytest.mark.parametrize("persistence", ["rdb", "aof"])
@pytest.mark.parametrize("role", ["primary", "replica"])
def test_what_is_saved_is_never_evicted_and_loses_a_second_at_most(
    name: str, persistence: str, role: str
) -> None:
    policy = chosen(name, "maxmemory-policy", persistence, role)
    append = chosen(name, "appendonly", persistence, role)
    assert policy is not None
    assert append is not None
    assert (policy.value, append.value) == ("noeviction", "yes")


@pytest.mark.parametrize("name", NAMES)
def test_eviction_of_any_key_needs_an_instance_that_saves_nothing(name: str) -> None:
    for persistence in PERSISTENCE:
        policy = value(name, "maxmemory-policy", persistence) or ""
        assert not policy.startswith("allkeys") or name == CACHE or persistence == "none"
    assert value(CACHE, "maxmemory-policy", "rdb") == "allkeys-lfu"


# Nothing flaps


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("persistence", PERSISTENCE)
def test_a_second_plan_wants_what_the_first_one_did(name: str, persistence: str) -> None:
    """The conditions ask for `persistence`, which the profile itself may change."""
    after = persistence_after(name, persistence)
    for setting in load(name).settings:
        if setting.startswith("redis."):
            parameter = setting.removeprefix("redis.")
            wanted = chosen(name, parameter, persistence)
            again = chosen(name, parameter, after)
            assert (wanted and wanted.value) == (again and again.value), parameter


@pytest.mark.parametrize("name", NAMES)
def test_an_instance_that_does_not_answer_is_treated_as_if_it_saved(name: str) -> None:
    for parameter in ("maxmemory-policy", "maxmemory", "appendonly"):
        assert value(name, parameter, "") == value(name, parameter, "aof")


# Sizes


@pytest.mark.parametrize("name", TUNING)
@pytest.mark.parametrize("persistence", PERSISTENCE)
@given(slice_=st.integers(64 * MIB, 4 * 2**40))
def test_the_worst_case_fits_into_the_slice(name: str, persistence: str, slice_: int) -> None:
    after = persistence_after(name, persistence)
    copies = 1 if after == "none" else 2
    buffers = max(32 * MIB, slice_ // 20)
    limit = maxmemory(name, persistence, slice_)
    assert limit > 0
    assert limit * 1.15 * copies + buffers <= slice_ + 2


@pytest.mark.parametrize(
    ("name", "persistence", "slice_", "limit"),
    [
        # The examples of the joint memory budget, in MiB, with a guaranteed copy.
        ("production", "aof", 1310, 541),
        ("production", "rdb", 2621, 1082),
        ("production", "none", 5242, 4330),
        ("hft", "aof", 14979, 6186),
        ("hft", "none", 14979, 6186),
        ("cache-only", "aof", 5242, 4330),
        ("titan", "none", 1310, 541),
        ("trading-agents", "none", 614, 506),
        ("trading-agents", "none", 5242, 1024),
        ("trading-agents", "aof", 1310, 541),
    ],
)
def test_the_limit_follows_from_the_slice_and_from_what_a_save_copies(
    name: str, persistence: str, slice_: int, limit: int
) -> None:
    assert maxmemory(name, persistence, slice_ * MIB) // MIB == limit


def test_development_sets_no_size_and_nothing_that_can_lose_a_key() -> None:
    redis = {name for name in load("development").settings if name.startswith("redis.")}
    assert redis == {
        "redis.latency-tracking",
        "redis.latency-monitor-threshold",
        "redis.slowlog-log-slower-than",
        "redis.slowlog-max-len",
    }


# What the documents and the table ask for


@pytest.mark.parametrize("name", TUNING)
def test_all_memory_is_freed_in_the_background(name: str) -> None:
    for parameter in (
        "lazyfree-lazy-eviction",
        "lazyfree-lazy-expire",
        "lazyfree-lazy-server-del",
        "lazyfree-lazy-user-del",
        "lazyfree-lazy-user-flush",
        "replica-lazy-flush",
    ):
        assert value(name, parameter, "aof") == "yes"


@pytest.mark.parametrize(
    ("name", "parameter", "wanted"),
    [
        ("production", "slowlog-log-slower-than", "5000"),
        ("production", "latency-monitor-threshold", "5"),
        ("production", "latency-tracking", "yes"),
        ("production", "client-output-buffer-limit.normal", "67108864 16777216 60"),
        ("production", "maxmemory-clients", "5%"),
        ("production", "oom-score-adj", "yes"),
        ("production", "timeout", None),
        ("hft", "slowlog-log-slower-than", "1000"),
        ("hft", "latency-monitor-threshold", "1"),
        ("hft", "tcp-keepalive", "60"),
        ("hft", "io-threads", "1"),
        ("hft", "activedefrag", "no"),
        ("hft", "timeout", None),
        ("cache-only", "timeout", "300"),
        ("cache-only", "tcp-keepalive", "60"),
        ("cache-only", "maxmemory-samples", "10"),
        ("cache-only", "repl-backlog-size", None),
        ("trading-agents", "tcp-keepalive", "60"),
        ("trading-agents", "timeout", None),
        ("titan", "appendonly", "yes"),
    ],
)
def test_values(name: str, parameter: str, wanted: str | None) -> None:
    assert value(name, parameter, "none") == wanted


@pytest.mark.parametrize("name", TUNING)
def test_limits_and_backlogs_are_only_raised(name: str) -> None:
    for parameter in (
        "tcp-backlog",
        "slowlog-max-len",
        "repl-backlog-size",
        "auto-aof-rewrite-min-size",
        "maxmemory-samples",
        "active-expire-effort",
    ):
        wanted = chosen(name, parameter, "aof")
        assert wanted is None or wanted.constraint is Constraint.AT_LEAST


@pytest.mark.parametrize("name", TUNING)
def test_the_partners_of_a_backlog_and_of_clients_are_set_too(name: str) -> None:
    settings = load(name).settings
    somaxconn = settings["system.sysctl.net.core.somaxconn"].alternatives[0]
    backlog = settings["redis.tcp-backlog"].alternatives[0]
    assert int(backlog.value) <= int(somaxconn.value)
    files = settings["system.unit.redis-server.service.LimitNOFILE"].alternatives[0]
    assert files.constraint is Constraint.AT_LEAST
    assert int(files.value) >= 10000 + 32


@given(cpus=st.integers(4, 512))
def test_a_cache_leaves_a_cpu_to_the_kernel(cpus: int) -> None:
    (wanted,) = load(CACHE).settings["redis.io-threads"].alternatives
    assert wanted.when == {"cpus": ">= 4"}
    threads = expressions.evaluate(wanted.value, {"cpus": cpus})
    assert threads == min(cpus - 1, 8)
    assert catalog.TUNABLES["redis.io-threads"].value.canonical(str(threads)) == str(threads)


@pytest.mark.parametrize("name", NAMES)
def test_every_literal_is_what_the_server_will_print(name: str) -> None:
    for setting in load(name).settings.values():
        if setting.tunable.kind != "redis":
            continue
        for wanted in setting.alternatives:
            try:
                literal = setting.tunable.value.canonical(wanted.value)
            except InvalidValue:
                assert setting.tunable.value.is_numeric or not wanted.value
                continue
            assert literal == wanted.value
