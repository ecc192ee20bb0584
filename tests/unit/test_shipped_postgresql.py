"""The PostgreSQL part of the shipped profiles: nothing committed is lost, every value fits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import catalog, profiles
from optimizer.catalog.postgresql_values import Rising
from optimizer.model.errors import InvalidValue
from optimizer.model.profile import Constraint, Profile, Wanted
from optimizer.planning import conditions, expressions

DIRECTORY = Path(__file__).parents[2] / "profiles"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.yaml"))
CACHE = "cache-only"
DATABASE = sorted(set(NAMES) - {"development", CACHE})
LATENCY = ("hft", "hft-colo")
VERSIONS = ("13", "14", "15", "16", "17", "18")
ROLES = ("primary", "standby")

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40


@cache
def load(name: str) -> Profile:
    return profiles.load(name, directories=[DIRECTORY])


def chosen(name: str, setting: str, **here: str | int) -> Wanted | None:
    """Return what a profile wants of a setting of such a cluster; a primary of 17 if not said."""
    found = load(name).settings.get(f"postgresql.{setting}")
    facts: Mapping[str, str | int] = dict.fromkeys(conditions.FACTS, "") | {
        "version": "17",
        "role": "primary",
        "storage": "ssd",
        "cpus": 16,
        "ram": 64 * GIB,
        "numa_nodes": 1,
        **here,
    }
    for one in found.alternatives if found else ():
        if conditions.holds(one.when, facts):
            return None if one.constraint is Constraint.UNTOUCHED else one
    return None


def value(name: str, setting: str, **here: str | int) -> str | None:
    wanted = chosen(name, setting, **here)
    return wanted.value if wanted else None


@st.composite
def hosts(draw: st.DrawFn) -> dict[str, int]:
    """Draw the numbers of a cluster on a host from 2 GiB to 1 TiB, worked out as in the budget."""
    ram = draw(st.integers(2 * GIB, TIB))
    cpus = draw(st.integers(1, 512))
    connections = draw(st.integers(10, 5000))
    left = ram - min(max(ram // 10, 512 * MIB), 8 * GIB) - ram // 10
    slice_ = left * draw(st.sampled_from([5, 5, 10])) // 10
    buffers = min(slice_ * 2 // 5, ram // 4)
    maintenance = min(max(slice_ // 16, 32 * MIB), draw(st.sampled_from([GIB, 2 * GIB])))
    room = slice_ - buffers - maintenance
    return {
        "ram": ram,
        "cpus": cpus,
        "numa_nodes": 1,
        "slice": slice_,
        "buffers": buffers,
        "maintenance": maintenance,
        "autovacuum": min(max(maintenance // 4, 16 * MIB), 512 * MIB),
        "work": min(max(room // (3 * (connections + cpus)), 4 * MIB), 256 * MIB),
        "cache": min(ram * 3 // 4, ram - left // 2),
        "connections": connections,
        "wal": draw(st.integers(64 * MIB, 4 * TIB)),
    }


def number(wanted: Wanted, setting: str, numbers: Mapping[str, int]) -> int:
    """Return a number as a host with these numbers gets it."""
    kind = catalog.TUNABLES[f"postgresql.{setting}"].value
    try:
        return int(kind.canonical(wanted.value))
    except InvalidValue:
        return int(kind.canonical(str(expressions.evaluate(wanted.value, numbers))))


# Nothing is lost


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("role", ROLES)
def test_no_profile_makes_a_commit_worth_less(name: str, version: str, role: str) -> None:
    here = {"version": version, "role": role}
    assert value(name, "fsync", **here) in (None, "on")
    assert value(name, "full_page_writes", **here) in (None, "on")
    assert value(name, "autovacuum", **here) in (None, "on")
    commit = chosen(name, "synchronous_commit", **here)
    assert commit is None or (commit.constraint, commit.value) == (Constraint.AT_LEAST, "on")
    for setting in ("wal_writer_delay", "wal_sync_method", "wal_init_zero", "wal_recycle"):
        assert f"postgresql.{setting}" not in load(name).settings


@pytest.mark.parametrize("name", DATABASE)
def test_a_server_that_was_made_unsafe_is_made_safe(name: str) -> None:
    assert value(name, "fsync") == value(name, "full_page_writes") == "on"
    assert value(name, "autovacuum") == "on"
    ranks = catalog.TUNABLES["postgresql.synchronous_commit"].value
    assert isinstance(ranks, Rising)
    assert ranks.order(value(name, "synchronous_commit") or "") > ranks.order("local")


@pytest.mark.parametrize("name", NAMES)
def test_connections_are_never_lowered_on_a_standby_nor_raised_anywhere(name: str) -> None:
    """A standby with fewer connections than its primary does not start."""
    assert chosen(name, "max_connections", role="standby") is None
    wanted = chosen(name, "max_connections")
    if wanted is not None:
        assert (wanted.constraint, wanted.value) == (Constraint.AT_MOST, "connections")
    for setting in ("max_worker_processes", "max_wal_senders"):
        assert f"postgresql.{setting}" not in load(name).settings


@pytest.mark.parametrize("name", NAMES)
def test_a_cluster_that_does_not_answer_gets_nothing_that_depends_on_what_it_is(name: str) -> None:
    unknown = {"version": "", "role": ""}
    for setting in ("max_connections", "wal_compression", "io_workers"):
        assert chosen(name, setting, **unknown) is None


# Sizes


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", VERSIONS)
@settings(deadline=None)
@given(numbers=hosts(), role=st.sampled_from(ROLES), storage=st.sampled_from(["ssd", "hdd"]))
def test_every_value_is_in_range_on_every_host(
    name: str, version: str, role: str, storage: str, numbers: dict[str, int]
) -> None:
    here: dict[str, str | int] = {**numbers, "version": version, "role": role, "storage": storage}
    here = {fact: here[fact] for fact in here if fact in conditions.FACTS}
    for setting in load(name).settings.values():
        if setting.tunable.kind != "postgresql":
            continue
        target = setting.tunable.target
        wanted = chosen(name, target, **here)
        if wanted is None:
            continue
        if setting.tunable.value.is_numeric:
            number(wanted, target, numbers)
        else:
            assert setting.tunable.value.canonical(wanted.value) == wanted.value


@pytest.mark.parametrize("name", DATABASE)
@pytest.mark.parametrize(
    ("setting", "source", "step"),
    [
        ("shared_buffers", "buffers", 8 * KIB),
        ("maintenance_work_mem", "maintenance", KIB),
        ("autovacuum_work_mem", "autovacuum", KIB),
        ("work_mem", "work", KIB),
        ("effective_cache_size", "cache", 8 * KIB),
    ],
)
@settings(deadline=None)
@given(numbers=hosts())
def test_memory_is_what_the_budget_allows_and_never_a_byte_more(
    name: str, setting: str, source: str, step: int, numbers: dict[str, int]
) -> None:
    wanted = chosen(name, setting)
    assert wanted is not None
    assert wanted.constraint is Constraint.EXACTLY
    size = number(wanted, setting, numbers)
    assert numbers[source] - step < size <= numbers[source]


@pytest.mark.parametrize("name", DATABASE)
@settings(deadline=None)
@given(numbers=hosts())
def test_the_log_fits_its_disk(name: str, numbers: dict[str, int]) -> None:
    most, least = chosen(name, "max_wal_size"), chosen(name, "min_wal_size")
    assert most is not None
    assert least is not None
    assert most.constraint is least.constraint is Constraint.AT_LEAST
    largest = number(most, "max_wal_size", numbers)
    assert largest <= numbers["wal"]
    assert number(least, "min_wal_size", numbers) <= largest


@pytest.mark.parametrize("name", DATABASE)
@given(cpus=st.integers(1, 4096))
def test_parallel_queries_fit_the_cpus(name: str, cpus: int) -> None:
    here = {"cpus": cpus}
    for setting in ("max_parallel_workers", "max_parallel_workers_per_gather"):
        wanted = chosen(name, setting)
        assert wanted is not None
        assert number(wanted, setting, here) <= cpus
    workers = chosen(name, "io_workers", version="18")
    assert workers is not None
    assert 3 <= number(workers, "io_workers", here) <= 32


# What the table and the documents ask for


@pytest.mark.parametrize(
    ("name", "setting", "here", "wanted"),
    [
        ("production", "wal_compression", {"version": "13"}, "on"),
        ("production", "wal_compression", {"version": "15"}, "lz4"),
        ("production", "effective_io_concurrency", {"version": "17"}, "200"),
        ("production", "effective_io_concurrency", {"version": "18"}, None),
        ("production", "effective_io_concurrency", {"storage": "hdd"}, None),
        ("production", "random_page_cost", {"storage": "ssd"}, "1.1"),
        ("production", "random_page_cost", {"storage": "hdd"}, None),
        ("production", "random_page_cost", {"storage": "unknown"}, None),
        ("production", "io_workers", {"version": "17"}, None),
        ("production", "client_connection_check_interval", {"version": "13"}, None),
        ("production", "client_connection_check_interval", {"version": "14"}, "10000"),
        ("production", "checkpoint_timeout", {}, "900"),
        ("production", "jit", {}, "off"),
        ("production", "log_statement", {}, "ddl"),
        ("production", "log_duration", {}, "off"),
        ("production", "log_min_duration_statement", {}, "1000"),
        ("production", "log_temp_files", {}, str(10 * MIB)),
        ("trading-bot", "shared_preload_libraries", {}, "pg_stat_statements"),
        ("production", "idle_in_transaction_session_timeout", {}, "60000"),
        ("production", "commit_delay", {}, None),
        ("production", "wal_buffers", {}, None),
        ("hft", "log_min_duration_statement", {}, "250"),
        ("hft", "tcp_keepalives_idle", {}, "30"),
        ("hft", "tcp_user_timeout", {}, "15000"),
        ("hft", "commit_delay", {}, "0"),
        ("hft", "max_parallel_workers_per_gather", {}, "0"),
        ("hft", "bgwriter_delay", {}, "50"),
        ("hft", "wal_buffers", {}, str(16 * MIB)),
        ("hft-colo", "jit", {}, "off"),
    ],
)
def test_values(name: str, setting: str, here: dict[str, str | int], wanted: str | None) -> None:
    assert value(name, setting, **here) == wanted


def test_development_sets_what_is_reported_and_nothing_else() -> None:
    ours = {name for name in load("development").settings if name.startswith("postgresql.")}
    assert ours == {
        "postgresql.default_statistics_target",
        "postgresql.log_checkpoints",
        "postgresql.log_duration",
        "postgresql.log_lock_waits",
        "postgresql.log_min_duration_statement",
        "postgresql.log_statement",
        "postgresql.shared_preload_libraries",
        "postgresql.track_io_timing",
    }


def test_a_host_for_a_cache_leaves_a_database_alone() -> None:
    for name, setting in load(CACHE).settings.items():
        if name.startswith("postgresql."):
            assert [one.constraint for one in setting.alternatives] == [Constraint.UNTOUCHED]


@pytest.mark.parametrize("name", NAMES)
def test_what_differs_from_role_to_role_is_set_for_none(name: str) -> None:
    for setting in (
        "statement_timeout",
        "lock_timeout",
        "transaction_timeout",
        "idle_session_timeout",
    ):
        assert f"postgresql.{setting}" not in load(name).settings


@pytest.mark.parametrize("name", NAMES)
def test_the_profile_does_not_ask_for_huge_pages_that_nobody_reserved(name: str) -> None:
    wanted = chosen(name, "huge_pages")
    assert wanted is None or (wanted.constraint, wanted.value) == (Constraint.AT_LEAST, "try")


@pytest.mark.parametrize("name", LATENCY)
def test_latency_profiles_keep_the_sizes_of_production(name: str) -> None:
    for setting in ("shared_buffers", "work_mem", "max_connections", "effective_cache_size"):
        assert value(name, setting) == value("production", setting)
