"""Objects in databases of PostgreSQL: where they can be made, when, and what goes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.host.postgresql_objects_observed import databases_of, objects_of
from optimizer.host.postgresql_observed import settings_of
from optimizer.model.errors import InvalidValue
from optimizer.model.observation import LiveValue, Observation, ValueState
from optimizer.model.plan import Change, HostPlan
from optimizer.model.postgresql import PgCluster, PgFileSetting, PgSetting
from optimizer.model.postgresql_objects import PgDatabase, PgObject, object_path
from optimizer.model.reading import ReadingState
from optimizer.model.transaction import ActionStep, ValueStep
from optimizer.model.tunable import Effect, Permission
from optimizer.modules.examination import request_for
from optimizer.modules.host_plan import plan_host
from optimizer.resources.postgresql_back import guarded
from tests.unit.factories import observation, profile, read
from tests.unit.test_resources_postgresql import ADDRESS, CLUSTER, OURS

EXTENSION, SUMMARY, SLOW = (
    "postgresql.extension.pg_stat_statements",
    "postgresql.view.performance_summary",
    "postgresql.view.slow_queries",
)
LIBRARIES = "postgresql.shared_preload_libraries"
ALL: dict[str, object] = {EXTENSION: "on", SUMMARY: "on", SLOW: "on"}
RESTART = frozenset({Permission.RESTART})
NOTHING = {
    "extension/pg_stat_statements": PgObject("off", offered="1.10"),
    "view/performance_summary": PgObject("off"),
    "view/slow_queries": PgObject("off"),
}
MADE = {
    "extension/pg_stat_statements": PgObject("1.9", offered="1.10"),
    "view/performance_summary": PgObject("on"),
    "view/slow_queries": PgObject("on"),
}


def cluster(*databases: PgDatabase, loaded: str = "", written: str = "", **more: Any) -> PgCluster:
    """Make a cluster that has some libraries loaded, and others in its file."""
    setting = PgSetting("shared_preload_libraries", loaded, "", "string", "postmaster")
    lines = (PgFileSetting(OURS, 2, "shared_preload_libraries", written),) if written else ()
    return replace(
        CLUSTER,
        databases=databases or (PgDatabase(b"postgres", NOTHING),),
        settings={**CLUSTER.settings, "shared_preload_libraries": setting},
        files=(*CLUSTER.files, *lines),
        **more,
    )


LOADED = cluster(loaded="auto_explain, pg_stat_statements")
BARE = cluster()


def seen(one: PgCluster) -> Observation:
    made = observation({}, postgresql=(one,), directories=frozenset({OURS.rpartition("/")[0]}))
    values = {value.path: value for value in (*settings_of(one), *objects_of(one))}
    return replace(made, values=values)


def plan(
    one: PgCluster, values: dict[str, object] = ALL, allow: frozenset[Permission] = frozenset()
) -> HostPlan:
    return plan_host("db-1", profile(values), seen(one), {}, allow)


def objects(made: HostPlan) -> list[ValueStep]:
    return [step for step in made.steps if isinstance(step, ValueStep) and step.write == "last"]


def change(made: HostPlan, tunable: str, database: str = "postgres") -> Change:
    wanted = f"{tunable}[5432/{database}]"
    return next(one for one in made.changes if one.tunable == wanted)


def test_where_the_library_is_loaded_all_three_are_made_the_extension_first() -> None:
    steps = objects(plan(LOADED))
    assert [(step.tunable, step.before, step.after, step.needs) for step in steps] == [
        (f"{EXTENSION}[5432/postgres]", "off", "1.10", ()),
        (f"{SUMMARY}[5432/postgres]", "off", "on", ()),
        (f"{SLOW}[5432/postgres]", "off", "on", ()),
    ]
    assert steps[0].path == f"postgresql:{ADDRESS}/extension/postgres/pg_stat_statements"
    assert not plan(LOADED).files


@pytest.mark.parametrize("one", [BARE, cluster(written="pg_stat_statements")])
def test_the_restart_that_loads_the_library_is_waited_for(one: PgCluster) -> None:
    asked = {**ALL, LIBRARIES: "pg_stat_statements"}
    held = plan(one, asked)
    assert [step.tunable for step in objects(held)] == [f"{SUMMARY}[5432/postgres]"]
    for tunable in (EXTENSION, SLOW):
        waiting = change(held, tunable)
        assert (waiting.allowed, waiting.effect, waiting.advice) == (False, Effect.RESTART, "")
        # It is not half made: nothing of it counts after somebody else's restart.
        assert not waiting.is_pending
    allowed = plan(one, asked, RESTART)
    assert len(objects(allowed)) == 3
    assert all(one.allowed for one in allowed.changes)
    assert [step.action for step in allowed.steps if isinstance(step, ActionStep)][-1] == (
        "restart-postgresql"
    )


@pytest.mark.parametrize(
    ("one", "asked", "why"),
    [
        # Nothing in this plan loads it, and a restart for something else would not.
        (BARE, {"postgresql.max_connections": "90"}, "needs pg_stat_statements in"),
        (replace(BARE, unit=""), {LIBRARIES: "pg_stat_statements"}, "has no unit"),
        (
            cluster(loaded="not_pg_stat_statements"),
            {},
            "needs pg_stat_statements in postgresql.shared_preload_libraries, and a restart",
        ),
    ],
)
def test_what_would_only_give_errors_is_not_made_whatever_is_allowed(
    one: PgCluster, asked: dict[str, object], why: str
) -> None:
    made = plan(one, {**ALL, **asked}, RESTART)
    assert [step.tunable for step in objects(made)] == [f"{SUMMARY}[5432/postgres]"]
    for tunable in (EXTENSION, SLOW):
        assert not change(made, tunable).allowed
        assert why in change(made, tunable).advice


def test_the_view_of_statements_needs_the_extension_in_its_own_database() -> None:
    there = {**NOTHING, "extension/pg_stat_statements": PgObject("1.8", offered="1.10")}
    one = cluster(
        PgDatabase(b"app", there), PgDatabase(b"bare", NOTHING), loaded="pg_stat_statements"
    )
    made = plan(one, {SLOW: "on"})
    assert [step.tunable for step in objects(made)] == [f"{SLOW}[5432/app]"]
    advice = change(made, SLOW, "bare").advice
    assert advice == "needs the extension pg_stat_statements in this database"
    # Nor is it made where the extension cannot be.
    barred = {**NOTHING, "extension/pg_stat_statements": PgObject("off", problem="is taken")}
    steps = objects(plan(cluster(PgDatabase(b"app", barred), loaded="pg_stat_statements")))
    assert [step.tunable for step in steps] == [f"{SUMMARY}[5432/app]"]


def test_an_extension_of_any_version_is_there() -> None:
    made = plan(cluster(PgDatabase(b"postgres", MADE)))
    assert (made.changes, made.steps, made.unchanged) == ((), (), 3)


def test_what_is_not_ours_is_not_applicable_and_what_was_changed_is_left() -> None:
    taken = {**NOTHING, "view/slow_queries": PgObject("other", problem="is not ours")}
    changed = {**MADE, "view/performance_summary": PgObject("changed")}
    one = cluster(PgDatabase(b"a", taken), PgDatabase(b"b", changed), loaded="pg_stat_statements")
    made = plan(one)
    [left] = made.not_applicable
    assert (left.tunable, left.reason) == (f"{SLOW}[5432/a]", "is not ours")
    assert not change(made, SUMMARY, "b").allowed
    assert "somebody changed it" in change(made, SUMMARY, "b").advice
    assert {step.tunable.partition("/")[2] for step in objects(made)} == {"a]"}


@pytest.mark.parametrize(
    ("one", "state", "reason"),
    [
        (PgCluster("5432", problem="is not running"), ReadingState.UNKNOWN, "is not running"),
        (replace(BARE, is_patroni=True), ReadingState.NOT_APPLICABLE, "Patroni"),
        (replace(BARE, is_standby=True), ReadingState.NOT_APPLICABLE, "what its primary has"),
        (replace(BARE, can_change=False), ReadingState.NOT_APPLICABLE, "DSN"),
        (replace(BARE, unlisted="FATAL"), ReadingState.UNKNOWN, "FATAL"),
        (cluster(PgDatabase(b"a", left="too many")), ReadingState.NOT_APPLICABLE, "too many"),
        (cluster(PgDatabase(b"a", problem="no")), ReadingState.UNKNOWN, "gives no answer: no"),
    ],
)
def test_where_nothing_is_made_says_why(one: PgCluster, state: ReadingState, reason: str) -> None:
    [found] = read(EXTENSION, seen(one))
    assert found.state is state
    assert reason in found.reason


def test_a_host_without_a_cluster_has_nothing_to_do() -> None:
    [found] = read(SLOW, observation({}))
    assert found.state is ReadingState.NOT_APPLICABLE


def test_a_profile_may_ask_for_a_database_by_its_own_name() -> None:
    one = cluster(
        PgDatabase("a b/é".encode(), NOTHING),
        PgDatabase(b"postgres", NOTHING),
        loaded="pg_stat_statements",
    )
    [step] = objects(plan(one, {EXTENSION: {"exactly": "on", "when": {"database": "a b/é"}}}))
    assert step.tunable == f"{EXTENSION}[5432/a%20b%2F%C3%A9]"


@pytest.mark.parametrize("word", ["off", "no", "false", "1.10", "maybe"])
def test_a_profile_drops_nothing(word: str) -> None:
    tunable = read(EXTENSION, seen(LOADED))[0].tunable
    with pytest.raises(InvalidValue):
        tunable.value.canonical(word)


def test_databases_are_asked_only_for_what_is_in_them() -> None:
    assert request_for(profile({SLOW: "on"})).postgresql_objects
    assert not request_for(profile({"postgresql.work_mem": "8 MiB"})).postgresql_objects


@given(st.binary(min_size=1, max_size=63).filter(lambda name: b"\0" not in name))
def test_every_name_of_a_database_is_one_part_of_a_path_and_is_found_again(raw: bytes) -> None:
    path = object_path(ADDRESS, PgDatabase(raw).key, "view/slow_queries")
    assert path.isascii()
    assert path.isprintable()
    assert " " not in path
    assert path.rpartition(":")[2].count("/") == 3
    answer = "".join(f"%{byte:02x}" for byte in raw)
    row = ("5432", answer, "view/slow_queries", "off", "@empty", "@empty", "@empty")
    [found] = databases_of({"postgresql-object": [row]})["5432"]
    assert found.raw == raw


# The way back


def back(*steps: ValueStep, **values: LiveValue) -> dict[str, str]:
    """Return tunable -> why it is held back."""
    found = replace(observation({}), values={one.path: one for one in values.values()})
    return {held.step.tunable: held.advice for held in guarded(steps, found).held}


def drop(target: str, before: str = "on", database: str = "app") -> ValueStep:
    path = object_path(ADDRESS, database, target)
    return ValueStep(tunable=target, path=path, before=before, after="off", write="last")


def there(target: str, text: str = "on", database: str = "app", **more: Any) -> LiveValue:
    path = object_path(ADDRESS, database, target)
    return LiveValue(path, more.pop("state", ValueState.WRITABLE), text, **more)


STATEMENTS, QUERIES = "extension/pg_stat_statements", "view/slow_queries"


def test_what_nobody_needs_goes_back() -> None:
    steps = (drop(QUERIES), drop(STATEMENTS, "1.10"))
    assert back(*steps, a=there(QUERIES), b=there(STATEMENTS, "1.10")) == {}


def test_what_somebody_built_on_is_held_back_with_what_it_stands_on() -> None:
    values = {"a": there(QUERIES, dependents="view public.theirs"), "b": there(STATEMENTS, "1.10")}
    assert back(drop(QUERIES), drop(STATEMENTS, "1.10"), **values) == {
        QUERIES: "needed by view public.theirs: drop that first",
        STATEMENTS: "needed by view public.slow_queries: drop that first",
    }


def test_a_view_in_another_database_holds_nothing_back() -> None:
    values = {"a": there(QUERIES, database="other"), "b": there(STATEMENTS, "1.10")}
    assert back(drop(STATEMENTS, "1.10"), **values) == {}


def test_a_cluster_that_does_not_answer_and_a_changed_view_are_left() -> None:
    silent = there(STATEMENTS, "", state=ValueState.UNREADABLE)
    changed = there(QUERIES, "changed")
    held = back(drop(STATEMENTS, "1.10"), drop(QUERIES, "changed"), a=silent, b=changed)
    assert held[STATEMENTS] == "the cluster does not answer: start it first"
    assert "drop it by hand" in held[QUERIES]


def test_settings_are_none_of_its_business() -> None:
    step = ValueStep(tunable="t", path="/proc/sys/vm/swappiness", before="1", after="60")
    assert guarded((step,), observation({})).steps == (step,)
