"""From what a cluster says of its health to data: answers of several versions, cut ones too."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.host.observed import observe
from optimizer.host.postgresql_health_query import database_query, health_query
from optimizer.host.wire import GarbledAnswer, parse_answer, probe_program
from optimizer.model.postgresql_health import PgHealth, PgObject, PgReplica, PgStandby, PgStatement
from optimizer.model.request import ProbeRequest
from tests.unit.model_host import FACTS

FACT_LINES = "".join(f"fact\t{name}\t{text}\n" for name, text in FACTS.items())
NUMBERS = {
    "uptime": 149.619853,
    "stats_age": 86400.5,
    "hits": 130251,
    "reads": 2078,
    "deadlocks": 1,
    "temp_bytes": 5,
    "conflicts": 0,
    "checksum_failures": None,
    "max_connections": 100,
    "reserved": 3,
    "databases": 2,
    "wraparound_age": 19,
    "oldest_transaction": 4.5,
    "oldest_idle": None,
    "longest_statement": -0.01,
    "inactive_slots": 0,
    "slots_keep": 0,
}
CLUSTER = {
    "numbers": NUMBERS,
    "connections": {"idle": 3},
    "wraparound_database": "app",
    "checkpoints": {"checkpoints_timed": 30, "checkpoints_req": 2, "buffers_clean": 1},
    "replicas": None,
    "standby": None,
    "archiver": None,
    "huge_pages": "try",
    "huge_pages_status": None,
    "shared_buffers": 134217728,
    "counts_statements": True,
}
DATABASE = {
    "database": "app",
    "found": {
        "unused": [4, 900, [["public.a", 500, "", None], ["public.b", 300, "", None]]],
        "dead": [1, 33, [["public.t", 33, "", 7200.25]]],
    },
    "has_view": True,
    "statements": [[-77, 10, 2.5, 25.0]],
}


def seen(*lines: str) -> PgHealth | None:
    """Observe a cluster of which a host said some lines."""
    text = "".join(f"{line}\n" for line in ("postgresql\t5432\tdata\t/data", *lines))
    [cluster] = observe(parse_answer(f"{FACT_LINES}{text}end\n"), "db-1").postgresql
    return cluster.health


def of_cluster(more: Mapping[str, Any] | None = None, *lines: str) -> PgHealth:
    """Observe what a cluster says of its health, and lines about its databases."""
    health = seen(f"postgresql-health\t5432\t{json.dumps({**CLUSTER, **(more or {})})}", *lines)
    assert health is not None
    return health


def of_database(**parts: object) -> str:
    return f"postgresql-database\t5432\t{json.dumps({**DATABASE, **parts})}"


def test_numbers_of_the_cluster() -> None:
    health = of_cluster()
    assert (health.hits, health.reads, health.checksum_failures) == (130251, 2078, None)
    assert (health.oldest_transaction, health.oldest_idle) == (4.5, None)
    assert health.longest_statement == 0
    assert health.clients == 3
    assert (health.standby, health.archive_fails, health.replicas) == (None, None, ())


@pytest.mark.parametrize(
    "checkpoints",
    [
        {"checkpoints_timed": 30, "checkpoints_req": 2},
        {"num_timed": 30, "num_requested": 2},
        {"num_timed": 30, "num_requested": 2, "num_done": 31},
    ],
    ids=["13 to 16", "17", "18"],
)
def test_checkpoints_of_each_version(checkpoints: object) -> None:
    health = of_cluster({"checkpoints": checkpoints})
    assert (health.checkpoints_timed, health.checkpoints_requested) == (30, 2)


def test_standbys_replicas_and_the_archive() -> None:
    health = of_cluster(
        {
            "replicas": [["db-2", "streaming", None, 0], [None, "catchup", 1.5, None]],
            "standby": {"follows": True, "streams": False, "lag": None},
            "archiver": {"failures": 3, "fails": None},
        }
    )
    assert health.replicas == (
        PgReplica("db-2", "streaming", None, 0),
        PgReplica("", "catchup", 1.5, None),
    )
    assert health.standby == PgStandby(follows=True, streams=False, lag=None)
    assert (health.archive_fails, health.archive_failures) == (False, 3)


def test_what_databases_say_is_added_up() -> None:
    other = of_database(
        database="web",
        found={"unused": [1, 600, [["public.c", 600, "", None]]]},
        has_view=False,
        statements=None,
    )
    health = of_cluster(None, of_database(), other)
    unused = health.found["unused"]
    assert (unused.count, unused.total) == (5, 1500)
    assert [one.name for one in unused.worst] == ["web.public.c", "app.public.a", "app.public.b"]
    assert health.found["dead"].worst == (PgObject("app.public.t", 33, age=7200.25),)
    assert health.found["invalid"].count == 0
    assert health.statements == (PgStatement("app", -77, 10, 2.5, 25.0),)
    assert health.has_view


def test_what_gave_no_answer_is_kept_with_its_reason() -> None:
    health = of_cluster(None, "postgresql-unasked\t5432\tvault\tERROR:  timeout")
    assert health.unasked == {"vault": "ERROR:  timeout"}
    health_of_none = seen("postgresql-unasked\t5432\t\tERROR:  no rights")
    assert health_of_none == PgHealth(problem="ERROR:  no rights")
    assert seen() is None


def test_no_name_reaches_the_terminal_as_a_command() -> None:
    rows = {"unused": [1, 9, [["public.\x1b[2J", 9, "\n", None]]]}
    health = of_cluster(
        {"wraparound_database": "a\x1b", "replicas": [["\x07", "streaming", 1, 1]]},
        of_database(found=rows),
    )
    assert health.found["unused"].worst == (PgObject("app.public.?[2J", 9, "?"),)
    assert (health.wraparound_database, health.replicas[0].name) == ("a?", "?")


@given(cut=st.integers(0, len(json.dumps(CLUSTER)) - 1))
def test_a_cut_answer_is_refused(cut: int) -> None:
    with pytest.raises(GarbledAnswer):
        seen(f"postgresql-health\t5432\t{json.dumps(CLUSTER)[:cut]}")


def test_health_is_asked_for_only_where_it_is_wanted() -> None:
    assert "pg_stat_activity" not in probe_program(ProbeRequest())
    asked = probe_program(ProbeRequest(postgresql_health=True))
    assert "pg_stat_activity" in asked
    assert "pg_stat_user_indexes" in asked


@pytest.mark.parametrize("text", [health_query(), database_query()])
def test_no_text_of_a_statement_is_asked_for(text: str) -> None:
    # The column `query` of pg_stat_activity and pg_stat_statements.
    assert not re.search(r"\bquery\b", text)
