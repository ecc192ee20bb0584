"""An extension and views in databases: made last, named when others change them, taken back."""

from __future__ import annotations

from typing import Any

from tests.hosts.conftest import MakeController
from tests.hosts.controller import POSTGRESQL_SMALL, PROFILES, QUICK, Controller, counted, wait_for
from tests.hosts.faults.cutter import BUSY
from tests.hosts.lab import STATE, Lab
from tests.hosts.postgresql_databases import HOSTILE, asked, databases, objects
from tests.hosts.postgresql_lab import Cluster, differing
from tests.hosts.stopped import stop_confirmation

OBJECTS = ("--profile", str(PROFILES / "postgresql-objects.yaml"))
RESTART = ("--allow", "restart")
EXTENSION, SUMMARY, SLOW = (
    "postgresql.extension.pg_stat_statements",
    "postgresql.view.performance_summary",
    "postgresql.view.slow_queries",
)
# The name as ids and paths have it: every byte that is not plain as %XX.
CODED = "%24%28touch%20%2Ftmp%2Fx%29%3D1%2F%27%C3%A9%22%2541%60id%60%5C%20"
ALL = ("postgres", HOSTILE)
THEIRS = "CREATE VIEW slow_queries AS SELECT 'theirs' AS query"
CHANGED = """CREATE OR REPLACE VIEW performance_summary AS
SELECT schemaname, relname, seq_scan, seq_tup_read, idx_scan, idx_tup_fetch, n_tup_ins, n_tup_upd,
    n_tup_del, n_live_tup, n_dead_tup, last_vacuum, last_autovacuum, last_analyze, last_autoanalyze
FROM pg_stat_user_tables WHERE n_live_tup > 1000"""


def test_objects_are_made_and_taken_back_and_what_others_made_stays(
    cluster: Cluster, controller: MakeController
) -> None:
    one, name = controller(cluster.host), cluster.host.name
    with databases(cluster, HOSTILE):
        asked(cluster, HOSTILE, THEIRS)
        look = cluster.look()
        before = {database: objects(cluster, database) for database in ALL}
        _expect_held_back(one, cluster, name)

        outcome = one.apply(*OBJECTS, *RESTART).expect(0).host(name)
        assert outcome["pending"] == outcome["held_back"] == []
        made = {database: _made(cluster, database, before[database]) for database in ALL}
        ours = {"extension pg_stat_statements", "relation performance_summary"}
        assert made == {"postgres": ours | {"relation slow_queries"}, HOSTILE: ours}
        cluster.host.run("[ ! -e /tmp/x ]")
        assert asked(cluster, HOSTILE, "SELECT query FROM slow_queries") == "theirs"
        _expect_views_answer(cluster)
        assert one.verify().expect(0).host(name)["state"] == "match"

        asked(cluster, HOSTILE, CHANGED)
        cluster.ask("CREATE VIEW report AS SELECT calls FROM slow_queries")
        (drift,) = one.verify().expect(2).host(name)["drift"]
        assert drift["tunable"] == f"{SUMMARY}[5432/{CODED}]"
        assert (drift["expected"], drift["live"]) == ("on", "changed")
        _expect_kept(one, cluster, name, outcome["snapshot"])

        asked(cluster, HOSTILE, "DROP VIEW performance_summary")
        cluster.ask("DROP VIEW report")
        one.rollback("--to", outcome["snapshot"], *RESTART).expect(0)
        assert {database: objects(cluster, database) for database in ALL} == before
        assert differing(look, cluster.look()) == {}


def _expect_held_back(one: Controller, cluster: Cluster, name: str) -> None:
    with counted(cluster.host) as counter:
        planned = one.plan(*OBJECTS).expect(0).host(name)
    assert counter.commands == 1
    changes = {change["tunable"]: change for change in planned["changes"]}
    assert all(changes[f"{SUMMARY}[5432/{key}]"]["allowed"] for key in ("postgres", CODED))
    waiting = [f"{EXTENSION}[5432/{key}]" for key in ("postgres", CODED)]
    for tunable in (*waiting, f"{SLOW}[5432/postgres]"):
        change = changes.pop(tunable)
        assert (change["allowed"], change["effect"]) == (False, "restart")
    (left,) = planned["not_applicable"]
    assert left["tunable"] == f"{SLOW}[5432/{CODED}]"
    assert left["reason"] == "public.slow_queries is there already, and is not ours"
    # The list of libraries is a step as well, which waits.
    paths = [step["path"] for step in planned["steps"] if step.get("write") == "last"]
    assert len(paths) == 2
    assert all(path.endswith("/performance_summary") for path in paths)


def _made(cluster: Cluster, database: str, before: list[str]) -> set[str]:
    """Return the extensions and relations that are new, without members of the extension."""
    new = set(objects(cluster, database)) - set(before)
    words = {" ".join(line.split()[:2]) for line in new if not line.startswith("comment")}
    return {one for one in words if "(" not in one and "relation pg_stat_statements" not in one}


def _expect_views_answer(cluster: Cluster) -> None:
    cluster.ask("SELECT count(*) FROM generate_series(1, 10);" * 150)
    found = cluster.ask("SELECT calls, hit_percent IS NULL FROM slow_queries WHERE calls = 150")
    assert found == "150|t"
    assert asked(cluster, HOSTILE, "SELECT count(*) FROM performance_summary") == "0"
    # Nobody else may read them before somebody says so.
    rights = "SELECT has_table_privilege('pg_monitor', 'slow_queries', 'SELECT')"
    assert cluster.ask(rights) == "f"


def _expect_kept(one: Controller, cluster: Cluster, name: str, snapshot: str) -> None:
    outcome: Any = one.rollback("--to", snapshot).expect(0).host(name)
    held = {change["tunable"]: change["advice"] for change in outcome["held_back"]}
    assert held[f"{SLOW}[5432/postgres]"] == "needed by view public.report: drop that first"
    assert held.keys() == {f"{SLOW}[5432/postgres]", f"{EXTENSION}[5432/postgres]"}
    (foreign,) = outcome["foreign"]
    assert (foreign["tunable"], foreign["before"]) == (f"{SUMMARY}[5432/{CODED}]", "changed")
    kept = {database: "\n".join(objects(cluster, database)) for database in ALL}
    assert "pg_stat_statements" in kept["postgres"]
    assert "performance_summary" not in kept["postgres"]
    assert "relation performance_summary v" in kept[HOSTILE]
    assert "pg_stat_statements" not in kept[HOSTILE]


def test_when_the_confirmation_is_killed_amid_an_object_the_safety_timer_drops_it(
    pg15: Cluster, controller: MakeController, lab: Lab
) -> None:
    before = pg15.look(), objects(pg15, "postgres")
    _stop_amid_an_object(pg15, controller(pg15.host))
    pg15.host.run(f"kill -KILL {BUSY}")
    wait_for(pg15.host, f"[ ! -e {STATE}/journal ]")
    assert (pg15.look(), objects(pg15, "postgres")) == before
    assert lab.changes("pg15") == {}


def test_a_reboot_amid_an_object_drops_it_when_the_server_is_back(
    pg17: Cluster, controller: MakeController, lab: Lab
) -> None:
    before = pg17.look(), objects(pg17, "postgres")
    _stop_amid_an_object(pg17, controller(pg17.host))
    pg17.host.reboot()
    wait_for(pg17.host, f"[ ! -e {STATE}/journal ]")
    assert objects(pg17, "postgres") == before[1]
    assert differing(before[0], pg17.look()) == {}
    assert lab.changes("pg17") == {}


def _stop_amid_an_object(cluster: Cluster, one: Controller) -> None:
    """Have a view made by a confirmation that gets no further."""
    words = ("--set", f"{SUMMARY}=on", "--confirm-timeout", QUICK)
    # Psql, which is at work by then, goes on.
    place = "say:performance_summary"
    stop_confirmation(cluster.host, one, place, "--profile", POSTGRESQL_SMALL, *words)
    relation = "SELECT to_regclass('public.performance_summary')"
    ask = f'cd / && runuser -u postgres -- psql -XAtq -p {cluster.port} -c "{relation}"'
    wait_for(cluster.host, f'[ "$({ask})" = performance_summary ]')
