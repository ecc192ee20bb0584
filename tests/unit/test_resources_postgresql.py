"""PostgreSQL settings: what is read of a cluster, what a change writes, what it can lose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from optimizer.host.postgresql_observed import settings_of
from optimizer.model.observation import LinedFile, Observation
from optimizer.model.plan import HostPlan
from optimizer.model.postgresql import PgCluster, PgFileSetting, PgSetting
from optimizer.model.reading import ReadingState
from optimizer.model.transaction import ActionStep, FileStep, LineStep, ValueStep
from optimizer.model.tunable import Effect, Permission
from optimizer.modules.host_plan import plan_host
from tests.unit.factories import file_state, observation, profile, read

CONF = "/etc/postgresql/15/main/postgresql.conf"
AUTO = "/var/lib/postgresql/15/main/postgresql.auto.conf"
OURS = "/etc/postgresql/15/main/conf.d/zz-optimizer.conf"
ADDRESS = "postgres@/var/run/postgresql:5432"
RESTART = frozenset({Permission.RESTART})
DATA = frozenset({Permission.DATA})
MIB = 2**20

CLUSTER = PgCluster(
    name="5432",
    address=ADDRESS,
    cluster="15/main",
    version=150018,
    unit="postgresql@15-main.service",
    data="/var/lib/postgresql/15/main",
    config_file=CONF,
    config_state=LinedFile("ab" * 32, "644", "104:105", 29000),
    auto_state=LinedFile("cd" * 32, "600", "104:105", 88),
    drop_in=OURS,
    included_at=800,
    settings={
        "shared_buffers": PgSetting("shared_buffers", "16384", "8kB", "integer", "postmaster"),
        "work_mem": PgSetting("work_mem", "4096", "kB", "integer", "user"),
        "max_connections": PgSetting("max_connections", "100", "", "integer", "postmaster"),
        "jit": PgSetting("jit", "on", "", "bool", "user"),
        "synchronous_commit": PgSetting(
            "synchronous_commit", "on", "", "enum", "user", ("local", "remote_write", "on", "off")
        ),
        "wal_compression": PgSetting(
            "wal_compression", "off", "", "enum", "superuser", ("pglz", "on", "off")
        ),
        "checkpoint_timeout": PgSetting("checkpoint_timeout", "300", "s", "integer", "sighup"),
    },
    files=(
        PgFileSetting(CONF, 65, "max_connections", "100"),
        PgFileSetting(CONF, 127, "shared_buffers", "128MB"),
    ),
    libraries=frozenset({"pg_stat_statements", "auto_explain"}),
)


def seen(cluster: PgCluster = CLUSTER, **parts: Any) -> Observation:
    directories = frozenset({"/etc/postgresql/15/main/conf.d"})
    made = observation({}, postgresql=(cluster,), directories=directories, **parts)
    return replace(made, values={one.path: one for one in settings_of(cluster)})


def plan(
    values: dict[str, object],
    cluster: PgCluster = CLUSTER,
    allow: frozenset[Permission] = frozenset(),
    **parts: Any,
) -> HostPlan:
    return plan_host("db-1", profile(values), seen(cluster, **parts), {}, allow)


def test_a_host_without_a_cluster_has_nothing_to_do() -> None:
    [found] = read("postgresql.work_mem", observation({}))
    assert found.state is ReadingState.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("cluster", "state", "reason"),
    [
        (PgCluster("5432", problem="is not running"), ReadingState.UNKNOWN, "is not running"),
        (
            PgCluster("pid 7", problem="runs in a container", is_elsewhere=True),
            ReadingState.NOT_APPLICABLE,
            "container",
        ),
        (replace(CLUSTER, is_patroni=True), ReadingState.NOT_APPLICABLE, "Patroni"),
    ],
)
def test_a_cluster_that_is_not_managed_says_why(
    cluster: PgCluster, state: ReadingState, reason: str
) -> None:
    [found] = read("postgresql.work_mem", seen(cluster))
    assert found.state is state
    assert reason in found.reason


@pytest.mark.parametrize(
    ("wanted", "is_standby", "is_said"),
    [(200, False, True), (50, False, False), (200, True, False)],
)
def test_what_a_standby_may_not_have_less_of_is_said_where_its_primary_gets_more(
    wanted: int, is_standby: bool, is_said: bool
) -> None:
    cluster = replace(CLUSTER, is_standby=is_standby)
    notes = plan({"postgresql.max_connections": wanted}, cluster).notes
    assert any("standbys of this cluster first" in note for note in notes) is is_said


def test_a_setting_that_a_version_does_not_have_is_not_applicable() -> None:
    [found] = read("postgresql.io_method", seen())
    assert (found.state, found.reason) == (
        ReadingState.NOT_APPLICABLE,
        "PostgreSQL 15 has no io_method",
    )


def test_live_and_boot_value_are_two_and_in_bytes() -> None:
    written = (*CLUSTER.files, PgFileSetting(OURS, 2, "shared_buffers", "256MB"))
    [found] = read("postgresql.shared_buffers", seen(replace(CLUSTER, files=written)))
    assert (found.live, found.boot) == (str(128 * MIB), str(256 * MIB))
    assert (found.source, found.effect) == (f"{OURS}:2", Effect.RESTART)


def test_the_server_says_what_a_reload_changes() -> None:
    assert read("postgresql.work_mem", seen())[0].effect is Effect.RELOAD


def test_a_change_is_a_file_a_check_and_a_reload() -> None:
    made = plan({"postgresql.work_mem": "8 MiB"})
    [value] = [step for step in made.steps if isinstance(step, ValueStep)]
    assert value.path == f"postgresql:{ADDRESS}/work_mem"
    assert (value.before, value.after, value.write) == (str(4 * MIB), str(8 * MIB), "file")
    [file] = [change for change in made.files if change.path == OURS]
    assert "+work_mem = '8MB'" in file.diff
    actions = [step.action for step in made.steps if isinstance(step, ActionStep)]
    assert actions == ["check-postgresql", "reload-postgresql"]


def test_what_takes_a_restart_is_written_and_waits() -> None:
    asked: dict[str, object] = {"postgresql.shared_buffers": "256 MiB"}
    made = plan(asked)
    assert not made.changes[0].allowed
    assert [step for step in made.steps if isinstance(step, FileStep)]
    [value] = [step for step in made.steps if isinstance(step, ValueStep)]
    assert (value.before, value.after) == (str(128 * MIB), str(256 * MIB))
    assert (value.write, value.needs) == ("pend", ())
    assert isinstance(made.steps[-1], ActionStep)
    assert made.steps[-1].action == "restart-later"
    allowed = plan(asked, allow=RESTART)
    last = allowed.steps[-1]
    assert isinstance(last, ActionStep)
    assert (last.action, last.argument) == (
        "restart-postgresql",
        f"postgresql@15-main.service {ADDRESS}",
    )
    assert [(step.write, step.needs) for step in allowed.steps if isinstance(step, ValueStep)] == [
        ("file", (Permission.RESTART,))
    ]


def values_of(made: HostPlan) -> list[ValueStep]:
    return [step for step in made.steps if isinstance(step, ValueStep)]


def test_what_waits_already_is_read_back_after_the_restart_alone() -> None:
    written = (*CLUSTER.files, PgFileSetting(OURS, 2, "shared_buffers", "256MB"))
    made = plan(
        {"postgresql.shared_buffers": "256 MiB"}, replace(CLUSTER, files=written), allow=RESTART
    )
    [value] = values_of(made)
    assert (value.before, value.after, value.waited) == (
        str(128 * MIB),
        str(256 * MIB),
        str(256 * MIB),
    )
    [restart] = [step for step in made.steps if isinstance(step, ActionStep)]
    assert restart.action == "restart-postgresql"


def test_what_waited_for_a_restart_is_what_a_restart_back_brings() -> None:
    written = (*CLUSTER.files, PgFileSetting(OURS, 2, "max_connections", "50"))
    cluster = replace(CLUSTER, files=written)
    [value] = values_of(plan({"postgresql.max_connections": "60"}, cluster, allow=RESTART))
    assert (value.before, value.after, value.waited) == ("100", "60", "50")


def test_a_cluster_without_a_unit_is_not_restarted_and_nothing_is_read_back() -> None:
    asked: dict[str, object] = {"postgresql.shared_buffers": "256 MiB"}
    made = plan(asked, replace(CLUSTER, unit=""), allow=RESTART)
    assert values_of(made) == []
    assert [step.action for step in made.steps if isinstance(step, ActionStep)] == [
        "check-postgresql",
        "reload-postgresql",
    ]


def test_a_number_that_the_server_makes_at_its_start_is_not_read_back() -> None:
    buffers = PgSetting("wal_buffers", "512", "8kB", "integer", "postmaster")
    cluster = replace(
        CLUSTER,
        settings={**CLUSTER.settings, "wal_buffers": buffers},
        files=(*CLUSTER.files, PgFileSetting(OURS, 2, "wal_buffers", "4MB")),
    )
    made = plan({"postgresql.wal_buffers": "-1"}, cluster, allow=RESTART)
    assert values_of(made) == []
    assert made.steps[-1].step == "action"
    by_itself = replace(cluster, files=(PgFileSetting(CONF, 9, "wal_buffers", "-1"),))
    [value] = values_of(plan({"postgresql.wal_buffers": "8 MiB"}, by_itself, allow=RESTART))
    assert (value.before, value.after, value.waited) == (str(4 * MIB), str(8 * MIB), "")


def test_libraries_are_read_back_as_the_file_has_them() -> None:
    written = "auto_explain,pg_stat_statements"
    libraries = PgSetting("shared_preload_libraries", "", "", "string", "postmaster")
    cluster = replace(
        CLUSTER,
        settings={**CLUSTER.settings, "shared_preload_libraries": libraries},
        files=(*CLUSTER.files, PgFileSetting(OURS, 2, "shared_preload_libraries", written)),
    )
    asked: dict[str, object] = {"postgresql.shared_preload_libraries": "pg_stat_statements"}
    [value] = values_of(plan(asked, cluster, allow=RESTART))
    assert (value.before, value.after, value.waited) == ("", written, written)


def test_a_setting_of_alter_system_changes_in_its_own_line() -> None:
    line = "work_mem = '5MB' # by hand"
    cluster = replace(
        CLUSTER,
        files=(*CLUSTER.files, PgFileSetting(AUTO, 3, "work_mem", "5MB")),
        auto_lines={"work_mem": line},
    )
    made = plan({"postgresql.work_mem": "8 MiB", "postgresql.jit": "off"}, cluster)
    [step] = [step for step in made.steps if isinstance(step, LineStep)]
    assert (step.path, step.line, step.replaces) == (AUTO, "work_mem = '8MB'", line)
    [file] = [change for change in made.files if change.path == OURS]
    assert "jit" in file.diff
    assert "work_mem" not in file.diff


def test_without_conf_d_the_last_line_of_postgresql_conf_reads_our_file() -> None:
    drop_in = "/srv/pg/postgresql.optimizer.conf"
    plain = replace(CLUSTER, drop_in=drop_in, included_at=0, config_file="/srv/pg/postgresql.conf")
    [line] = [
        step for step in plan({"postgresql.jit": "off"}, plain).steps if isinstance(step, LineStep)
    ]
    assert (line.path, line.line) == (
        "/srv/pg/postgresql.conf",
        f"include_if_exists = '{drop_in}'",
    )
    assert plain.config_state is not None
    included = replace(plain.config_state, lines=frozenset({plain.include_line}))
    again = plan({"postgresql.jit": "off"}, replace(plain, config_state=included))
    assert not [step for step in again.steps if isinstance(step, LineStep)]


def test_what_is_read_after_our_file_is_named() -> None:
    late = PgFileSetting("/etc/postgresql/15/main/conf.d/zzz.conf", 1, "jit", "on")
    beaten = replace(CLUSTER, files=(*CLUSTER.files, late))
    [found] = read("postgresql.jit", seen(beaten))
    assert (found.boot, found.overridden_by) == ("on", late.place)
    made = plan({"postgresql.jit": "off", "postgresql.work_mem": "8 MiB"}, beaten)
    assert [change.tunable for change in made.changes if change.allowed] == [
        "postgresql.work_mem[5432]"
    ]
    [held] = made.held_back
    assert held.advice == f"{late.place} beats our file: change it there"
    assert not [step for step in made.steps if getattr(step, "path", "").endswith("/jit")]
    behind = PgFileSetting(CONF, 816, "jit", "on")
    [found] = read("postgresql.jit", seen(replace(CLUSTER, files=(*CLUSTER.files, behind))))
    assert found.overridden_by == behind.place
    roles = {"jit": "all roles, shop"}
    [found] = read("postgresql.jit", seen(replace(CLUSTER, role_settings=roles)))
    assert found.overridden_by == "ALTER ROLE or ALTER DATABASE for all roles, shop"


def test_a_weaker_commit_is_held_back_until_that_is_allowed() -> None:
    asked: dict[str, object] = {"postgresql.synchronous_commit": "off"}
    [change] = plan(asked).changes
    assert not change.allowed
    assert "acknowledged" in change.at_stake
    assert plan(asked).steps == ()
    assert plan(asked, allow=DATA).steps


def test_settings_that_are_in_our_file_already_stay_in_it() -> None:
    files = {OURS: file_state(b"# ours\njit = 'off'\n")}
    made = plan({"postgresql.work_mem": "8 MiB"}, files=files)
    [file] = [change for change in made.files if change.path == OURS]
    assert "-jit" not in file.diff


def test_a_cluster_read_over_its_dsn_is_not_changed() -> None:
    made = plan({"postgresql.jit": "off"}, replace(CLUSTER, can_change=False))
    assert made.steps == ()
    assert "DSN" in made.not_applicable[0].reason


def test_libraries_are_added_to_those_that_a_server_loads_already() -> None:
    loaded = PgSetting("shared_preload_libraries", "auto_explain", "", "string", "postmaster")
    cluster = replace(CLUSTER, settings={**CLUSTER.settings, loaded.name: loaded})
    asked: dict[str, object] = {"postgresql.shared_preload_libraries": "pg_stat_statements"}
    [change] = plan(asked, cluster).changes
    assert change.before == "auto_explain"
    assert change.after == "auto_explain,pg_stat_statements"
    waiting = (*CLUSTER.files, PgFileSetting(OURS, 2, loaded.name, "auto_explain,pg_prewarm"))
    more = replace(cluster, files=waiting, libraries=CLUSTER.libraries | {"pg_prewarm"})
    [change] = plan(asked, more).changes
    assert change.boot_after == "auto_explain,pg_prewarm,pg_stat_statements"
    [left] = plan(asked, replace(cluster, libraries=frozenset({"auto_explain"}))).not_applicable
    assert "not installed" in left.reason


def test_a_word_that_a_build_lacks_becomes_the_nearest_that_it_has() -> None:
    [change] = plan({"postgresql.wal_compression": "lz4"}).changes
    assert change.after == "pglz"


def test_what_every_role_is_given_is_left_out_and_what_one_role_is_given_is_not() -> None:
    asked: dict[str, object] = {"postgresql.work_mem": "8 MiB"}
    everybody = replace(CLUSTER, role_settings={"work_mem": "all roles, all databases"})
    [held] = plan(asked, everybody).held_back
    assert "ALTER ROLE" in held.advice
    assert plan(asked, everybody).steps == ()
    one = replace(CLUSTER, role_settings={"work_mem": "trader, all databases"})
    assert plan(asked, one).steps


def test_a_cluster_without_a_unit_is_not_restarted_and_its_change_waits() -> None:
    by_hand = replace(CLUSTER, unit="")
    [change] = plan({"postgresql.shared_buffers": "256 MiB"}, by_hand, RESTART).changes
    assert not change.allowed
