"""rollback: exact, three-way, and itself a change that can be rolled back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from testbed.host import Host
from tests.hosts.arranged import value, with_file, with_value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import SMALL, Controller
from tests.hosts.lab import STATE, Lab
from tests.hosts.scan import difference, scan

EMERGENCY = Path(__file__).parent.parent.parent / "rollback" / "emergency.sh"
RETRIES = "system.sysctl.net.ipv4.tcp_retries2"
RETRIES_PATH = "/proc/sys/net/ipv4/tcp_retries2"
IDLE_PATH = "/proc/sys/net/ipv4/tcp_slow_start_after_idle"
OUR_FILE = "/etc/sysctl.d/99-zz-optimizer.conf"
DROP_IN = "/etc/systemd/system/logrotate.timer.d/zz-optimizer.conf"


def test_a_dry_run_shows_the_way_back_and_changes_nothing(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    one.apply("--profile", SMALL).expect(0)
    before = scan(trixie)
    outcome = one.rollback("--dry-run").expect(0)
    changes = {change["tunable"]: change["after"] for change in outcome.host("trixie")["changes"]}
    assert changes[RETRIES] == "15"
    assert difference(before, scan(trixie)) == {}
    one.rollback().expect(0)


def test_a_file_comes_back_with_bytes_mode_and_owner(
    trixie: Host, controller: MakeController
) -> None:
    # No newline at the end, bytes that are no UTF-8, an owner and a mode that nobody expects.
    content = b"# caf\xe9 \x00\xff\n-net.ipv4.tcp_fin_timeout = 59\nkernel.x = '$(id)' \\0101"
    one = controller(trixie)
    with with_file(trixie, OUR_FILE, content, mode="640", owner="7:33"):
        before = scan(trixie)
        one.apply("--profile", SMALL).expect(0)
        assert scan(trixie)[f"file {OUR_FILE}"] != before[f"file {OUR_FILE}"]
        one.rollback().expect(0)
        after = scan(trixie)
        assert after[f"file {OUR_FILE}"] == before[f"file {OUR_FILE}"]
        assert after[f"file {OUR_FILE}"].startswith("f 640 7:33 ")


def test_a_rollback_can_be_rolled_back(trixie: Host, controller: MakeController, lab: Lab) -> None:
    one = controller(trixie)
    one.apply("--profile", SMALL).expect(0)
    applied = lab.changes("trixie")
    back = one.rollback().expect(0).host("trixie")["snapshot"]
    assert lab.changes("trixie") == {}
    one.rollback("--to", back).expect(0)
    assert lab.changes("trixie") == applied
    one.rollback().expect(0)


def test_an_earlier_snapshot_takes_later_changes_back_too(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    first = one.apply("--profile", SMALL).expect(0).host("trixie")["snapshot"]
    one.apply("--profile", SMALL, "--set", f"{RETRIES}=9").expect(0)
    assert value(trixie, RETRIES_PATH) == "9"
    one.rollback("--to", first).expect(0)
    assert lab.changes("trixie") == {}


def test_a_snapshot_that_was_never_taken_is_refused(
    trixie: Host, controller: MakeController
) -> None:
    one = controller(trixie)
    assert "no snapshot ffff" in one.rollback("--to", "ffff").expect(1).said
    assert "no snapshot to go back to" in one.rollback().expect(1).said


def test_a_foreign_change_is_named_and_kept(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    one.apply("--profile", SMALL).expect(0)
    with_value(trixie, RETRIES_PATH, "11")
    trixie.run(f"echo '# mine' >>{DROP_IN}")
    outcome = one.rollback().expect(0).host("trixie")
    foreign = {change["tunable"]: change["before"] for change in outcome["foreign"]}
    assert foreign.keys() == {RETRIES, DROP_IN}
    assert foreign[RETRIES] == "11"
    assert value(trixie, RETRIES_PATH) == "11"
    assert value(trixie, IDLE_PATH) == "1"
    assert trixie.run(f"tail -n 1 {DROP_IN}").stdout == "# mine\n"
    _clean_up_by_hand(trixie)


def _clean_up_by_hand(host: Host) -> None:
    with_value(host, RETRIES_PATH, "15")
    host.run(f"rm -r {DROP_IN.rpartition('/')[0]}; systemctl daemon-reload")
    host.run("systemctl restart logrotate.timer")


def test_a_foreign_change_is_taken_back_where_that_is_asked_for(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    one.apply("--profile", SMALL).expect(0)
    with_value(trixie, RETRIES_PATH, "11")
    trixie.run(f"echo '# mine' >>{DROP_IN}; chmod 600 {OUR_FILE}")
    one.rollback("--include-foreign").expect(0)
    assert lab.changes("trixie") == {}


def _flip_the_manifest(host: Host, snapshot: str) -> None:
    host.run(f"sed -i 's/tcp_retries2\\t/tcp_retries2\\t\\t/' {snapshot}/manifest")


def _flip_a_file(host: Host, snapshot: str) -> None:
    host.run(f"printf x >>$(ls -d {snapshot}/files/* | head -n 1)")


@pytest.mark.parametrize("damage", [_flip_the_manifest, _flip_a_file])
def test_a_snapshot_damaged_on_the_host_is_replaced_by_the_controllers_copy(
    trixie: Host, controller: MakeController, lab: Lab, damage: object
) -> None:
    one = controller(trixie)
    _apply_and_damage(one, trixie, damage)
    one.rollback().expect(0)
    assert lab.changes("trixie") == {}


@pytest.mark.parametrize("damage", [_flip_the_manifest, _flip_a_file])
def test_a_snapshot_damaged_on_both_sides_is_refused_and_nothing_is_touched(
    trixie: Host, controller: MakeController, lab: Lab, damage: object
) -> None:
    one = controller(trixie)
    snapshot = _apply_and_damage(one, trixie, damage)
    kept = one.state.rename(one.state.with_name("kept"))
    before = scan(trixie)
    outcome = one.rollback("--to", snapshot[:10]).expect(1)
    assert f"Snapshot {snapshot[:8]} is damaged" in outcome.said
    assert difference(before, scan(trixie)) == {}
    shutil.rmtree(one.state, ignore_errors=True)
    kept.rename(one.state)
    one.rollback().expect(0)


def _apply_and_damage(one: Controller, host: Host, damage: object) -> str:
    # Over a file that is there already, so that the snapshot has bytes to lose.
    snapshot: str = one.apply("--profile", SMALL).expect(0).host(host.name)["snapshot"]
    assert callable(damage)
    damage(host, f"{STATE}/snapshots/{snapshot}")
    return snapshot


def test_a_label_finds_a_snapshot_that_was_taken_without_a_change(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    words = (one.inventory, "--label", "before the window", "--format", "json")
    taken = one.run("snapshot", *words).expect(0).host("trixie")["snapshot"]
    assert lab.changes("trixie") == {}
    with_value(trixie, RETRIES_PATH, "11")
    listed = one.run("history", one.inventory, "--format", "json").expect(0)
    assert [row["label"] for row in listed.document["snapshots"]] == ["before the window"]
    one.rollback("--to", taken, "--include-foreign").expect(0)
    assert value(trixie, RETRIES_PATH) == "15"


def test_hosts_go_back_without_python_and_network(
    host: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(host)
    one.apply("--profile", SMALL).expect(0)
    host.run("sh -s", input=EMERGENCY.read_text())
    assert lab.changes(host.name) == {}
