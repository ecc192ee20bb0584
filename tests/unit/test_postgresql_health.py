"""Health of PostgreSQL clusters: what is found, what is left out, and what a profile changes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import catalog
from optimizer.model.postgresql import PgCluster
from optimizer.model.postgresql_health import (
    PgFound,
    PgHealth,
    PgObject,
    PgReplica,
    PgStandby,
    PgStatement,
)
from optimizer.model.profile import Threshold
from optimizer.model.result import HealthCheck
from optimizer.scoring.checks import CHECKS
from optimizer.scoring.postgresql_health import postgresql_health
from tests.unit.postgresql_clusters import (
    BAD,
    DAY,
    DOWN,
    FOLLOWING,
    GIB,
    GOOD,
    HEALTHY,
    MIB,
    SICK,
    STANDBY,
)

SEVERITY = ("optimal", "good", "warning", "critical")


def found(cluster: PgCluster, **thresholds: Threshold) -> dict[str, HealthCheck]:
    """Check a cluster; results by what stands between `postgresql.` and the bracket."""
    by_name = {f"postgresql.{name.replace('_', '-')}": one for name, one in thresholds.items()}
    checks = postgresql_health(cluster, by_name)
    assert all(check.name.endswith(f"[{cluster.name}]") for check in checks)
    return {check.name.partition("[")[0].removeprefix("postgresql."): check for check in checks}


def cluster(seen: PgHealth = HEALTHY, **parts: Any) -> PgCluster:
    return replace(GOOD, health=replace(seen, **parts))


def status(one: PgCluster, name: str) -> str:
    check = found(one).get(name)
    return check.status if check else "left out"


def test_a_good_cluster_is_optimal_in_all() -> None:
    assert {check.status for check in found(GOOD).values()} == {"optimal"}
    assert found(GOOD)["server"].value == "PostgreSQL 15.18, primary, 2 databases, up 3 d"


def test_what_is_wrong_is_found_at_once() -> None:
    assert {name: check.status for name, check in found(BAD).items()} == {
        "server": "optimal",
        "unasked-databases": "warning",
        "connections-used": "critical",
        "huge-pages": "warning",
        "idle-in-transaction": "critical",
        "oldest-transaction": "critical",
        "longest-statement": "warning",
        "cache-hit": "warning",
        "requested-checkpoints": "warning",
        "temporary-files": "warning",
        "deadlocks": "warning",
        "wraparound-age": "critical",
        "checksum-failures": "critical",
        "archiving": "critical",
        "inactive-slots": "critical",
        "replica-lag": "critical",
        "replica-behind": "warning",
        "statement-statistics": "warning",
        "slow-statements": "warning",
        "unused-indexes": "warning",
        "duplicate-indexes": "warning",
        "invalid-indexes": "warning",
        "unindexed-tables": "warning",
        "dead-rows": "critical",
    }


def test_of_a_standby_only_what_is_its_own_is_judged() -> None:
    bad = {name: one.status for name, one in found(STANDBY).items() if one.recommendation}
    assert bad == {"standby-link": "critical", "replica-lag": "critical", "conflicts": "warning"}
    assert found(STANDBY)["server"].value == "PostgreSQL 15.18, standby, 2 databases, up 3 d"
    assert status(STANDBY, "requested-checkpoints") == "left out"
    assert status(STANDBY, "unused-indexes") == "left out"


def _is_of_clusters(name: str) -> bool:
    return name.startswith("postgresql.") and not name.startswith("postgresql.pgbouncer")


def test_every_check_of_postgresql_can_be_found() -> None:
    names = {f"postgresql.{name}" for one in (BAD, STANDBY) for name in found(one)}
    assert names == {name for name in CHECKS if _is_of_clusters(name)}


@pytest.mark.parametrize(
    ("problem", "level"),
    [
        ("is not running: cluster 15/main is down", "critical"),
        ("gives no answer to psql: psql: error: connection to server failed", "critical"),
        ("gives no answer to psql: FATAL:  sorry, too many clients already", "critical"),
        ("gives no answer to psql: FATAL:  the database system is starting up", "warning"),
        ("gives no answer to psql: FATAL:  Peer authentication failed for user", "warning"),
        ('gives no answer to psql: FATAL:  role "pg" does not exist', "warning"),
        ("gives no answer to psql: FATAL:  no pg_hba.conf entry for host", "warning"),
        ("runs in a container, which is not managed from here", "warning"),
        ("needs psql on the host, and there is none", "warning"),
        ("has no socket that this account can see", "warning"),
    ],
)
def test_a_cluster_that_cannot_be_asked_is_not_down(problem: str, level: str) -> None:
    [check] = postgresql_health(replace(DOWN, problem=problem))
    assert (check.name, check.status, check.value) == ("postgresql.server[5435]", level, problem)
    assert check.recommendation


def test_a_cluster_without_health_is_told_and_not_judged() -> None:
    assert set(found(replace(GOOD, health=None))) == {"server"}
    [check] = postgresql_health(replace(GOOD, health=PgHealth(problem="ERROR:  no rights")))
    assert check.status == "warning"
    assert check.value == "gives no answer about its health: ERROR:  no rights"


@pytest.mark.parametrize(
    ("parts", "name", "value", "level"),
    [
        ({"connections": {}}, "connections-used", "0 %, 0 of 97", "optimal"),
        ({"connections": {"idle": 60}}, "connections-used", "62 %, 60 of 97, 60 idle", "good"),
        ({"connections": {"idle": 90}}, "connections-used", "93 %, 90 of 97, 90 idle", "warning"),
        ({"oldest_idle": None}, "idle-in-transaction", "none", "optimal"),
        ({"oldest_idle": 301.0}, "idle-in-transaction", "5 min", "warning"),
        ({"hits": 5, "reads": 5}, "cache-hit", "no data, 10 blocks read", "good"),
        ({"hits": 0, "reads": 100_000}, "cache-hit", "0.0 % of 100000 blocks", "warning"),
        (
            {"checkpoints_timed": 0, "checkpoints_requested": 19},
            "requested-checkpoints",
            "no data, 19 checkpoints",
            "optimal",
        ),
        (
            {"checkpoints_timed": 14, "checkpoints_requested": 6},
            "requested-checkpoints",
            "30 % of 20 checkpoints",
            "good",
        ),
        ({"deadlocks": 11, "stats_age": 3600}, "deadlocks", "11 in 60 min", "warning"),
        ({"deadlocks": 11, "stats_age": 2 * DAY}, "deadlocks", "11 in 2 d", "good"),
        ({"temp_bytes": 301 * GIB}, "temporary-files", "301 GiB in 30 d", "warning"),
        (
            {"wraparound_age": 200_000_000},
            "wraparound-age",
            "10 %, 200000000 transactions in app",
            "optimal",
        ),
        ({"archive_fails": None}, "archiving", "", "left out"),
        ({"inactive_slots": 0}, "inactive-slots", "", "left out"),
        ({"inactive_slots": 2, "slots_keep": GIB}, "inactive-slots", "1 GiB for 2 slots", "good"),
        ({"replicas": ()}, "replica-lag", "", "left out"),
        (
            {"replicas": (PgReplica("db-2", "streaming", None, 0),)},
            "replica-lag",
            "none",
            "optimal",
        ),
        (
            {"replicas": (PgReplica("db-2", "catchup", 31.0, 9),)},
            "replica-lag",
            "31 s, db-2",
            "warning",
        ),
        (
            {"counts_statements": False, "has_view": False},
            "statement-statistics",
            "pg_stat_statements is not loaded",
            "good",
        ),
        (
            {"has_view": False},
            "statement-statistics",
            "pg_stat_statements is loaded, and no database has its view",
            "good",
        ),
        ({"statements": ()}, "slow-statements", "", "left out"),
        (
            {"statements": (PgStatement("app", 1, 9, 9000, 81_000),)},
            "slow-statements",
            "",
            "left out",
        ),
    ],
)
def test_a_number_and_its_words(parts: dict[str, Any], name: str, value: str, level: str) -> None:
    check = found(cluster(**parts)).get(name)
    assert (check.value if check else "", status(cluster(**parts), name)) == (value, level)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "unused-indexes",
            "900 MiB in 5, app.public.orders_note (500 MiB), app.public.orders_at (200 MiB), "
            "app.public.trades_at (100 MiB) and 2 more, not read in 30 d",
        ),
        ("duplicate-indexes", "1, app.public.orders_id (like public.orders_pkey, 90 MiB)"),
        ("invalid-indexes", "1, app.public.trades_new"),
        ("unindexed-tables", "1, app.public.ticks (70000 rows)"),
        (
            "dead-rows",
            "2, app.public.orders (60 %, vacuumed 9 d ago), app.public.quotes "
            "(35 %, never vacuumed)",
        ),
        ("slow-statements", "app -4711 (500 calls of 2400 ms, 20 min)"),
        ("replica-behind", "3 GiB, db-2"),
        ("unasked-databases", "1, vault (FATAL:  too many connections for database)"),
    ],
)
def test_what_is_bad_is_named(name: str, value: str) -> None:
    assert found(BAD)[name].value == value


def test_an_index_is_not_unused_before_a_week_is_over() -> None:
    assert status(cluster(SICK, stats_age=7 * DAY - 1), "unused-indexes") == "good"
    assert status(cluster(SICK, stats_age=7 * DAY), "unused-indexes") == "warning"


def test_a_standby_that_reads_an_archive_has_no_link() -> None:
    alone = PgStandby(follows=False, streams=False, lag=None)
    one = replace(STANDBY, health=replace(FOLLOWING, standby=alone))
    assert status(one, "standby-link") == status(one, "replica-lag") == "left out"


# Laws


WORSE = (
    ("oldest_idle", "idle-in-transaction"),
    ("oldest_transaction", "oldest-transaction"),
    ("longest_statement", "longest-statement"),
    ("reads", "cache-hit"),
    ("checkpoints_requested", "requested-checkpoints"),
    ("temp_bytes", "temporary-files"),
    ("deadlocks", "deadlocks"),
    ("wraparound_age", "wraparound-age"),
    ("checksum_failures", "checksum-failures"),
    ("slots_keep", "inactive-slots"),
)
NUMBERS = st.integers(0, 2**45)


@given(worse=st.sampled_from(WORSE), numbers=st.tuples(NUMBERS, NUMBERS).map(sorted))
def test_more_of_what_is_bad_is_never_better(worse: tuple[str, str], numbers: list[int]) -> None:
    field, name = worse
    less, more = (status(cluster(SICK, **{field: number}), name) for number in numbers)
    assert SEVERITY.index(less) <= SEVERITY.index(more)


@given(
    kind=st.sampled_from(
        [
            ("unused", "unused-indexes"),
            ("duplicate", "duplicate-indexes"),
            ("invalid", "invalid-indexes"),
            ("unindexed", "unindexed-tables"),
            ("dead", "dead-rows"),
        ]
    ),
    weights=st.tuples(NUMBERS, NUMBERS).map(sorted),
)
def test_more_waste_is_never_better(kind: tuple[str, str], weights: list[int]) -> None:
    def level(number: int) -> str:
        worst = (PgObject("a.b.c", number),) if number else ()
        return status(cluster(found={kind[0]: PgFound(min(number, 9), number, worst)}), kind[1])

    less, more = map(level, weights)
    assert SEVERITY.index(less) <= SEVERITY.index(more)


@given(clients=st.tuples(st.integers(0, 200), st.integers(0, 200)).map(sorted))
def test_more_clients_are_never_better(clients: list[int]) -> None:
    less, more = (status(cluster(connections={"idle": one}), "connections-used") for one in clients)
    assert SEVERITY.index(less) <= SEVERITY.index(more)


@given(hits=st.integers(0, 100))
def test_a_profile_changes_what_a_ratio_means(hits: int) -> None:
    one = cluster(hits=hits * 10_000, reads=1_000_000 - hits * 10_000)
    assert found(one, cache_hit=Threshold())["cache-hit"].status in ("optimal", "good")
    assert found(one, cache_hit=Threshold(None, 101))["cache-hit"].status == "critical"


def test_advice_names_tunables_that_there_are() -> None:
    checks = [*postgresql_health(BAD), *postgresql_health(STANDBY)]
    texts = [check.recommendation for check in checks]
    texts += [one.advice for one in CHECKS.values() if _is_of_clusters(one.name)]
    named = {name for text in texts for name in re.findall(r"\bpostgresql\.\w+", text)}
    assert len(named) > 5
    for name in named:
        tunable = catalog.find(name)
        assert tunable is not None, name
        assert tunable.is_known, name


def test_the_least_index_that_counts_is_a_mebibyte() -> None:
    small = {"unused": PgFound(1, MIB, (PgObject("app.public.small", MIB),))}
    assert status(cluster(found=small), "unused-indexes") == "good"
