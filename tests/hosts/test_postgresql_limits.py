"""What a cluster cannot do on this host is left out with the reason; what fails is taken back."""

from __future__ import annotations

from tests.hosts.arranged import arranged, with_file
from tests.hosts.conftest import MakeController
from tests.hosts.controller import POSTGRESQL_SMALL
from tests.hosts.lab import STATE
from tests.hosts.postgresql_lab import Cluster, differing

SMALL = ("--profile", POSTGRESQL_SMALL)


def test_what_the_build_lacks_is_left_out_and_the_rest_is_applied(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    before = pg15.look()
    words = (
        *SMALL,
        *("--set", "postgresql.io_method=worker"),
        *("--set", "postgresql.shared_preload_libraries=pg_stat_statements,not_here"),
    )
    planned = one.plan(*words).expect(0).host("pg15")
    assert {each["tunable"]: each["reason"] for each in planned["not_applicable"]} == {
        pg15.id("io_method"): "PostgreSQL 15 has no io_method",
        pg15.id("shared_preload_libraries"): "not installed for this cluster: not_here",
    }
    one.apply(*words).expect(0)
    assert pg15.look().changed(before) == {"work_mem": "8192"}
    one.rollback().expect(0)


def test_a_library_that_is_installed_joins_those_that_are_loaded_already(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    before = pg15.look()
    name = "shared_preload_libraries"
    words = (*SMALL, "--set", f"postgresql.{name}=pg_stat_statements", "--allow", "restart")
    # conf.d is read in the order of the names.
    theirs = f"{pg15.conf}/conf.d/10-libraries.conf"
    with with_file(pg15.host, theirs, f"{name} = 'auto_explain'\n"):
        pg15.restart()
        one.apply(*words).expect(0)
        assert pg15.show(name) == "auto_explain,pg_stat_statements"
        one.rollback("--allow", "restart").expect(0)
        assert pg15.show(name) == "auto_explain"
    pg15.restart()
    assert differing(before, pg15.look()) == {}


def test_where_a_bad_line_would_keep_the_cluster_from_starting_nothing_is_changed(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    with pg15.with_lines(pg15.main, "no_such_setting = 1"):
        before = pg15.look()
        outcome = one.apply(*SMALL).expect(3).host("pg15")
        assert outcome["state"] == "restored"
        (problem,) = outcome["problems"]
        assert problem["path"] == pg15.main
        assert 'unrecognized configuration parameter "no_such_setting"' in problem["found"]
        assert differing(before, pg15.look()) == {}
    pg15.restart()


def test_where_the_disk_of_our_file_is_full_everything_is_put_back(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    folder = pg15.drop_in.rpartition("/")[0]
    fill = (
        f"mount -t tmpfs -o size=4k,mode=755 tmpfs {folder} && chown postgres: {folder} && "
        f"head -c 4096 /dev/zero >{folder}/full"
    )
    with arranged(pg15.host, fill, f"umount {folder}"):
        before = pg15.look()
        outcome = one.apply(*SMALL).expect(3).host("pg15")
        assert outcome["state"] == "restored"
        (problem,) = outcome["problems"]
        assert problem["path"] == pg15.drop_in
        assert "No space left on device" in problem["found"]
        assert differing(before, pg15.look()) == {}
        assert pg15.host.run(f"ls {STATE}/journal", check=False).returncode != 0
