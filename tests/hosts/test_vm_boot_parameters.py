"""The kernel command line of a machine that boots through GRUB: written, in force, taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.host import Host
from tests.hosts.arranged import arranged, values, with_file
from tests.hosts.conftest import MakeController, guarded
from tests.hosts.controller import BOOT, Controller, wait_for
from tests.hosts.lab import STATE, Lab
from tests.hosts.promised import promised

pytestmark = [pytest.mark.vm, pytest.mark.slow]

OURS = "/etc/default/grub.d/zz-optimizer.cfg"
MENU = "/boot/grub/grub.cfg"
WORDS = "isolcpus=1 skew_tick=1 nosoftlockup transparent_hugepage=madvise hugepages=4"
NAMES = {f"system.boot.{word.partition('=')[0]}" for word in WORDS.split()}
ASKED = ("--profile", BOOT)
ALLOWED = (*ASKED, "--allow", "reboot")
# Somebody else's, one of which contradicts ours.
OTHER = 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX skew_tick=0 panic=30"\n'
# The first time that the menu has our words: all of it on the disk, and not confirmed yet.
HANG = f"""#!/bin/sh
/bin/sync "$@"
if [ ! -e /root/hanging ] && grep -q skew_tick=1 {MENU}; then
    touch /root/hanging
    /bin/sync
    touch /run/hanging
    exec sleep 600
fi
"""


@pytest.fixture
def machine(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with guarded(lab, "machine", request) as host:
        yield host


def test_the_menu_is_written_as_planned_and_comes_back_byte_for_byte(
    machine: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(machine)
    held = one.apply(*ASKED).expect(0).host("machine")
    assert (held["state"], {change["tunable"] for change in held["held_back"]}) == (
        "unchanged",
        NAMES,
    )
    assert lab.changes("machine") == {}
    before = machine.run(f"cat {MENU}").stdout
    plan = one.save_plan(*ALLOWED)
    with with_file(machine, "/etc/default/grub.d/50-other.cfg", OTHER):
        assert "run update-grub first" in one.apply_saved(plan).expect(1).said
    assert lab.changes("machine") == {}
    done = one.apply_saved(plan).expect(0).host("machine")
    assert {change["tunable"] for change in done["pending"]} == NAMES
    _check_plan(json.loads(plan.read_text())["hosts"][0], lab)
    _check_menu(before, machine.run(f"cat {MENU}").stdout)
    _check_pending(one)
    assert one.rollback().expect(0).host("machine")["state"] == "applied"
    assert lab.changes("machine") == {}


def _check_plan(plan: Any, lab: Lab) -> None:
    """Nothing but the two files is written, with the bytes that the plan has."""
    files = {"steps": [step for step in plan["steps"] if step["step"] == "file"]}
    after = {key: text for key, (_, text) in lab.changes("machine").items()}
    assert after == promised(files, lab.pristine("machine"))
    assert after.keys() == {f"file {OURS}", f"file {MENU}"}


def _check_menu(before: str, after: str) -> None:
    """Every entry has the words at its end, but for those to recover with."""
    changed = [
        (old, new)
        for old, new in zip(before.splitlines(), after.splitlines(), strict=True)
        if old != new
    ]
    assert all(new == f"{old} {WORDS}" and "\tlinux\t" in old for old, new in changed)
    kernels = [line for line in after.splitlines() if "\tlinux\t" in line]
    recovery = [line for line in kernels if " single " in line]
    assert recovery and len(changed) == len(kernels) - len(recovery) > 0


def _check_pending(one: Controller) -> None:
    seen = one.verify().expect(0).host("machine")
    assert seen["state"] == "match"
    assert {drift["tunable"] for drift in seen["pending"]} == NAMES
    again = one.plan(*ALLOWED).expect(0).host("machine")
    assert (again["changes"], again["steps"]) == ([], [])
    assert any(note.startswith("waits for a reboot: ") for note in again["notes"])


def test_what_is_confirmed_is_booted_with_and_what_is_not_leaves_no_trace(
    machine: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(machine)
    with with_file(machine, "/usr/local/sbin/sync", HANG, mode="755"):
        process = one.start("apply", one.inventory, *ALLOWED, "--yes")
        wait_for(machine, "[ -e /run/hanging ]", 300)
        machine.power_cut()
        process.kill()
        process.communicate()
        machine.run("rm /root/hanging")
    _check_restored(machine, lab)
    with arranged(
        machine,
        f"echo '{OTHER}' >/etc/default/grub.d/50-other.cfg; "
        "ln /boot/vmlinuz-* /boot/vmlinuz-1.0.0-other; update-grub",
        "rm /etc/default/grub.d/50-other.cfg /boot/vmlinuz-1.0.0-other; update-grub",
    ):
        _boot_with(machine, one)
        _take_back(machine, one)
    machine.reboot()
    assert lab.changes("machine") == {}


def _check_restored(machine: Host, lab: Lab) -> None:
    """One boot with the words is all that there can be of an unconfirmed change."""
    assert machine.run(f"ls {STATE}", check=False).stdout.split() == ["history", "snapshots"]
    kinds = {key.partition(" ")[0] for key in lab.changes("machine")}
    assert kinds <= {"cmdline", "sysctl", "sys"}
    assert "skew_tick" not in machine.run(f"cat {MENU}").stdout


def _boot_with(machine: Host, one: Controller) -> None:
    done = one.apply(*ALLOWED).expect(0).host("machine")
    assert done["state"] == "applied"
    machine.reboot()
    line, isolated, pages, thp = values(
        machine,
        "/proc/cmdline",
        "/sys/devices/system/cpu/isolated",
        "/proc/sys/vm/nr_hugepages",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    )
    # Theirs are still there, and ours stand behind them.
    assert "skew_tick=0 panic=30 " in line and line.endswith(WORDS)
    assert (isolated, pages) == ("1", "4")
    assert "[madvise]" in thp
    seen = one.verify().expect(0).host("machine")
    assert (seen["state"], seen["pending"]) == ("match", [])
    [told] = [note for note in one.plan(*ALLOWED).host("machine")["notes"] if "50-other" in note]
    assert "sets 0; the kernel takes the last, which is ours" in told


def _take_back(machine: Host, one: Controller) -> None:
    """Another kernel has come since: the menu is made anew, and keeps it."""
    machine.run("ln /boot/vmlinuz-1.0.0-other /boot/vmlinuz-1.0.1-other; update-grub")
    assert one.verify().expect(0).host("machine")["state"] == "match"
    assert one.rollback().expect(0).host("machine")["state"] == "applied"
    menu = machine.run(f"cat {MENU}").stdout
    assert "1.0.1-other" in menu and "panic=30" in menu and "isolcpus" not in menu
    machine.run(f"grub-mkconfig 2>/dev/null | cmp - {MENU}")
    notes = one.verify().expect(0).host("machine")["notes"]
    told = {note.partition(" is ")[0] for note in notes if "until the host is rebooted" in note}
    assert told == NAMES
    machine.run("rm /boot/vmlinuz-1.0.1-other")
