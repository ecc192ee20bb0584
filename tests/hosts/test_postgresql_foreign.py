"""What somebody else has in the files of a cluster, or sets after us, is named and stays."""

from __future__ import annotations

from tests.hosts.arranged import with_file
from tests.hosts.conftest import MakeController
from tests.hosts.controller import POSTGRESQL_FULL, POSTGRESQL_SMALL
from tests.hosts.postgresql_lab import Cluster, differing

SMALL = ("--profile", POSTGRESQL_SMALL)


def test_a_setting_in_postgresql_auto_conf_is_changed_in_its_line_and_comes_back(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    pristine = pg15.look()
    with pg15.with_lines(pg15.auto):
        pg15.ask("ALTER SYSTEM SET work_mem = '5MB'")
        pg15.ask("ALTER SYSTEM SET random_page_cost = 2")
        with pg15.with_lines(pg15.auto, "# by hand, see ticket 7", "LOG_LOCK_WAITS=on"):
            before, text = pg15.look(), pg15.content(pg15.auto)
            one.apply("--profile", POSTGRESQL_FULL).expect(0)
            # Nothing else in it is touched, and what is in it is not in our own file.
            ours = text.replace("'5MB'", "'8MB'").replace("= '2'", "= '1.1'")
            assert pg15.content(pg15.auto) == ours != text
            assert "\nwork_mem = " not in pg15.content(pg15.drop_in)
            assert (pg15.show("work_mem"), pg15.show("random_page_cost")) == ("8MB", "1.1")
            one.rollback().expect(0)
            now = pg15.look()
            assert (now.values, now.files) == (before.values, before.files)

            one.apply(*SMALL).expect(0)
            added = "track_io_timing = 'on'\n"
            pg15.host.run(f"cat >>{pg15.auto}", input=added)
            one.rollback().expect(0)
            assert pg15.content(pg15.auto) == f"{text}{added}"
    pg15.restart()
    assert differing(pristine, pg15.look()) == {}


def test_a_later_file_wins_is_named_with_its_line_and_stays(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    before = pg15.look()
    theirs = f"{pg15.conf}/conf.d/zzz.conf"
    one.apply(*SMALL).expect(0)
    with with_file(pg15.host, theirs, "# ours, says somebody\nwork_mem = 6MB\n"):
        pg15.reload()
        (drift,) = one.verify(*SMALL).expect(2).host("pg15")["drift"]
        assert (drift["tunable"], drift["live"]) == (pg15.id("work_mem"), str(6 << 20))
        assert drift["source"] == f"{theirs}:2"
        # Without a profile as well, and also what no reload has read yet.
        with pg15.with_lines(pg15.auto):
            pg15.ask("ALTER SYSTEM SET work_mem = '7MB'")
            (drift,) = one.verify().expect(2).host("pg15")["drift"]
            found = (drift["live"], drift["boot"], drift["source"].partition(":")[0])
            assert found == (str(6 << 20), str(7 << 20), pg15.auto)
        named = f"{pg15.id('work_mem')}: the next boot sets {6 << 20}, because {theirs}:2"
        notes = one.plan(*SMALL).expect(0).host("pg15")["notes"]
        assert any(note.startswith(named) for note in notes)
        (foreign,) = one.rollback().expect(0).host("pg15")["foreign"]
        assert (foreign["tunable"], foreign["before"]) == (pg15.id("work_mem"), str(6 << 20))
        assert pg15.show("work_mem") == "6MB"
        assert pg15.host.run(f"ls {pg15.conf}/conf.d").stdout == "zzz.conf\n"
    pg15.reload()
    assert differing(before, pg15.look()) == {}


def test_settings_of_roles_and_databases_are_named_with_whom_they_are_for(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    pg15.ask("CREATE ROLE trader; ALTER ROLE trader SET work_mem = '3MB'")
    pg15.ask("ALTER DATABASE template1 SET random_page_cost = 3")
    try:
        notes = one.plan("--profile", POSTGRESQL_FULL).expect(0).host("pg15")["notes"]
        assert any("work_mem[5432]" in note and "trader, all databases" in note for note in notes)
        assert any(
            "random_page_cost[5432]" in note and "all roles, template1" in note for note in notes
        )
        one.apply(*SMALL).expect(0)
        assert pg15.show("work_mem") == "8MB"
        one.rollback().expect(0)
        assert pg15.ask("SELECT count(*) FROM pg_db_role_setting") == "2"
    finally:
        pg15.ask("DROP ROLE trader; ALTER DATABASE template1 RESET ALL")
