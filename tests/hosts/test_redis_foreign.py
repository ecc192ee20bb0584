"""What somebody else changes on a server after us is named and stays."""

from __future__ import annotations

from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_SMALL
from tests.hosts.redis_lab import Server

NAME = "slowlog-log-slower-than"
WORDS = ("--profile", REDIS_SMALL)


def test_a_value_that_was_set_by_hand_is_drift_and_is_kept(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    before = redis7.look()
    one.apply(*WORDS).expect(0)
    redis7.set(NAME, "77")
    (drift,) = one.verify().expect(2).host("redis7")["drift"]
    assert (drift["tunable"], drift["expected"], drift["live"]) == (redis7.id(NAME), "5000", "77")
    (foreign,) = one.rollback().expect(0).host("redis7")["foreign"]
    assert (foreign["tunable"], foreign["before"]) == (redis7.id(NAME), "77")
    now = redis7.look()
    assert now.config == {**before.config, NAME: "77"}
    assert now.etc == before.etc
    redis7.set(NAME, before.config[NAME])


def test_a_value_that_was_set_by_hand_is_taken_back_where_that_is_asked_for(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    before = redis7.look()
    one.apply(*WORDS).expect(0)
    redis7.set(NAME, "77")
    one.rollback("--include-foreign").expect(0)
    assert redis7.look() == before


def test_a_line_behind_ours_wins_is_named_and_stays(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    before = redis7.look()
    kept = redis7.host.run(f"cat {redis7.conf}").stdout
    one.apply(*WORDS).expect(0)
    theirs = f"{NAME} 7"
    redis7.host.run(f"echo '{theirs}' >>{redis7.conf}")
    number = redis7.host.run(f"wc -l <{redis7.conf}").stdout.strip()
    winner = f"{redis7.conf}:{number} is read after our file"
    assert winner in one.verify(*WORDS).expect(2).said
    assert winner in one.plan(*WORDS).expect(0).said
    # Without a profile as well: in force it is as we left it, the next start brings theirs.
    (drift,) = one.verify().expect(2).host("redis7")["drift"]
    found = (drift["tunable"], drift["live"], drift["boot"], drift["source"])
    assert found == (redis7.id(NAME), "5000", "7", f"{redis7.conf}:{number}")
    one.rollback().expect(0)
    assert redis7.host.run(f"cat {redis7.conf}").stdout == f"{kept}{theirs}\n"
    assert redis7.look().etc.keys() == before.etc.keys()
    redis7.host.run(f"sed -i '$d' {redis7.conf}")
    # sed makes a new file.
    redis7.host.run(f"chown redis:redis {redis7.conf}")


def test_a_server_that_rewrote_its_configuration_is_brought_back_as_well(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    before = redis7.look()
    with redis7.configured():
        one.apply(*WORDS).expect(0)
        redis7.set(NAME, "77")
        assert redis7.ask("CONFIG REWRITE") == "OK"
        (drift, *_) = one.verify().expect(2).host("redis7")["drift"]
        # Theirs is in redis.conf by now, and our file is read after it.
        assert (drift["tunable"], drift["live"], drift["boot"]) == (redis7.id(NAME), "77", "5000")
        assert drift["source"].startswith(f"{redis7.included}:")
        redis7.set(NAME, "5000")
        assert redis7.ask("CONFIG REWRITE") == "OK"
        one.rollback().expect(0)
        assert redis7.config() == before.config
        assert "optimizer" not in redis7.host.run(f"cat {redis7.conf}").stdout
        redis7.restart()
        assert redis7.host.run(f"ls {redis7.included}", check=False).returncode != 0
