"""No save points any more: an old dump must not come back as the data of a later start."""

from __future__ import annotations

from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_SMALL
from tests.hosts.redis_lab import KEYS, Server

WORDS = ("--profile", REDIS_SMALL, "--set", "redis.save=none", "--allow", "data")
DUMP = "/var/lib/redis/dump.rdb"


def test_the_old_dump_is_set_aside_and_its_name_comes_back_with_a_rollback(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    dump = redis7.host.run(f"sha256sum <{DUMP}").stdout
    before = redis7.look()
    one.apply(*WORDS).expect(0)
    assert redis7.keys() == KEYS
    (aside,) = redis7.look().data - before.data
    assert aside.startswith(f"{DUMP}.set-aside-")
    assert before.data - redis7.look().data == {DUMP}
    redis7.restart()
    assert redis7.keys() == 0
    one.rollback().expect(0)
    now = redis7.look()
    assert (now.config, now.etc, now.data) == (before.config, before.etc, before.data)
    assert redis7.host.run(f"sha256sum <{DUMP}").stdout == dump


def test_a_dump_that_was_written_since_is_not_replaced_by_the_old_one(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    before = redis7.look()
    one.apply(*WORDS).expect(0)
    redis7.ask("SET written-later 1", "SAVE")
    new = redis7.host.run(f"sha256sum <{DUMP}").stdout
    outcome = one.rollback().expect(0)
    assert "is there again; what was set aside stays" in outcome.said
    assert redis7.host.run(f"sha256sum <{DUMP}").stdout == new
    assert redis7.config() == before.config
    redis7.restart()
    assert redis7.keys() == KEYS + 1
