"""Health of Redis servers: what is found, what is left out, and what a profile changes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import catalog
from optimizer.model.profile import Threshold
from optimizer.model.redis import RedisInstance
from optimizer.model.result import HealthCheck
from optimizer.scoring.checks import CHECKS
from optimizer.scoring.finding import duration, size
from optimizer.scoring.redis_health import Surroundings, redis_health
from optimizer.scoring.redis_saving import save_points
from tests.unit.redis_servers import (
    BAD,
    COMPLAINT,
    DOWN,
    GOOD,
    NOW,
    REPLICA,
    SOUND,
    server,
)

SEVERITY = ("optimal", "good", "warning", "critical")
MIB = 2**20
STRICT = Surroundings(now=NOW, overcommit="2", huge_pages="always")


def found(
    one: RedisInstance, surroundings: Surroundings = SOUND, **thresholds: Threshold
) -> dict[str, HealthCheck]:
    """Check a server; results by what stands between `redis.` and the bracket."""
    by_name = {f"redis.{name.replace('_', '-')}": level for name, level in thresholds.items()}
    checks = redis_health(one, by_name, surroundings)
    assert all(check.name.endswith(f"[{one.name}]") for check in checks)
    return {check.name.partition("[")[0].removeprefix("redis."): check for check in checks}


def status(one: RedisInstance, name: str, surroundings: Surroundings = SOUND) -> str:
    check = found(one, surroundings).get(name)
    return check.status if check else "left out"


def test_a_good_server_is_optimal_in_all() -> None:
    assert {check.status for check in found(GOOD).values()} == {"optimal"}
    assert found(GOOD)["server"].value == "Redis 7.0.15, primary, 1 GiB in 100000 keys, up 3 d"
    assert found(GOOD)["open-access"].value == "closed, it listens on this host only"


def test_what_is_wrong_is_found_at_once() -> None:
    bad = {name: check.status for name, check in found(BAD, STRICT).items()}
    assert bad == {
        "server": "optimal",
        "open-access": "critical",
        "memory-used": "critical",
        "hit-rate": "critical",
        "evicted-keys": "warning",
        "fragmentation": "critical",
        "clients-used": "optimal",
        "rejected-connections": "warning",
        "blocked-clients": "optimal",
        "last-save": "critical",
        "aof-write": "optimal",
        "aof-rewrite": "optimal",
        "fork-time": "critical",
        "slow-log": "warning",
        "latency": "critical",
        "save-overdue": "critical",
        "overcommit": "critical",
        "huge-pages": "warning",
    }


def test_every_check_of_redis_can_be_found() -> None:
    swapped = server(used_memory=str(1000 * MIB), used_memory_rss=str(100 * MIB))
    names = {name for one in (BAD, REPLICA, swapped) for name in found(one, STRICT)}
    assert {f"redis.{name}" for name in names} == {
        name for name in CHECKS if name.startswith("redis.")
    }


@pytest.mark.parametrize(
    ("problem", "level"),
    [
        ("is not running: redis.service is failed", "critical"),
        ("gives no answer to redis-cli: Could not connect", "critical"),
        ("wants a password: redis_password in the inventory", "warning"),
        ("does not accept the user and password that it was given", "warning"),
        ("wants another login than the one of redis_url", "warning"),
        ("gives no answer over redis_url: refused", "critical"),
        ("does not let this user ask for INFO", "warning"),
        ("runs in a container, from where the host cannot manage it", "warning"),
        ("needs redis-cli or valkey-cli on the host, and neither is there", "warning"),
        ("listens where this account cannot see it", "warning"),
    ],
)
def test_a_server_that_cannot_be_asked_is_not_down(problem: str, level: str) -> None:
    [check] = redis_health(replace(DOWN, problem=problem), {}, SOUND)
    assert (check.name, check.status, check.value) == ("redis.server[redis-cache]", level, problem)
    assert check.recommendation


def test_a_server_that_loads_is_a_warning() -> None:
    assert status(server(loading="1"), "server") == "warning"


def test_of_a_sentinel_only_that_it_answers_is_known() -> None:
    sentinel = RedisInstance("26379", info={"redis_mode": "sentinel", "redis_version": "7.0.15"})
    assert set(found(sentinel)) == {"server"}


@pytest.mark.parametrize(
    ("fields", "name", "level"),
    [
        ({"used_memory": str(1900 * MIB)}, "memory-used", "warning"),
        ({"used_memory": str(2030 * MIB)}, "memory-used", "critical"),
        (
            {"used_memory": str(2030 * MIB), "maxmemory_policy": "allkeys-lfu"},
            "memory-used",
            "good",
        ),
        (
            {"used_memory": str(2030 * MIB), "mem_not_counted_for_evict": str(1024 * MIB)},
            "memory-used",
            "optimal",
        ),
        ({"maxmemory": "0"}, "memory-used", "left out"),
        ({"keyspace_hits": "94", "keyspace_misses": "6"}, "hit-rate", "good"),
        ({"keyspace_hits": "9", "keyspace_misses": "900"}, "hit-rate", "good"),
        ({"keyspace_hits": "900", "keyspace_misses": "100"}, "hit-rate", "good"),
        ({"keyspace_hits": "899", "keyspace_misses": "101"}, "hit-rate", "warning"),
        ({"keyspace_hits": "499", "keyspace_misses": "501"}, "hit-rate", "critical"),
        ({"evicted_keys": "1"}, "evicted-keys", "warning"),
        ({"evicted_keys": "1", "maxmemory_policy": "volatile-ttl"}, "evicted-keys", "warning"),
        ({"evicted_keys": "1", "maxmemory_policy": "allkeys-lru"}, "evicted-keys", "warning"),
        ({"used_memory_rss": str(1600 * MIB)}, "fragmentation", "warning"),
        ({"used_memory_rss": str(2600 * MIB)}, "fragmentation", "critical"),
        ({"used_memory": str(MIB), "used_memory_rss": str(9 * MIB)}, "fragmentation", "good"),
        ({"used_memory_rss": str(900 * MIB)}, "swapped", "warning"),
        ({"used_memory_rss": str(400 * MIB)}, "swapped", "critical"),
        ({"used_memory_rss": str(1000 * MIB)}, "swapped", "left out"),
        ({"connected_clients": "8001"}, "clients-used", "warning"),
        ({"connected_clients": "9501"}, "clients-used", "critical"),
        ({"rejected_connections": "1"}, "rejected-connections", "warning"),
        ({"blocked_clients": "200"}, "blocked-clients", "good"),
        ({"blocked_clients": "1001"}, "blocked-clients", "warning"),
        ({"rdb_last_bgsave_status": "err"}, "last-save", "critical"),
        ({"aof_last_write_status": "err"}, "aof-write", "critical"),
        ({"aof_last_bgrewrite_status": "err"}, "aof-rewrite", "warning"),
        ({"aof_last_write_status": "err", "aof_enabled": "0"}, "aof-write", "left out"),
        ({"latest_fork_usec": "0"}, "fork-time", "left out"),
        ({"latest_fork_usec": "100001"}, "fork-time", "warning"),
        ({"latest_fork_usec": "1000001"}, "fork-time", "critical"),
        ({"role": "slave", "master_link_status": "down"}, "replica-link", "critical"),
        ({"role": "slave", "master_link_status": "down"}, "replica-lag", "left out"),
        ({}, "replica-link", "left out"),
    ],
)
def test_a_field_of_info_is_judged(fields: dict[str, str], name: str, level: str) -> None:
    assert status(server(**fields), name) == level


def test_a_cache_that_saves_nothing_may_evict() -> None:
    cache = server(
        {"save": '""', "appendonly": "no"}, evicted_keys="9", maxmemory_policy="allkeys-lfu"
    )
    assert status(cache, "evicted-keys") == "optimal"


def test_a_rate_of_few_lookups_is_no_data() -> None:
    check = found(server(keyspace_hits="1", keyspace_misses="998"))["hit-rate"]
    assert check.value == "no data, 999 lookups since the start"


@pytest.mark.parametrize(
    ("seconds", "level"), [(10, "optimal"), (11, "optimal"), (16, "warning"), (61, "critical")]
)
def test_a_replica_that_hears_nothing(seconds: int, level: str) -> None:
    one = replace(REPLICA, info={**REPLICA.info, "master_last_io_seconds_ago": str(seconds)})
    assert status(one, "replica-lag") == level


def test_a_replica_that_copies_for_the_first_time_says_so() -> None:
    fields = {"master_sync_in_progress": "1", "master_link_down_since_seconds": "240"}
    check = found(server(role="slave", master_link_status="down", **fields))["replica-link"]
    assert check.value == "down for 4 min, the first copy is under way"


@pytest.mark.parametrize(
    ("points", "changes", "age", "level"),
    [
        ("3600 1", 0, 10**6, "optimal"),
        ("3600 1", 1, 3600, "optimal"),
        ("3600 1", 1, 3901, "warning"),
        ("3600 1", 1, 7201, "critical"),
        ("3600 1 60 10000", 10000, 361, "warning"),
        ("3600 10", 9, 10**6, "optimal"),
        ('""', 9, 10**6, "left out"),
    ],
)
def test_a_save_that_does_not_come(points: str, changes: int, age: int, level: str) -> None:
    fields = {
        "rdb_changes_since_last_save": str(changes),
        "rdb_last_save_time": str(int(NOW) - age),
    }
    assert status(server({"save": points}, **fields), "save-overdue") == level


def test_save_points_are_pairs() -> None:
    assert save_points("3600 1 300 100") == [(3600, 1), (300, 100)]
    assert save_points('""') == save_points("") == []


# Access


@pytest.mark.parametrize(
    ("bind", "protected", "version", "level"),
    [
        ("127.0.0.1 -::1", "no", "7.0.15", "optimal"),
        ("127.0.0.2 localhost", "no", "7.0.15", "optimal"),
        ("", "no", "7.0.15", "critical"),
        ("* -::*", "no", "7.0.15", "critical"),
        ("0.0.0.0", "no", "8.0.2", "critical"),  # noqa: S104
        ("127.0.0.1 10.0.0.4", "no", "7.0.15", "critical"),
        ("", "yes", "7.0.15", "good"),
        ("10.0.0.4", "yes", "7.2.4", "good"),
        ("", "yes", "6.2.1", "good"),
        ("10.0.0.4", "yes", "6.2.1", "critical"),
    ],
)
def test_who_can_reach_a_server_without_a_login(
    bind: str, protected: str, version: str, level: str
) -> None:
    config = {"bind": bind, "protected-mode": protected}
    one = server(config, redis_version=version)
    assert status(one, "open-access") == level
    assert status(replace(one, is_open=False), "open-access") == "optimal"
    assert status(replace(one, name="/run/redis.sock"), "open-access") == "optimal"


def test_where_bind_is_not_told_nothing_is_said_of_access() -> None:
    assert status(replace(GOOD, config={}), "open-access") == "left out"


# LATENCY DOCTOR


def test_the_worst_spike_is_told_first_with_the_doctors_advice() -> None:
    check = found(replace(GOOD, latency=COMPLAINT))["latency"]
    assert check.status == "critical"
    assert check.value == "fork up to 1200 ms in 1 spike, command up to 500 ms in 5 spikes"
    assert check.recommendation == (
        "It says: Check your Slow Log to understand what are the commands you are running which"
        " are too slow to execute."
    )


def test_the_doctor_of_valkey_has_words_of_its_own() -> None:
    text = (
        "Latency spikes are observed in this Valkey instance.  1. command: 1 latency spikes "
        "(average 100ms, mean deviation 0ms, period 1.00 sec). Worst all time event 100ms.  "
        "Here is some advice for you:  - Check your Slow Log."
    )
    check = found(replace(GOOD, latency=text), latency=Threshold(99))["latency"]
    assert (check.status, check.value) == ("warning", "command up to 100 ms in 1 spike")
    assert check.recommendation == "It says: Check your Slow Log."


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD.latency,
        "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance.",
        "ERR unknown command",
    ],
)
def test_a_doctor_without_complaints_is_left_out(text: str) -> None:
    assert status(replace(GOOD, latency=text), "latency") == "left out"


@given(st.text(max_size=400))
def test_no_words_of_the_doctor_are_too_much(text: str) -> None:
    found(replace(GOOD, latency=f"{COMPLAINT[:150]}{text}"))


# The host


def test_strict_overcommit_matters_to_what_is_saved() -> None:
    assert status(GOOD, "overcommit", STRICT) == "critical"
    assert status(server({"save": '""', "appendonly": "no"}), "overcommit", STRICT) == "left out"
    assert status(GOOD, "overcommit", Surroundings()) == "left out"


@pytest.mark.parametrize(
    ("choice", "disable", "level"),
    [("always", "no", "warning"), ("always", "yes", "optimal"), ("madvise", "no", "optimal")],
)
def test_huge_pages_matter_where_nothing_keeps_them_off(
    choice: str, disable: str, level: str
) -> None:
    where = Surroundings(huge_pages=choice)
    assert status(server({"disable-thp": disable}), "huge-pages", where) == level


# Laws


COUNTERS = (
    ("used_memory", "memory-used"),
    ("keyspace_misses", "hit-rate"),
    ("evicted_keys", "evicted-keys"),
    ("connected_clients", "clients-used"),
    ("rejected_connections", "rejected-connections"),
    ("blocked_clients", "blocked-clients"),
    ("latest_fork_usec", "fork-time"),
    ("rdb_changes_since_last_save", "save-overdue"),
    ("used_memory_rss", "fragmentation"),
)


@given(
    counter=st.sampled_from(COUNTERS),
    numbers=st.tuples(st.integers(1, 2**33), st.integers(1, 2**33)).map(sorted),
)
def test_more_of_what_is_bad_is_never_better(counter: tuple[str, str], numbers: list[int]) -> None:
    field, name = counter
    less, more = (status(server(**{field: str(number)}), name) for number in numbers)
    assert SEVERITY.index(less) <= SEVERITY.index(more)


@given(hits=st.integers(0, 100))
def test_a_profile_changes_what_a_rate_means(hits: int) -> None:
    one = server(keyspace_hits=str(hits * 100), keyspace_misses=str(10_000 - hits * 100))
    assert found(one, hit_rate=Threshold())["hit-rate"].status in ("optimal", "good")
    assert found(one, hit_rate=Threshold(None, 101))["hit-rate"].status == "critical"


@given(
    fields=st.dictionaries(
        st.sampled_from(sorted(BAD.info)), st.text(alphabet="0123456789-.ok err", max_size=12)
    )
)
def test_no_answer_of_a_server_breaks_the_checks(fields: dict[str, str]) -> None:
    redis_health(replace(BAD, info={**BAD.info, **fields}), {}, STRICT)
    redis_health(replace(REPLICA, info={**REPLICA.info, **fields}), {}, STRICT)
    redis_health(replace(BAD, info=fields), {}, STRICT)


def test_advice_names_tunables_that_there_are() -> None:
    checks = [*redis_health(BAD, {}, STRICT), *redis_health(REPLICA, {}, STRICT)]
    texts = [check.recommendation for check in checks] + [one.advice for one in CHECKS.values()]
    named = {
        name for text in texts for name in re.findall(r"\b(?:redis|system)\.(?!io)[\w.-]+\w", text)
    }
    assert len(named) > 5
    for name in named:
        tunable = catalog.find(name)
        assert tunable is not None, name
        assert tunable.is_known, name


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1300 * MIB, "1.27 GiB"),
        (1001 * MIB, "1001 MiB"),
    ],
)
def test_bytes_in_words(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (10**6, "11 d")],
)
def test_times_in_words(seconds: int, words: str) -> None:
    assert duration(seconds) == words
