"""What a server cannot do on this host is left out, and the reason says what it would take."""

from __future__ import annotations

from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_SMALL
from tests.hosts.redis_lab import Server


def test_more_clients_than_open_files_are_left_out_with_the_number_that_is_needed(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    limits = f"/proc/{redis7.info('process_id')}/limits"
    open_files = redis7.host.run(f"awk '/^Max open files/ {{ print $4 }}' {limits}").stdout.strip()
    words = ("--profile", REDIS_SMALL, "--set", "redis.maxclients=1000000")
    planned = one.plan(*words).expect(0).host("redis7")
    (skipped,) = [each for each in planned["not_applicable"] if "redis" in each["tunable"]]
    assert skipped["tunable"] == redis7.id("maxclients")
    for word in ("redis-server.service", f"may open {open_files} files", "1000032", "LimitNOFILE"):
        assert word in skipped["reason"]


def test_defragmentation_is_left_out_where_the_build_cannot_do_it(
    redis7: Server, controller: MakeController
) -> None:
    before = redis7.config()
    words = ("--profile", REDIS_SMALL, "--set", "redis.activedefrag=yes")
    planned = controller(redis7.host).plan(*words).expect(0).host("redis7")
    (skipped,) = [each for each in planned["not_applicable"] if "redis" in each["tunable"]]
    assert skipped["tunable"] == redis7.id("activedefrag")
    assert "defragmentation" in skipped["reason"]
    # Asking whether it can has not switched it on.
    assert redis7.config() == before
