"""Accounts other than root: with sudo a server is changed, without it nothing is done."""

from __future__ import annotations

from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_SMALL
from tests.hosts.redis_lab import Server

NAME = "slowlog-log-slower-than"


def test_an_account_with_sudo_plans_applies_and_rolls_back(
    redis7: Server, controller: MakeController
) -> None:
    operator = controller(redis7.host, user="operator")
    before = redis7.look()
    planned = operator.plan("--profile", REDIS_SMALL).expect(0).host("redis7")
    assert redis7.id(NAME) in [change["tunable"] for change in planned["changes"]]
    operator.apply("--profile", REDIS_SMALL).expect(0)
    assert redis7.get(NAME) == "5000"
    assert operator.verify().expect(0).host("redis7")["state"] == "match"
    operator.rollback().expect(0)
    assert redis7.look() == before


def test_without_sudo_a_plan_says_what_it_could_not_see_and_an_apply_is_refused(
    redis7: Server, controller: MakeController
) -> None:
    guest = controller(redis7.host, user="guest")
    before = redis7.look()
    planned = guest.plan("--profile", REDIS_SMALL).expect(0).host("redis7")
    (unknown,) = [each for each in planned["unknown"] if each["tunable"].startswith("redis.")]
    assert "this account cannot see" in unknown["reason"]
    assert "no root rights" in guest.apply("--profile", REDIS_SMALL).expect(1).said
    assert redis7.look() == before
