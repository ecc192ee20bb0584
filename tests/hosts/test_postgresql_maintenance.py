"""Maintenance by timers of ours: files and units as planned, what the runs do, and the way back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.hosts.conftest import MakeController
from tests.hosts.controller import MAINTENANCE, wait_for
from tests.hosts.lab import Lab
from tests.hosts.postgresql_lab import Cluster
from tests.hosts.promised import canonical_after, promised
from tests.hosts.stopped import stop_confirmation

PROFILE = ("--profile", MAINTENANCE)
PROGRAM = "/usr/local/lib/optimizer/postgresql-maintenance"
UNITS = ("vacuum.service", "vacuum.timer", "reindex.service", "reindex.timer")
LISTED = "systemctl list-units --all --plain --no-legend 'optimizer-*'"

# Names that a shell or a careless statement would trip over. Nothing vacuums but we.
FILL = r"""
CREATE SCHEMA "my $(schema)";
CREATE TABLE "my $(schema)"."big 'n ""odd\" (id int, at int) WITH (autovacuum_enabled = off);
INSERT INTO "my $(schema)"."big 'n ""odd\" SELECT n, n FROM generate_series(1, 60000) AS n;
CREATE INDEX "bloated; DROP" ON "my $(schema)"."big 'n ""odd\" (id);
CREATE INDEX partly ON "my $(schema)"."big 'n ""odd\" (at) WHERE at % 10 = 0;
CREATE TABLE sound (id uuid, name text, n int) WITH (autovacuum_enabled = off);
CREATE INDEX ON sound (id);
CREATE INDEX ON sound (name, n);
CREATE INDEX ON sound (upper(name));
INSERT INTO sound SELECT gen_random_uuid(), 'name ' || n, nullif(n % 3, 0)
FROM generate_series(1, 40000) AS n;
CREATE TABLE busy (id int) WITH (autovacuum_enabled = off);
INSERT INTO busy SELECT generate_series(1, 100);
DELETE FROM busy;
ANALYZE;
DELETE FROM "my $(schema)"."big 'n ""odd\" WHERE id % 5 <> 0;
"""
SIZES = """
SELECT relname || ' ' || pg_relation_filenode(oid) || ' ' || pg_relation_size(oid) FROM pg_class
WHERE relkind = 'i' AND relnamespace::regnamespace::text !~ '^(pg_|information)' ORDER BY relname
"""
DEAD = """
SELECT concat_ws(' ', relname, n_dead_tup, last_vacuum IS NOT NULL, last_analyze >= last_vacuum)
FROM pg_stat_user_tables ORDER BY relname
"""
INVALID = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid"
# Rows that only our runs take a while to look at, in an index that is told to be large.
SLOW = """
CREATE FUNCTION slow(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_sleep(0.5) WHERE current_setting('application_name') = 'optimizer-maintenance';
    RETURN n; END $$;
CREATE TABLE few (id int) WITH (autovacuum_enabled = off);
CREATE INDEX slowly ON few (slow(id));
INSERT INTO few SELECT generate_series(1, 50);
ANALYZE few;
UPDATE pg_class SET relpages = 5000 WHERE relname = 'slowly';
"""
AT_WORK = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'optimizer-maintenance' AND state = 'active' AND query ~ '^REINDEX'
"""


@dataclass(frozen=True)
class Database:
    """A database of a test's own, with a name that is no connection string."""

    cluster: Cluster
    name: str = "kept = odd"

    def ask(self, query: str) -> str:
        """Return what it answers, one row a line."""
        return self.cluster.ask(f"\\connect \"dbname='{self.name}'\"\n{query}")

    def lines(self, query: str) -> set[str]:
        """Return the rows of an answer."""
        return set(self.ask(query).splitlines())

    def run(self, job: str) -> list[str]:
        """Run a service of ours to its end; return what it said."""
        unit = f"optimizer-postgresql-{job}.service"
        self.cluster.host.run(f"systemctl start {unit} && journalctl --sync")
        return self.cluster.host.run(f"journalctl -o cat -t sh -u {unit}").stdout.splitlines()

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Have somebody be busy with a table for a while."""
        words = f"BEGIN; LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE; SELECT pg_sleep(300)"
        call = (
            f"cd / && PGDATABASE='{self.name}' setsid -f runuser -u postgres -- psql -Xqc '{words}'"
        )
        held = "SELECT count(*) FROM pg_locks WHERE mode = 'ShareUpdateExclusiveLock'"
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^BEGIN; LOCK'"
        self.cluster.host.run(f"{call} </dev/null >/dev/null 2>&1")
        until(lambda: self.ask(held) == "1")
        yield
        self.ask(end)


@contextmanager
def database(cluster: Cluster) -> Iterator[Database]:
    """Make a database with tables, and one that lets nobody in; both are gone afterwards."""
    one = Database(cluster)
    cluster.ask(f'CREATE DATABASE "{one.name}"')
    cluster.ask("CREATE DATABASE closed ALLOW_CONNECTIONS false")
    try:
        one.ask(FILL)
        yield one
    finally:
        cluster.ask(f'DROP DATABASE "{one.name}" WITH (FORCE)')
        cluster.ask("DROP DATABASE closed")


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until something has come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def test_the_timers_keep_clusters_up_and_go_without_a_trace(
    cluster: Cluster, controller: MakeController, lab: Lab
) -> None:
    host = cluster.host
    one = controller(host)
    planned = one.plan(*PROFILE).expect(0).host(host.name)
    assert planned["not_applicable"] == planned["unknown"] == planned["notes"] == []
    one.apply(*PROFILE).expect(0)
    _expect_as_planned(planned, lab, host.name)
    assert one.verify(*PROFILE).expect(0).host(host.name)["state"] == "match"
    with database(cluster) as kept:
        _expect_what_is_needed_and_no_more(kept)
        kept.ask(SLOW)
        _expect_an_end_with_the_window(kept)
        said = one.run("doctor", one.inventory, "--format", "json").host(host.name)["checks"]
        answer = next(check["answer"] for check in said if check["check"] == "PostgreSQL vacuum")
        assert answer.startswith("ended well ")
        assert "; next Sat " in answer
        # The way back ends what is at work, which is cancelled.
        host.run("systemctl start --no-block optimizer-postgresql-reindex.service")
        until(lambda: kept.ask(AT_WORK) == "1")
        one.rollback().expect(0)
        assert kept.ask(AT_WORK) == "0"
        assert kept.ask(INVALID) == ""
    assert lab.changes(host.name) == {}
    assert host.run(LISTED).stdout == ""


def _expect_as_planned(planned: Mapping[str, Any], lab: Lab, name: str) -> None:
    """What is on the host is what the plan has, files and units, and nothing else."""
    changes = lab.changes(name)
    files = {key: text for key, text in canonical_after(changes).items() if key[:5] == "file "}
    assert files == promised(planned, lab.pristine(name))
    listed = {key for key in changes if key[:5] == "unit "}
    assert listed == {f"unit optimizer-postgresql-{unit}" for unit in UNITS}
    timer = changes["timer optimizer-postgresql-reindex.timer"][1] or ""
    assert "OnCalendar=Mon..Wed,Fri *-*-07 04:05:00 UTC" in timer


def _expect_what_is_needed_and_no_more(kept: Database) -> None:
    with kept.locked("busy"):
        said = kept.run("vacuum")
    assert kept.lines(DEAD) == {
        "big 'n \"odd\\ 0 t t",
        "busy 100 f",
        "sound 0 t t",
    }
    place = f"{kept.cluster.port} {kept.name} "
    assert f"{place}public.busy: skipped: somebody else is busy with it" in said
    assert said[-1] == "vacuum: 2 of 3 done, 1 skipped, 0 not begun"

    before = kept.lines(SIZES)
    said = kept.run("reindex")
    (was,), (now,) = before - kept.lines(SIZES), kept.lines(SIZES) - before
    assert was.startswith("bloated; DROP ")
    assert int(now.rpartition(" ")[2]) * 3 < int(was.rpartition(" ")[2])
    assert said[-2].startswith(f'{place}"my $(schema)"."bloated; DROP": ')
    assert said[-1] == "reindex: 1 of 1 done, 0 skipped, 0 not begun"


def _expect_an_end_with_the_window(kept: Database) -> None:
    """It ends with its window, keeps others waiting until then, and takes away what it left."""
    host = kept.cluster.host
    host.run(f"WINDOW=8 sh {PROGRAM} reindex >/run/said 2>&1 </dev/null &")
    until(lambda: kept.ask(AT_WORK) == "1")
    other = host.run(f"WINDOW=1 sh {PROGRAM} vacuum").stdout
    assert other == "another run was at work for the whole window: nothing done\n"
    wait_for(host, "grep -q '^reindex: ' /run/said")
    said = host.run("cat /run/said; rm /run/said").stdout.splitlines()
    place = f"{kept.cluster.port} {kept.name} public"
    assert said == [
        f"{place}.slowly: stopped, as the window is over",
        f"{place}.slowly_ccnew: left behind by a REINDEX that was cancelled, dropped",
        "reindex: 0 of 1 done, 1 skipped, 0 not begun, the window is over",
    ]
    assert kept.ask(INVALID) == ""


def test_a_reboot_loses_no_timer_and_one_halfway_leaves_none(
    pg15: Cluster, controller: MakeController, lab: Lab
) -> None:
    host = pg15.host
    one = controller(host)
    one.apply(*PROFILE).expect(0)
    host.reboot()
    assert one.verify(*PROFILE).expect(0).host(host.name)["state"] == "match"
    one.rollback().expect(0)
    host.run("rm -rf /var/lib/optimizer/snapshots")

    stop_confirmation(host, one, "ask:daemon-reload", *PROFILE)
    # Systemd knows the timers by then, and would start them with the next boot.
    link = "/etc/systemd/system/timers.target.wants/optimizer-postgresql-vacuum.timer"
    host.run(f"[ -h {link} ] && systemctl daemon-reload && sync")
    host.power_cut()
    pg15.wait()
    assert lab.changes(host.name) == {}
    assert host.run(LISTED).stdout == ""
