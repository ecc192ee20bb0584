"""rollback over a fleet in memory: plans back, foreign values, snapshots that are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.app.apply import apply
from optimizer.app.plan import plan
from optimizer.app.requests import ApplyOptions, ProfileRequest
from optimizer.app.rollback import plan_rollback
from optimizer.app.snapshot import take_snapshot
from optimizer.model.result import RollbackResult
from tests.unit.factories import FakeFleet, fleet, only
from tests.unit.model_host import ModelHost
from tests.unit.model_kernel import VM

pytestmark = pytest.mark.usefixtures("controller")

PATIENT = ApplyOptions(by="ana@desk")


def test_a_rollback_is_a_plan_like_any_other_and_can_be_undone(small: ProfileRequest) -> None:
    hosts = fleet()
    host = hosts.hosts["db-1"]
    start = host.state()
    apply(hosts, plan(hosts, small), PATIENT)
    applied = host.state()
    way = plan_rollback(hosts)
    assert host.state() == applied
    result = apply(hosts, way, PATIENT)
    assert isinstance(result, RollbackResult)
    assert (only(result).state, only(result).problems) == ("applied", ())
    assert host.state() == start
    undone = plan_rollback(hosts, to=only(result).snapshot)
    apply(hosts, undone, PATIENT)
    assert host.state() == applied


def test_a_rollback_says_what_it_changes(small: ProfileRequest) -> None:
    hosts = fleet()
    made = plan(hosts, small).hosts[0]
    apply(hosts, plan(hosts, small), PATIENT)
    way = plan_rollback(hosts).hosts[0]
    there = {(one.tunable, one.before, one.after) for one in made.changes}
    back = {(one.tunable, one.after, one.before) for one in way.changes}
    assert back == there
    assert {(one.path, one.action) for one in way.files} == {
        (one.path, "delete") for one in made.files
    }


def test_somebody_elses_value_is_in_the_plan_back_and_kept(small: ProfileRequest) -> None:
    hosts = fleet()
    apply(hosts, plan(hosts, small), PATIENT)
    hosts.hosts["db-1"].kernel.write(f"{VM}swappiness", "33")
    way = plan_rollback(hosts)
    [foreign] = way.hosts[0].foreign
    assert (foreign.tunable, foreign.before, foreign.after) == (
        "system.sysctl.vm.swappiness", "33", "60",
    )  # fmt: skip
    outcome = only(apply(hosts, way, PATIENT))
    assert outcome.foreign == (foreign,)
    assert hosts.hosts["db-1"].kernel.read(f"{VM}swappiness") == "33"


def three_changes(tmp_path: Path) -> tuple[FakeFleet, list[str]]:
    """Apply three profiles one after the other."""
    hosts = fleet()
    made = []
    for at, line in enumerate(
        ("vm.swappiness: 1", "vm.min_free_kbytes: 90112", "net.core.somaxconn: 8192")
    ):
        path = tmp_path / f"p{at}.yaml"
        path.write_text(f"name: p{at}\nversion: 1\nset: {{system.sysctl.{line}}}\n")
        outcome = only(apply(hosts, plan(hosts, ProfileRequest(name=str(path))), PATIENT))
        assert outcome.state == "applied"
        made.append(outcome.snapshot)
    return hosts, made


def test_a_snapshot_that_is_damaged_is_read_from_the_controllers_copy(tmp_path: Path) -> None:
    hosts, made = three_changes(tmp_path)
    hosts.hosts["db-1"].damaged[made[1]] = "the manifest was changed"
    start = ModelHost().kernel.values()
    assert only(apply(hosts, plan_rollback(hosts, to=made[0]), PATIENT)).state == "applied"
    assert hosts.hosts["db-1"].kernel.values() == start


@pytest.mark.parametrize(("to", "state"), [(0, "refused"), (1, "refused"), (2, "planned")])
def test_no_way_back_leads_over_a_snapshot_that_is_lost_on_both_sides(
    tmp_path: Path, controller: Path, to: int, state: str
) -> None:
    hosts, made = three_changes(tmp_path)
    hosts.hosts["db-1"].damaged[made[1]] = "the manifest was changed"
    (
        controller / "snapshots" / hosts.hosts["db-1"].facts["machine_id"] / made[1] / "manifest"
    ).unlink()
    [back] = plan_rollback(hosts, to=made[to]).hosts
    assert back.state == state
    if state == "refused":
        assert "damaged" in back.error and made[1][:8] in back.error


def test_without_a_snapshot_there_is_nothing_to_go_back_to() -> None:
    [back] = plan_rollback(fleet()).hosts
    assert (back.state, back.steps) == ("refused", ())
    assert "db-1 has no snapshot to go back to" in back.error


def test_a_snapshot_is_taken_without_a_change(small: ProfileRequest) -> None:
    hosts = fleet()
    host = hosts.hosts["db-1"]
    start = host.state()
    outcome = only(take_snapshot(hosts, label="before the window", by="ana@desk"))
    assert (outcome.state, outcome.problems) == ("unchanged", ())
    assert host.state() == start
    apply(hosts, plan(hosts, small), PATIENT)
    assert only(apply(hosts, plan_rollback(hosts, to=outcome.snapshot), PATIENT)).state == "applied"
    assert host.state() == start
