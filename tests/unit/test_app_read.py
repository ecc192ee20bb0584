"""plan, verify, score, history and doctor over a fleet in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.app import history
from optimizer.app.apply import apply
from optimizer.app.doctor import doctor
from optimizer.app.plan import plan
from optimizer.app.requests import ApplyOptions, ProfileRequest
from optimizer.app.rollback import plan_rollback
from optimizer.app.score import score
from optimizer.app.verify import verify
from optimizer.model.errors import UnknownSnapshot, UsageError
from optimizer.model.fleet import Target
from optimizer.resources import sysctl
from tests.unit.factories import FakeFleet, says, unreachable
from tests.unit.model_host import ModelHost, StoredFile
from tests.unit.model_kernel import VM

pytestmark = pytest.mark.usefixtures("controller")

OPTIONS = ApplyOptions(by="ana@desk")
SWAPPINESS = "system.sysctl.vm.swappiness"


def profile(folder: Path, settings: str, name: str = "small") -> ProfileRequest:
    """Write a profile and ask for it."""
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\nversion: 3\nset: {settings}\n", encoding="utf-8")
    return ProfileRequest(name=str(path))


@pytest.fixture
def wanted(tmp_path: Path) -> ProfileRequest:
    return profile(tmp_path, "{system.sysctl.vm.swappiness: 1, system.sysctl.vm.dirty_ratio: 5}")


def fleet(*names: str) -> FakeFleet:
    return FakeFleet({name: ModelHost() for name in names or ("db-1",)})


def test_hosts_are_verified_against_a_profile(wanted: ProfileRequest) -> None:
    hosts = fleet()
    [host] = verify(hosts, wanted).hosts
    assert host.state == "drift"
    assert {(one.tunable, one.expected, one.live, one.boot) for one in host.drift} == {
        (SWAPPINESS, "1", "60", None),
        ("system.sysctl.vm.dirty_ratio", "5", "20", None),
    }
    apply(hosts, plan(hosts, wanted), OPTIONS)
    [host] = verify(hosts, wanted).hosts
    assert (host.state, host.checked, host.drift) == ("match", 2, ())


def test_a_value_that_cannot_be_read_is_unknown_and_no_match(wanted: ProfileRequest) -> None:
    hosts = fleet()
    apply(hosts, plan(hosts, wanted), OPTIONS)
    hosts.hosts["db-1"].hidden.add(f"{VM}swappiness")
    [host] = verify(hosts, wanted).hosts
    assert (host.state, [one.tunable for one in host.unknown]) == ("unknown", [SWAPPINESS])
    [scored] = score(hosts, wanted).hosts
    assert (scored.state, scored.score, scored.status) == ("unknown", None, "unknown")


def test_without_a_profile_hosts_are_held_against_what_was_applied(
    wanted: ProfileRequest,
) -> None:
    hosts = fleet()
    apply(hosts, plan(hosts, wanted), OPTIONS)
    host = hosts.hosts["db-1"]
    host.kernel.write(f"{VM}swappiness", "33")
    host.files["/etc/sysctl.d/zzz.conf"] = StoredFile(b"vm.swappiness = 33\n")
    [checked] = verify(hosts, None).hosts
    [drift] = checked.drift
    assert checked.state == "drift"
    assert (drift.tunable, drift.expected, drift.live, drift.boot, drift.source) == (
        SWAPPINESS, "1", "33", "33", "/etc/sysctl.d/zzz.conf:1",
    )  # fmt: skip


def test_a_file_of_ours_that_was_edited_is_drift(wanted: ProfileRequest) -> None:
    hosts = fleet()
    apply(hosts, plan(hosts, wanted), OPTIONS)
    hosts.hosts["db-1"].files[sysctl.FILE] = StoredFile(b"vm.swappiness = 1\n")
    [checked] = verify(hosts, None).hosts
    assert sysctl.FILE in [one.tunable for one in checked.drift]


def test_a_line_that_somebody_changed_in_our_file_is_drift_of_that_value_at_boot(
    wanted: ProfileRequest,
) -> None:
    hosts = fleet()
    apply(hosts, plan(hosts, wanted), OPTIONS)
    host = hosts.hosts["db-1"]
    text = host.files[sysctl.FILE].content.replace(b"vm.swappiness = 1", b"vm.swappiness = 10")
    host.files[sysctl.FILE] = StoredFile(text)
    [checked] = verify(hosts, None).hosts
    found = {one.tunable: (one.live, one.boot, one.source) for one in checked.drift}
    live, boot, source = found[SWAPPINESS]
    assert (live, boot) == ("1", "10")
    assert source is not None and source.startswith(f"{sysctl.FILE}:")


def test_a_value_that_only_the_next_boot_will_change_is_drift(wanted: ProfileRequest) -> None:
    hosts = fleet()
    apply(hosts, plan(hosts, wanted), OPTIONS)
    hosts.hosts["db-1"].files["/etc/sysctl.d/zzz.conf"] = StoredFile(b"vm.swappiness = 60\n")
    [checked] = verify(hosts, None).hosts
    [drift] = checked.drift
    assert (drift.live, drift.boot) == ("1", "60")


def test_after_a_rollback_nothing_is_expected(wanted: ProfileRequest) -> None:
    hosts = fleet()
    apply(hosts, plan(hosts, wanted), OPTIONS)
    apply(hosts, plan_rollback(hosts), OPTIONS)
    [checked] = verify(hosts, None).hosts
    assert (checked.state, checked.drift) == ("match", ())
    assert any("nothing is applied here" in note for note in checked.notes)


def test_a_score_names_every_lost_point(wanted: ProfileRequest) -> None:
    hosts = fleet()
    [host] = score(hosts, wanted).hosts
    assert (host.score, host.status) == (0, "critical")
    assert sum(row.gain for row in host.lost) == pytest.approx(100, abs=0.2)
    assert [row.tunable for row in host.lost] == [SWAPPINESS, "system.sysctl.vm.dirty_ratio"]


def test_bad_health_lowers_the_status_and_not_the_score(wanted: ProfileRequest) -> None:
    hosts = fleet()
    apply(hosts, plan(hosts, wanted), OPTIONS)
    hosts.hosts["db-1"].facts |= {"mem_available": str(2**30)}
    [host] = score(hosts, wanted).hosts
    assert (host.score, host.status) == (100, "critical")


def test_the_inventory_may_choose_pin_and_override(tmp_path: Path) -> None:
    small = profile(tmp_path, "{system.sysctl.vm.swappiness: 1}").name
    other = profile(tmp_path, "{system.sysctl.vm.dirty_ratio: 5}", "other").name
    hosts = fleet("a", "b", "c")
    hosts.targets_ = (
        Target("a", profile=small),
        Target("b", profile=other, overrides={SWAPPINESS: "7"}),
        Target("c", profile=small, pins={SWAPPINESS: "ana asked"}),
    )
    made = {host.name: host for host in plan(hosts, ProfileRequest()).hosts}
    found = {name: [(one.tunable, one.after) for one in host.changes if not one.follows]
             for name, host in made.items()}  # fmt: skip
    assert found["a"] == [(SWAPPINESS, "1")]
    assert set(found["b"]) == {("system.sysctl.vm.dirty_ratio", "5"), (SWAPPINESS, "7")}
    assert found["c"] == []
    assert [one.reason for one in made["c"].pinned] == ["ana asked"]


def test_what_the_command_line_sets_beats_the_inventory(tmp_path: Path) -> None:
    small = profile(tmp_path, "{system.sysctl.vm.swappiness: 1}").name
    hosts = fleet()
    hosts.targets_ = (Target("db-1", overrides={SWAPPINESS: "7"}),)
    [host] = plan(hosts, ProfileRequest(name=small, overrides={SWAPPINESS: "9"})).hosts
    assert [one.after for one in host.changes] == ["9"]


def test_a_host_without_a_profile_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="names none for db-1"):
        plan(fleet(), ProfileRequest())


def test_a_plan_is_the_same_however_often_it_is_made(wanted: ProfileRequest) -> None:
    assert plan(fleet(), wanted).id == plan(fleet(), wanted).id
    assert plan(fleet(), wanted).id != plan(fleet("db-2"), wanted).id


def test_a_plan_asks_each_host_once(wanted: ProfileRequest) -> None:
    hosts = fleet("a", "b")
    plan(hosts, wanted)
    assert hosts.asked == [("a", "probe"), ("b", "probe")]


def test_history_knows_what_is_in_effect(wanted: ProfileRequest) -> None:
    hosts = fleet()
    first = apply(hosts, plan(hosts, wanted), OPTIONS)
    back = apply(hosts, plan_rollback(hosts), OPTIONS)
    rows = [(row.run, row.kind, row.state) for row in history.snapshots(hosts).snapshots]
    assert rows == [(back.run, "rollback", "in effect"), (first.run, "apply", "undone")]
    # Both are of the same second, as often as not.
    assert {run.id for run in history.runs().runs} == {back.run, first.run}
    [shown] = history.show(hosts, first.run).snapshots
    assert shown.values == 3
    [run] = history.show(None, first.run).runs
    assert run.id == first.run


@pytest.mark.parametrize("has_fleet", [True, False])
def test_what_history_does_not_know_is_named(has_fleet: bool) -> None:
    with pytest.raises(UnknownSnapshot, match="r-none"):
        history.show(fleet() if has_fleet else None, "r-none")


def test_history_says_which_hosts_are_missing(wanted: ProfileRequest) -> None:
    hosts = fleet("a", "b")
    apply(hosts, plan(hosts, wanted), OPTIONS)
    hosts.faults = {"b": {"probe": [unreachable()]}}
    listed = history.snapshots(hosts)
    assert {row.host for row in listed.snapshots} == {"a"}
    assert [problem.what for problem in listed.problems] == ["b: no route to host"]


def statuses(hosts: FakeFleet) -> dict[str, str]:
    [host] = doctor(hosts).hosts
    return {check.check: check.status for check in host.checks}


def test_a_good_host_passes_the_doctor() -> None:
    hosts = fleet()
    hosts.hosts["db-1"].facts |= {"has_systemd-run": "yes", "state_free": str(2**30)}
    found = statuses(hosts)
    assert set(found.values()) == {"ok"}
    assert {"root's rights", "safety timer", "room for the journal", "snapshots"} <= set(found)


@pytest.mark.parametrize(
    ("facts", "check", "status"),
    [
        ({"uid": "1000"}, "root's rights", "critical"),
        ({"init": "init", "has_setsid": "yes"}, "safety timer", "warning"),
        ({"init": "init"}, "safety timer", "critical"),
        ({"state_free": "4096"}, "room for the journal", "critical"),
        ({}, "room for the journal", "unknown"),
    ],
)
def test_the_doctor_names_what_speaks_against_a_change(
    facts: dict[str, str], check: str, status: str
) -> None:
    hosts = fleet()
    hosts.hosts["db-1"].facts |= facts
    assert statuses(hosts)[check] == status


def test_the_doctor_sees_what_waits_and_what_is_damaged(wanted: ProfileRequest) -> None:
    hosts = fleet()
    apply(hosts, plan(hosts, wanted), ApplyOptions(confirm=False))
    assert statuses(hosts)["unconfirmed change"] == "warning"
    hosts.hosts["db-1"].damaged["f" * 64] = "the manifest was changed"
    assert statuses(hosts)["snapshots"] == "critical"


@pytest.mark.parametrize("fault", [unreachable(), says("Welcome!\n")])
def test_a_host_that_cannot_be_examined_is_named(fault: object) -> None:
    hosts = fleet()
    hosts.faults = {"db-1": {"probe": [fault]}}  # type: ignore[list-item]
    [host] = doctor(hosts).hosts
    assert (host.state, host.checks) == ("unreachable", ())
    assert host.error
