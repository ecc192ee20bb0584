"""A machine with a kernel of its own: everything that a container is not allowed to change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from testbed.host import Host
from tests.hosts.arranged import value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import wait_for
from tests.hosts.lab import STATE, Lab
from tests.hosts.promised import canonical_after, promised

pytestmark = pytest.mark.vm

SWAPPINESS = "/proc/sys/vm/swappiness"
DIRTY_RATIO = "/proc/sys/vm/dirty_ratio"
DIRTY_BYTES = "/proc/sys/vm/dirty_bytes"
CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"
QDISC = "/proc/sys/net/core/default_qdisc"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
QUEUE = "/sys/block/vdb/queue"
# The profile wants no scheduler for disks of a guest; another one has more dependants.
WORDS = ("--profile", "hft", "--set", "system.block.scheduler=mq-deadline")
_EXACT = ("file ", "sysctl ", "sys ", "module ")


def test_the_whole_profile_is_applied_as_planned_and_taken_back_exactly(
    machine: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(machine)
    path = one.save_plan(*WORDS)
    one.apply_saved(path).expect(0)
    _check_values(machine)
    _check_plan(json.loads(path.read_text())["hosts"][0], lab)
    one.rollback().expect(0)
    assert lab.changes("machine") == {}


def test_the_whole_profile_lasts_over_a_reboot_and_is_taken_back(
    machine: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(machine)
    one.apply(*WORDS).expect(0)
    machine.reboot()
    _check_values(machine)
    assert one.verify().expect(0).host("machine")["state"] == "match"
    notes = one.rollback().expect(0).host("machine")["notes"]
    # sshd listens with bbr since it started, the network card sends through fq.
    assert sorted(notes) == [
        "kernel module sch_fq is in use and stays loaded",
        "kernel module tcp_bbr is in use and stays loaded",
    ]
    assert lab.changes("machine").keys() == {
        "module sch_fq",
        "module tcp_bbr",
        "sysctl net.ipv4.tcp_available_congestion_control",
    }
    machine.reboot()
    assert lab.changes("machine") == {}


def _check_values(machine: Host) -> None:
    assert value(machine, SWAPPINESS) == "1"
    assert int(value(machine, DIRTY_BYTES)) > 0
    assert value(machine, DIRTY_RATIO) == "0"
    assert (value(machine, CONGESTION), value(machine, QDISC)) == ("bbr", "fq")
    assert "[never]" in value(machine, THP)
    assert "[mq-deadline]" in value(machine, f"{QUEUE}/scheduler")
    assert machine.run("lsmod | grep -c '^tcp_bbr '").stdout == "1\n"


def _check_plan(plan: Any, lab: Lab) -> None:
    after = canonical_after(lab.changes("machine"))
    exact = {key: text for key, text in after.items() if key.startswith(_EXACT)}
    assert exact == promised(plan, lab.pristine("machine"))
    # What follows from the files: the timer's schedule, and the unit that keeps values of /sys.
    assert set(after) - set(exact) == {
        "timer logrotate.timer",
        "unit optimizer-sysfs.service",
        "unit-file optimizer-sysfs.service",
    }


def test_a_power_cut_before_the_confirmation_loses_nothing_that_the_way_back_needs(
    machine: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(machine)
    process = one.start("apply", one.inventory, *WORDS, "--yes", "--no-confirm")
    wait_for(machine, f"grep -q ^intent {STATE}/journal/progress 2>/dev/null")
    machine.power_cut()
    process.kill()
    process.communicate()
    assert machine.run(f"ls {STATE}", check=False).stdout.split() == ["history", "snapshots"]
    assert lab.changes("machine") == {}
