"""A saved plan is for the server as it was seen: what changed since is named."""

from __future__ import annotations

from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_SMALL
from tests.hosts.redis_lab import Server

NAME = "slowlog-log-slower-than"


def test_a_plan_whose_parameter_or_file_was_changed_since_is_refused_by_name(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    before = redis7.look()
    plan = one.save_plan("--profile", REDIS_SMALL)
    redis7.set(NAME, "77")
    (problem,) = one.apply_saved(plan).expect(1).host("redis7")["problems"]
    assert problem["tunable"] == redis7.id(NAME)
    assert (problem["expected"], problem["found"]) == ("10000", "77")
    redis7.set(NAME, before.config[NAME])
    with redis7.configured("# mine"):
        changed = redis7.look()
        (problem,) = one.apply_saved(plan).expect(1).host("redis7")["problems"]
        assert problem["path"] == redis7.conf
        assert redis7.look() == changed
    assert redis7.config() == before.config
