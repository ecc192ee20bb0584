"""Several servers on one host: each is found, and gets what fits it."""

from __future__ import annotations

from tests.hosts.conftest import MakeController
from tests.hosts.controller import PROFILES, REDIS_SMALL, wait_for
from tests.hosts.redis_lab import KEYS, Server, changes_of
from tests.hosts.redis_more import SOCKET, by_hand, second, sentinel

ROLES = str(PROFILES / "redis-roles.yaml")
NAME = "slowlog-log-slower-than"


def test_a_replica_behind_a_socket_is_planned_by_its_role_and_is_not_disturbed(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    with second(redis7, "replicaof 127.0.0.1 6379") as replica:
        linked = f"redis-cli -s {SOCKET} info replication | grep -q master_link_status:up"
        wait_for(redis7.host, linked)
        before = (redis7.look(), replica.look())
        copies = redis7.info("sync_full")
        planned = one.plan("--profile", ROLES).expect(0).host("redis7")
        lengths = {each["tunable"]: each["after"] for each in planned["changes"]}
        assert lengths[redis7.id("slowlog-max-len")] == "1024"
        assert lengths[replica.id("slowlog-max-len")] == "512"
        assert changes_of(planned, replica) == {"slowlog-max-len": "512", NAME: "5000"}

        one.apply("--profile", ROLES).expect(0)
        assert (redis7.get("slowlog-max-len"), replica.get("slowlog-max-len")) == ("1024", "512")
        assert replica.info("master_link_status") == "up"
        replica.restart()
        wait_for(redis7.host, linked)
        assert replica.get("slowlog-max-len") == "512"
        assert one.verify().expect(0).host("redis7")["state"] == "match"
        one.rollback().expect(0)
        after = (redis7.look(), replica.look())
        assert [each.config for each in after] == [each.config for each in before]
        assert [each.etc for each in after] == [each.etc for each in before]
        assert (redis7.keys(), replica.keys()) == (KEYS, KEYS)
        assert replica.info("role") == "slave"
        # The restart was the test's own; it needs no copy of everything either.
        assert redis7.info("sync_full") == copies


def test_a_server_without_a_file_gets_live_values_only_and_a_sentinel_none(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    with by_hand(redis7, "7001") as bare, sentinel(redis7, "26379"):
        before = bare.config()
        planned = one.plan("--profile", REDIS_SMALL).expect(0).host("redis7")
        note = "not kept over a restart, as the server runs without a configuration file"
        assert f"{note}: {bare.id(NAME)}" in planned["notes"]
        (skipped,) = [each for each in planned["not_applicable"] if "redis" in each["tunable"]]
        assert (skipped["tunable"], skipped["reason"]) == (
            "redis.slowlog-log-slower-than[26379]",
            "it is a sentinel, which holds no data",
        )
        # What began it, sshd for one, is not its unit.
        words = ("--set", "redis.tcp-backlog=300", "--allow", "restart")
        steps = one.plan("--profile", REDIS_SMALL, *words).expect(0).host("redis7")["steps"]
        restarts = [step["argument"] for step in steps if step.get("action") == "restart-unit"]
        assert restarts == [redis7.service]
        one.apply("--profile", REDIS_SMALL).expect(0)
        assert (redis7.get(NAME), bare.get(NAME)) == ("5000", "5000")
        assert bare.config() == {**before, NAME: "5000"}
        again = one.plan("--profile", REDIS_SMALL).expect(0).host("redis7")
        assert again["steps"] == []
        assert one.verify().expect(0).host("redis7")["state"] == "match"
        one.rollback().expect(0)
        assert bare.config() == before


def test_a_server_that_is_down_is_unknown_and_the_other_one_is_changed(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    with second(redis7) as down:
        redis7.host.run(f"systemctl -q enable {down.service} && systemctl stop {down.service}")
        planned = one.plan("--profile", REDIS_SMALL).expect(0).host("redis7")
        (unknown,) = planned["unknown"]
        assert unknown["tunable"] == "redis.slowlog-log-slower-than[redis-server@second]"
        assert f"is not running: {down.service} is inactive" in unknown["reason"]
        one.apply("--profile", REDIS_SMALL).expect(0)
        assert redis7.get(NAME) == "5000"
        assert redis7.host.run(f"systemctl is-active {down.service}", check=False).returncode == 3
        one.rollback().expect(0)


def test_a_server_that_went_down_after_a_change_is_brought_back_by_its_files(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    before = redis7.look()
    one.apply("--profile", REDIS_SMALL).expect(0)
    redis7.systemctl("stop")
    one.rollback().expect(0)
    redis7.systemctl("start")
    redis7.wait()
    now = redis7.look()
    assert (now.config, now.etc, now.keys) == (before.config, before.etc, KEYS)
