"""Parameters of PgBouncer: what is read, what a change writes, and what stands against one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.model.observation import ConfigLine, LinedFile
from optimizer.model.pgbouncer import Parameter, PgBouncer, PooledDatabase
from optimizer.model.plan import HostPlan
from optimizer.model.reading import ReadingState
from optimizer.model.transaction import ActionStep, FileStep, LineStep, ValueStep
from optimizer.model.tunable import Effect, Permission
from optimizer.modules.host_plan import plan_host
from optimizer.resources.pgbouncer import own_settings, render
from tests.unit.factories import observation, profile, read
from tests.unit.pgbouncers import ADDRESS, INI, OURS, POOLER, cluster, config, seen

RESTART = frozenset({Permission.RESTART})
TIMEOUT = "postgresql.pgbouncer.query_wait_timeout"
SIZE = "postgresql.pgbouncer.default_pool_size"
BACKLOG = "postgresql.pgbouncer.listen_backlog"


def plan(
    values: dict[str, object],
    pooler: PgBouncer = POOLER,
    allow: frozenset[Permission] = frozenset(),
    connections: int = 100,
) -> HostPlan:
    host = seen(pooler, clusters=(cluster(connections),))
    return plan_host("db-1", profile(values), host, {}, allow)


def test_a_host_without_one_has_nothing_to_do() -> None:
    [found] = read(TIMEOUT, observation({}))
    assert found.state is ReadingState.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("pooler", "state", "reason"),
    [
        (PgBouncer("6432", problem="gives no answer"), ReadingState.UNKNOWN, "no answer"),
        (
            PgBouncer("pid 7", problem="runs in a container", is_elsewhere=True),
            ReadingState.NOT_APPLICABLE,
            "container",
        ),
    ],
)
def test_one_that_cannot_be_asked_says_why(
    pooler: PgBouncer, state: ReadingState, reason: str
) -> None:
    [found] = read(TIMEOUT, seen(pooler))
    assert (found.state, reason in found.reason) == (state, True)


def test_what_a_build_does_not_list_is_not_applicable() -> None:
    older = {name: one for name, one in config().items() if name != "max_prepared_statements"}
    pooler = replace(POOLER, config=older, version="PgBouncer 1.18.0")
    [found] = read("postgresql.pgbouncer.max_prepared_statements", seen(pooler))
    assert found.reason == "PgBouncer 1.18.0 has no max_prepared_statements"


def test_it_says_itself_what_a_reload_changes() -> None:
    [timeout] = read(TIMEOUT, seen(POOLER))
    [backlog] = read(BACKLOG, seen(POOLER))
    assert (timeout.effect, backlog.effect) == (Effect.RELOAD, Effect.RESTART)


def test_a_change_is_a_file_a_line_a_check_and_a_reload() -> None:
    made = plan({TIMEOUT: "30s"})
    [value] = [step for step in made.steps if isinstance(step, ValueStep)]
    assert value.path == f"pgbouncer:{ADDRESS}/query_wait_timeout"
    assert (value.before, value.after, value.write) == ("120", "30", "file")
    [file] = [step for step in made.steps if isinstance(step, FileStep)]
    assert file.path == OURS
    [line] = [step for step in made.steps if isinstance(step, LineStep)]
    assert (line.path, line.line, line.size) == (INI, f"%include {OURS}", 9501)
    actions = [(step.action, step.argument) for step in made.steps if isinstance(step, ActionStep)]
    assert actions == [
        ("check-pgbouncer", f"{ADDRESS} {OURS}"),
        ("reload-pgbouncer", ADDRESS),
    ]


def test_our_file_has_no_header_that_would_bring_the_defaults_back() -> None:
    text = render({"query_wait_timeout": "30"})
    assert "[" not in text
    assert own_settings(text) == {"query_wait_timeout": "30"}


def test_what_takes_a_restart_is_written_and_waits() -> None:
    made = plan({BACKLOG: 4096})
    assert not made.changes[0].allowed
    assert [step for step in made.steps if isinstance(step, FileStep)]
    assert not [step for step in made.steps if isinstance(step, ValueStep)]
    last = plan({BACKLOG: 4096}, allow=RESTART).steps[-1]
    assert isinstance(last, ActionStep)
    assert (last.action, last.argument) == ("restart-unit", "pgbouncer.service")


def _lines(*texts: str, path: str = INI) -> tuple[ConfigLine, ...]:
    return tuple(ConfigLine(path, at, text) for at, text in enumerate(texts, 1))


def test_the_last_line_behind_the_last_header_counts() -> None:
    lines = _lines("[pgbouncer]", "query_wait_timeout = 9", "[pgbouncer]")
    [found] = read(TIMEOUT, seen(replace(POOLER, lines=lines)))
    assert found.boot is None
    more = (*lines, ConfigLine(INI, 4, "query_wait_timeout = 10"))
    [found] = read(TIMEOUT, seen(replace(POOLER, lines=more)))
    assert (found.boot, found.source) == ("10", f"{INI}:4")


@pytest.mark.parametrize(
    ("pooler", "reason"),
    [
        (replace(POOLER, lines=_lines("[pgbouncer]", "[users]")), "has to be the last section"),
        (replace(POOLER, lines=()), "has to be the last section"),
        (replace(POOLER, unloaded=("auth_type",)), "a reload would change auth_type too"),
        (replace(POOLER, config_state=None), "is not a plain file"),
        (
            replace(
                POOLER,
                lines=(
                    *_lines("[pgbouncer]"),
                    ConfigLine(OURS, 2, "query_wait_timeout = 30"),
                    ConfigLine(INI, 400, "query_wait_timeout = 99"),
                ),
            ),
            f"{INI}:400 beats our file",
        ),
    ],
)
def test_what_a_reload_could_not_do_alone_is_not_done(pooler: PgBouncer, reason: str) -> None:
    made = plan({TIMEOUT: "30s"}, pooler)
    [change] = made.changes
    assert (change.allowed, made.steps) == (False, ())
    assert reason in change.advice


def test_a_file_that_has_the_line_gets_no_second_one() -> None:
    line = frozenset({f"%include {OURS}"})
    state = LinedFile("ab" * 32, "640", "104:105", 9501, line)
    made = plan({TIMEOUT: "30s"}, replace(POOLER, config_state=state))
    assert not [step for step in made.steps if isinstance(step, LineStep)]


def test_clients_beyond_the_open_files_are_not_possible() -> None:
    # 1024 files, of which 2 x 20 are for servers and 32 for itself.
    made = plan({"postgresql.pgbouncer.max_client_conn": 953})
    [left_out] = made.not_applicable
    assert "may open 1024 files" in left_out.reason
    assert "leaves 952 clients" in left_out.reason
    assert plan({"postgresql.pgbouncer.max_client_conn": "files"}).changes[0].after == "952"


def test_pools_that_do_not_fit_are_refused_with_the_sum() -> None:
    made = plan({SIZE: 49})
    assert made.state == "refused"
    assert made.error == (
        "PostgreSQL 5432 has 97 connections for clients, and its pools may take 98: "
        "PgBouncer 6432: 2 of 49 with 0 in reserve"
    )
    assert plan({SIZE: 48}).state == "planned"
    limited = {SIZE: 49, "postgresql.pgbouncer.max_db_connections": 90}
    assert plan(limited).state == "planned"


def test_pools_count_against_what_the_plan_leaves_the_cluster_with() -> None:
    asked: dict[str, object] = {SIZE: 40, "postgresql.max_connections": 60}
    assert plan(asked).state == "refused"
    # A number that is not in force before a restart is no room yet.
    more: dict[str, object] = {SIZE: 60, "postgresql.max_connections": 400}
    assert plan(more).state == "refused"


def test_a_profile_that_sizes_no_pool_refuses_none() -> None:
    assert plan({TIMEOUT: "30s"}, connections=20).state == "planned"


def test_a_server_elsewhere_sets_no_limit() -> None:
    away = replace(POOLER, databases=(PooledDatabase("app", "db.example", "5432", 20),))
    assert plan({SIZE: 500}, away).state == "planned"


def test_a_session_keeps_its_connection() -> None:
    asked: dict[str, object] = {SIZE: {"exactly": 9, "when": {"pool_mode": "transaction"}}}
    assert plan(asked).changes
    in_session = {**POOLER.config, "pool_mode": Parameter("pool_mode", "session")}
    [left_out] = plan(asked, replace(POOLER, config=in_session)).not_applicable
    assert "pool_mode" in left_out.reason
