"""What a server takes only at its start waits for a restart that was allowed."""

from __future__ import annotations

from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_SMALL
from tests.hosts.redis_lab import KEYS, Server, held_back

NAMES = ("tcp-backlog", "io-threads")
WORDS = (
    *("--profile", REDIS_SMALL),
    *("--set", "redis.tcp-backlog=256", "--set", "redis.io-threads=2"),
)
LOST = f"{KEYS} keys, which nothing brings back after a restart"


def _in_force(server: Server) -> tuple[str, ...]:
    return tuple(map(server.get, NAMES))


def test_it_is_written_and_waits_until_a_restart_is_allowed(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    before = redis7.look()
    process = redis7.info("process_id")
    outcome = one.apply(*WORDS).expect(0).host("redis7")
    first = outcome["snapshot"]
    assert {change["tunable"] for change in outcome["pending"]} == set(map(redis7.id, NAMES))
    assert _in_force(redis7) == ("511", "1")
    assert redis7.info("process_id") == process
    written = redis7.host.run(f"cat {redis7.included}").stdout
    assert {"tcp-backlog 256", "io-threads 2"} <= set(written.splitlines())

    outcome = one.apply(*WORDS, "--allow", "restart").expect(0).host("redis7")
    assert outcome["pending"] == []
    assert _in_force(redis7) == ("256", "2")
    assert redis7.keys() == KEYS
    assert one.verify("--profile", REDIS_SMALL).expect(0).host("redis7")["state"] == "match"

    one.rollback("--to", first, "--allow", "restart").expect(0)
    assert redis7.info("process_id") != process
    assert redis7.keys() == KEYS
    assert redis7.config() == before.config


def test_without_persistence_a_restart_has_to_be_allowed_to_lose_the_keys(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    with redis7.configured('save ""'):
        assert redis7.keys() == KEYS
        redis7.host.run(f"rm -f {redis7.folder}/dump.rdb")
        process = redis7.info("process_id")
        planned = one.plan(*WORDS).expect(0).host("redis7")
        assert held_back(planned) == dict.fromkeys(map(redis7.id, NAMES), LOST)
        first = one.apply(*WORDS, "--allow", "restart").expect(0).host("redis7")["snapshot"]
        assert redis7.info("process_id") == process
        assert redis7.keys() == KEYS
        one.apply(*WORDS, "--allow", "restart,data").expect(0)
        assert redis7.info("process_id") != process
        assert _in_force(redis7) == ("256", "2")
        assert redis7.keys() == 0
        one.rollback("--to", first, "--allow", "restart,data").expect(0)
        assert _in_force(redis7) == ("511", "1")
