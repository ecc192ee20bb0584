"""A machine with a kernel of its own: everything that a container is not allowed to change."""

from __future__ import annotations

import json
import random
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest

from testbed.host import Host
from tests.hosts.arranged import value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import Controller, new_controller
from tests.hosts.cuts import JOURNAL, Cut, cut, followed, moments, number, seed
from tests.hosts.lab import STATE, Lab
from tests.hosts.promised import canonical_after, promised
from tests.hosts.redis_lab import Server, changes_of, config_after
from tests.hosts.scan import Differences

pytestmark = pytest.mark.vm

SWAPPINESS = "/proc/sys/vm/swappiness"
DIRTY_RATIO = "/proc/sys/vm/dirty_ratio"
DIRTY_BYTES = "/proc/sys/vm/dirty_bytes"
CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control"
QDISC = "/proc/sys/net/core/default_qdisc"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
QUEUE = "/sys/block/vdb/queue"
# The profile wants no scheduler for disks of a guest; another one has more dependants.
SCHEDULER = "system.block.scheduler=mq-deadline"
CRON = "system.unit.cron.service.LimitNOFILE=4096"
KEYS = 1000
WORDS = ("--profile", "hft", "--set", SCHEDULER, "--set", CRON)
# An emulated machine takes its time, and more of it for a boot.
PATIENT = ("--confirm-timeout", "600")
_EXACT = ("file ", "sysctl ", "sys ", "module ")


@dataclass(frozen=True)
class Cycle:
    """A change and its way back, without a boot in between.

    planned: the host in the plan. applied, back: what was different after each. config: of Redis
    before and after the change, and after its way back. seconds: of the change, from its first
    write; its way back takes about as long.
    """

    planned: Any
    applied: Differences
    back: Differences
    config: tuple[dict[str, str], dict[str, str], dict[str, str]]
    seconds: float


@pytest.fixture(scope="module")
def cycle(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Cycle:
    machine = lab.host("machine")
    redis = Server(machine)
    redis.fill(KEYS)
    before = redis.config()
    one = new_controller(tmp_path_factory.mktemp("cycle"), machine)
    path = one.save_plan(*WORDS)
    with followed(machine) as change:
        one.apply_saved(path, *PATIENT).expect(0)
        seconds = change.seconds()
    applied, config = lab.changes("machine"), redis.config()
    # A connection that is open meanwhile would keep the module of its congestion control loaded.
    one.rollback(*PATIENT).expect(0)
    return Cycle(
        planned=json.loads(path.read_text())["hosts"][0],
        applied=applied,
        back=lab.changes("machine"),
        config=(before, config, redis.config()),
        seconds=seconds,
    )


def test_the_whole_profile_is_applied_as_planned_and_taken_back_exactly(
    cycle: Cycle, lab: Lab
) -> None:
    after = canonical_after(cycle.applied)
    exact = {key: text for key, text in after.items() if key.startswith(_EXACT)}
    # A line in a file of somebody else's: the plan has the line, and not the bytes of the file.
    assert exact.pop("file /etc/redis/redis.conf")
    assert exact == promised(cycle.planned, lab.pristine("machine"))
    # What follows from the files: the timer's schedule, the unit that keeps values of /sys, and
    # what the next start of a service gets.
    assert set(after) - set(exact) == {
        "file /etc/redis/redis.conf",
        "timer logrotate.timer",
        "unit optimizer-sysfs.service",
        "unit-file optimizer-sysfs.service",
        "service cron.service",
        "service redis-server.service",
    }
    before, applied, back = cycle.config
    assert applied == config_after(before, changes_of(cycle.planned, Server(lab.host("machine"))))
    assert cycle.back == {}
    assert back == before


@pytest.fixture(scope="module")
def chance(told: list[str]) -> random.Random:
    drawn = seed()
    told.append(f"power cuts, at moments drawn from OPTIMIZER_SEED={drawn}:")
    return random.Random(drawn)  # noqa: S311 - so that the same can be drawn again


def test_a_confirmed_change_is_in_force_after_a_reboot_and_its_way_back_leaves_nothing(
    machine: Host,
    controller: MakeController,
    lab: Lab,
    cycle: Cycle,
    chance: random.Random,
    told: list[str],
) -> None:
    one = controller(machine)
    _apply_and_reboot(one, machine, cycle)
    applied = lab.changes("machine")
    for moment in moments(chance, max(1, number() // 3)):
        made = cut(machine, lambda: _begin(one, "rollback"), moment, cycle.seconds)
        changes = _clean(machine, lab.changes("machine"))
        told.append(f"  way back, {made.text}: {'as applied' if changes else 'as before'}")
        assert changes in (applied, {})
        _check_outcome(made, (3, "restored") if changes else (0, "applied"))
        if not changes:
            _apply_and_reboot(one, machine, cycle)
        assert one.verify().expect(0).host("machine")["state"] == "match"
    notes = one.rollback(*PATIENT).expect(0).host("machine")["notes"]
    # sshd listens with bbr since it started, the network card sends through fq.
    assert [note for note in sorted(notes) if "abandoned" not in note] == [
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
    assert Server(machine).config() == cycle.config[0]


def _apply_and_reboot(one: Controller, machine: Host, cycle: Cycle) -> None:
    one.apply(*WORDS, *PATIENT).expect(0)
    machine.reboot()
    assert value(machine, SWAPPINESS) == "1"
    assert int(value(machine, DIRTY_BYTES)) > 0
    assert value(machine, DIRTY_RATIO) == "0"
    assert (value(machine, CONGESTION), value(machine, QDISC)) == ("bbr", "fq")
    assert "[never]" in value(machine, THP)
    assert "[mq-deadline]" in value(machine, f"{QUEUE}/scheduler")
    assert machine.run("lsmod | grep -c '^tcp_bbr '").stdout == "1\n"
    assert _open_files(machine, "cron.service") == 4096
    assert _open_files(machine, "redis-server.service") >= 10240
    assert Server(machine).config() == cycle.config[1]
    assert Server(machine).keys() == KEYS
    assert one.verify().expect(0).host("machine")["state"] == "match"


def _open_files(machine: Host, unit: str) -> int:
    limits = f"/proc/$(systemctl show -P MainPID {unit})/limits"
    return int(machine.run(f"grep '^Max open files' {limits}").stdout.split()[3])


def test_a_power_cut_at_any_moment_of_a_change_leaves_nothing_half_done(
    machine: Host,
    controller: MakeController,
    lab: Lab,
    cycle: Cycle,
    chance: random.Random,
    told: list[str],
) -> None:
    one = controller(machine)
    redis = Server(machine)
    for moment in moments(chance, number()):
        made = cut(machine, lambda: _begin(one, "apply", *WORDS), moment, cycle.seconds)
        is_kept = bool(machine.run(f"ls {STATE}/snapshots", check=False).stdout)
        changes = _clean(machine, lab.changes("machine"))
        told.append(f"  change, {made.text}: {'confirmed' if is_kept else 'as before'}")
        _check_outcome(made, (0, "applied") if is_kept else (3, "restored"))
        redis.wait()
        assert redis.keys() == KEYS
        if is_kept:
            assert _files(changes) == _files(cycle.applied)
            assert one.verify().expect(0).host("machine")["state"] == "match"
            one.rollback(*PATIENT).expect(0)
            machine.reboot()
            changes = lab.changes("machine")
            machine.run(f"rm -r {STATE}/snapshots")
        assert changes == {}
        assert redis.config() == cycle.config[0]


def _begin(one: Controller, verb: str, *words: str) -> subprocess.Popen[str]:
    return one.start(verb, one.inventory, *words, "--yes", "--format", "json", *PATIENT)


def _files(changes: Differences) -> Differences:
    return {key: change for key, change in changes.items() if key.startswith("file ")}


def _clean(machine: Host, changes: Differences) -> Differences:
    """Leave out a journal that was cut off before its timer was armed: nothing was written then.

    The next change clears it away.
    """
    left = {key for key in changes if key.startswith(f"file {JOURNAL}")}
    if left:
        armed = f"grep -q ^armed {JOURNAL}/progress"
        assert machine.run(armed, check=False).returncode != 0, left
    return {key: change for key, change in changes.items() if key not in left}


def _check_outcome(made: Cut, expected: tuple[int, str]) -> None:
    """Compare what a controller that lived on has said at last: exit status and state."""
    if made.outcome:
        code, state = expected
        assert made.outcome.expect(code).host("machine")["state"] == state
