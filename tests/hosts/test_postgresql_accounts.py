"""An account with sudo changes a cluster as root does."""

from __future__ import annotations

from tests.hosts.conftest import MakeController
from tests.hosts.controller import POSTGRESQL_SMALL
from tests.hosts.postgresql_lab import Cluster, differing

SMALL = ("--profile", POSTGRESQL_SMALL)


def test_an_account_with_sudo_plans_applies_and_rolls_back(
    pg17: Cluster, controller: MakeController
) -> None:
    operator = controller(pg17.host, user="operator")
    before = pg17.look()
    planned = operator.plan(*SMALL).expect(0).host("pg17")
    assert pg17.id("work_mem") in [change["tunable"] for change in planned["changes"]]
    operator.apply(*SMALL).expect(0)
    assert pg17.look().changed(before) == {"work_mem": "8192"}
    assert operator.verify().expect(0).host("pg17")["state"] == "match"
    operator.rollback().expect(0)
    assert differing(before, pg17.look()) == {}
