"""Several clusters on one host: a plain data directory, a standby, one that is down, none."""

from __future__ import annotations

from testbed.host import Host
from tests.hosts.conftest import MakeController
from tests.hosts.controller import POSTGRESQL_FULL, POSTGRESQL_SMALL, PROFILES
from tests.hosts.postgresql_lab import Cluster, by_effect, differing
from tests.hosts.postgresql_more import plain, standby

ROLES = ("--profile", str(PROFILES / "postgresql-roles.yaml"))


def test_a_plain_data_directory_is_changed_beside_the_first_and_its_file_comes_back(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    with plain(pg15) as second:
        before, first = second.look(), pg15.look()
        planned = one.plan("--profile", POSTGRESQL_FULL).expect(0).host("pg15")
        wanted = by_effect(planned, second)
        assert wanted == by_effect(planned, pg15)
        text = second.content(second.main)
        one.apply("--profile", POSTGRESQL_FULL).expect(0)
        for cluster, was in ((second, before), (pg15, first)):
            now = cluster.look()
            assert {name: now.text(name) for name in now.changed(was)} == wanted["reload"]
            assert now.pending == set(wanted["restart"])
        ours = f"{second.data}/postgresql.optimizer.conf"
        assert second.content(second.main) == f"{text}include_if_exists = '{ours}'\n"
        assert second.look().files.keys() - before.files.keys() == {ours}
        # Nobody but who started it can start it again.
        allowed = one.plan("--profile", POSTGRESQL_FULL, "--allow", "restart").expect(0)
        for cluster, is_allowed in ((second, False), (pg15, True)):
            changes = {change["tunable"]: change for change in allowed.host("pg15")["changes"]}
            found = changes.get(cluster.id("max_connections"), {"allowed": False})
            assert found["allowed"] is is_allowed
        outcome = one.rollback().expect(0).host("pg15")
        now = second.look()
        assert (now.values, now.lines, now.files) == (before.values, before.lines, before.files)
        # The first one reads conf.d, and forgets what it had marked; this one cannot.
        assert now.pending == {"wal_buffers"}
        assert "restart what a restart leaves as it is: wal_buffers" in " ".join(outcome["notes"])
    assert differing(first, pg15.look()) == {}


def test_a_standby_is_planned_by_its_role_and_goes_on_following(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    with standby(pg15, "15") as copy:
        before, first = copy.look(), pg15.look()
        planned = one.plan(*ROLES).expect(0).host("pg15")
        mine, its = by_effect(planned, pg15)["reload"], by_effect(planned, copy)["reload"]
        assert (mine["work_mem"], its["work_mem"]) == (str(5 << 20), str(6 << 20))
        link = _replication(pg15)
        assert "streaming" in link
        one.apply(*ROLES).expect(0)
        for cluster, was, wanted in ((copy, before, its), (pg15, first, mine)):
            now = cluster.look()
            assert {name: now.text(name) for name in now.changed(was)} == wanted
        assert (_replication(pg15), copy.ask("SELECT pg_is_in_recovery()")) == (link, "t")
        assert one.verify().expect(0).host("pg15")["state"] == "match"
        one.rollback().expect(0)
        assert differing(before, copy.look()) == {}
        assert (_replication(pg15), copy.ask("SELECT pg_is_in_recovery()")) == (link, "t")


def _replication(cluster: Cluster) -> str:
    """Which connections the standbys have had, and since when."""
    return cluster.ask("SELECT state, pid, backend_start FROM pg_stat_replication")


def test_a_cluster_that_is_down_is_unknown_and_the_rest_of_the_host_is_changed(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    pg15.systemctl("stop")
    try:
        planned = one.plan("--profile", POSTGRESQL_SMALL).expect(0).host("pg15")
        (unknown,) = planned["unknown"]
        assert unknown["tunable"] == pg15.id("work_mem")
        assert unknown["reason"] == "the cluster is not running: cluster 15/main is down"
        outcome = one.apply("--profile", POSTGRESQL_SMALL).expect(0).host("pg15")
        assert [change["module"] for change in outcome["applied"]] == ["system"]
        assert pg15.host.run(f"systemctl is-active {pg15.unit}", check=False).returncode == 3
        one.rollback().expect(0)
    finally:
        pg15.systemctl("start")
        pg15.wait()


def test_on_a_host_without_a_cluster_nothing_applies(
    bookworm: Host, controller: MakeController
) -> None:
    one = controller(bookworm)
    planned = one.plan("--profile", POSTGRESQL_FULL).expect(0).host("bookworm")
    assert (planned["changes"], planned["unknown"], planned["steps"]) == ([], [], [])
    reasons = {skipped["reason"] for skipped in planned["not_applicable"]}
    assert reasons == {"there is no PostgreSQL cluster on this host"}
    assert one.apply("--profile", POSTGRESQL_FULL).expect(0).host("bookworm")["state"] == (
        "unchanged"
    )
