"""What is refused before anything is touched: stale and edited plans, held locks, full disks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.host import Host
from tests.hosts.arranged import arranged, with_value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import SMALL, connection, counted, finish, write_inventory
from tests.hosts.lab import STATE, Lab

RETRIES = "system.sysctl.net.ipv4.tcp_retries2"
RETRIES_PATH = "/proc/sys/net/ipv4/tcp_retries2"


def test_a_plan_whose_value_was_changed_by_hand_since_is_refused_by_name(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    plan = one.save_plan("--profile", SMALL)
    with_value(trixie, RETRIES_PATH, "12")
    try:
        outcome = one.apply_saved(plan).expect(1)
        assert list(lab.changes("trixie")) == ["sysctl net.ipv4.tcp_retries2"]
    finally:
        with_value(trixie, RETRIES_PATH, "15")
    (problem,) = outcome.host("trixie")["problems"]
    assert problem["tunable"] == RETRIES
    assert (problem["expected"], problem["found"]) == ("15", "12")
    assert outcome.host("trixie")["state"] == "refused"


def test_a_plan_whose_file_was_made_by_somebody_else_since_is_refused_by_name(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    plan = one.save_plan("--profile", SMALL)
    path = "/etc/sysctl.d/99-zz-optimizer.conf"
    with arranged(trixie, f"echo theirs >{path}", f"rm {path}"):
        outcome = one.apply_saved(plan).expect(1)
        assert list(lab.changes("trixie")) == [f"file {path}"]
    assert [problem["path"] for problem in outcome.host("trixie")["problems"]] == [path]


def test_a_plan_from_before_a_reboot_is_refused(
    bookworm: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(bookworm)
    plan = one.save_plan("--profile", SMALL)
    bookworm.reboot()
    assert "rebooted since the plan was made" in one.apply_saved(plan).expect(1).said
    assert lab.changes("bookworm") == {}


def test_a_plan_for_another_host_is_refused(
    pair: tuple[Host, Host], controller: MakeController, tmp_path: Path, lab: Lab
) -> None:
    bookworm, trixie = pair
    one = controller(bookworm)
    plan = one.save_plan("--profile", SMALL)
    # The name now leads to another host.
    write_inventory(Path(one.inventory), {"bookworm": connection(trixie)})
    assert "made for another host" in one.apply_saved(plan).expect(1).said
    assert lab.changes("trixie") == {}


def _another_value(plan: Any) -> None:
    plan["hosts"][0]["steps"][0]["after"] = "3"


def _another_list(plan: Any) -> None:
    del plan["hosts"][0]["changes"][0]


def _another_field(plan: Any) -> None:
    plan["comment"] = "looks good"


def test_a_plan_file_that_was_edited_is_refused_without_a_remote_command(
    trixie: Host, controller: MakeController
) -> None:
    one = controller(trixie)
    path = one.save_plan("--profile", SMALL)
    text = path.read_text()
    with counted(trixie) as counter:
        for edit in (_another_value, _another_list, _another_field):
            document = json.loads(text)
            edit(document)
            path.write_text(json.dumps(document))
            outcome = one.apply_saved(path).expect(1)
            assert outcome.document["error"]["code"] == "PLAN-001"
    assert counter.commands == 0


def test_of_two_applies_at_once_one_wins_and_the_other_is_refused(
    trixie: Host, controller: MakeController, tmp_path: Path
) -> None:
    one, other = controller(trixie), controller(trixie)
    plan = one.save_plan("--profile", SMALL)
    words = ("--inventory", one.inventory, "--yes", "--format", "json")
    racing = [each.start("apply", str(plan), *words) for each in (one, other)]
    outcomes = sorted(map(finish, racing), key=lambda outcome: outcome.code)
    assert [outcome.code for outcome in outcomes] == [0, 1]
    assert outcomes[1].host("trixie")["state"] == "refused"
    assert one.verify().expect(0).host("trixie")["state"] == "match"
    one.rollback().expect(0)


@pytest.fixture
def full_disk(trixie: Host) -> Iterator[None]:
    fill = f"mkdir {STATE} && mount -t tmpfs -o size=4k,mode=700 tmpfs {STATE}"
    with arranged(trixie, fill, f"umount {STATE} && rmdir {STATE}"):
        yield


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_noticed_before_anything_is_touched(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    outcome = controller(trixie).apply("--profile", SMALL).expect(1)
    assert "the journal cannot be written, with 0 kB free below" in outcome.said
    # The small disk itself is the test's own doing.
    assert set(lab.changes("trixie")) <= {"unit var-lib-optimizer.mount"}


def test_a_full_disk_of_the_controller_is_noticed_before_anything_is_sent(
    trixie: Host, controller: MakeController
) -> None:
    one = controller(trixie)
    one.state.parent.joinpath("state").write_text("a file where the directory should be")
    with counted(trixie) as counter:
        outcome = one.apply("--profile", SMALL).expect(1)
    assert outcome.document["error"]["code"] == "STORE-001"
    # Only the plan was asked for.
    assert counter.commands == 1


BAD = {
    "thp.enable": "system.thp.enable=never",
    "100000": "system.sysctl.net.ipv4.tcp_retries2=100000",
    "often": "system.sysctl.net.ipv4.tcp_retries2=often",
    "$(reboot)": "system.sysctl.net.ipv4.tcp_congestion_control=$(reboot)",
    "core_pattern": "system.sysctl.kernel.core_pattern=core\n|/bin/sh",
}


def test_bad_input_ends_before_the_first_remote_command(
    trixie: Host, controller: MakeController
) -> None:
    one = controller(trixie)
    with counted(trixie) as counter:
        for word, setting in BAD.items():
            outcome = one.apply("--profile", SMALL, "--set", setting).expect(1)
            assert word in outcome.document["error"]["message"]
    assert counter.commands == 0


def test_without_consent_nothing_is_done(trixie: Host, controller: MakeController) -> None:
    one = controller(trixie)
    with counted(trixie) as counter:
        outcome = one.run("apply", one.inventory, "--profile", SMALL).expect(1)
    assert "--yes" in outcome.said
    assert counter.commands == 0
