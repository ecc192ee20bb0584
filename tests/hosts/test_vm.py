"""A machine with a kernel of its own: everything that a container is not allowed to change."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from testbed.host import Host
from tests.hosts.conftest import MakeController
from tests.hosts.controller import Controller, new_controller
from tests.hosts.cuts import JOURNAL, Cut, cut, followed, moments, number, seed
from tests.hosts.lab import STATE, TWIN, Lab
from tests.hosts.promised import canonical_after, promised
from tests.hosts.redis_lab import Server, changes_of, config_after
from tests.hosts.scan import Differences

pytestmark = pytest.mark.vm

# The profile wants no scheduler for disks of a guest; another one has more dependants.
SCHEDULER = "system.block.scheduler=mq-deadline"
CRON = "system.unit.cron.service.LimitNOFILE=4096"
KEYS = 1000
WORDS = ("--profile", "hft", "--set", SCHEDULER, "--set", CRON)
# An emulated machine takes its time, and more of it for a boot.
PATIENT = ("--confirm-timeout", "600")
_EXACT = ("file ", "sysctl ", "sys ", "module ")
# What is in force, one line each.
_IN_FORCE = """
show() { echo "$1=$(tr '\\t' ' ' <"$2")"; }
show swappiness /proc/sys/vm/swappiness
show dirty_bytes /proc/sys/vm/dirty_bytes
show dirty_ratio /proc/sys/vm/dirty_ratio
show congestion /proc/sys/net/ipv4/tcp_congestion_control
show qdisc /proc/sys/net/core/default_qdisc
show thp /sys/kernel/mm/transparent_hugepage/enabled
show scheduler /sys/block/vdb/queue/scheduler
echo "bbr=$(grep -c '^tcp_bbr ' /proc/modules)"
for unit in cron redis-server; do
    limits=/proc/$(systemctl show -P MainPID "$unit")/limits
    echo "$unit=$(awk '/^Max open files/ { print $4 }' "$limits")"
done
"""


@dataclass(frozen=True)
class Course:
    """A change, a boot, its way back with the power cut on the way, and another boot.

    planned: the host in the plan. applied, booted, back, gone: what was different after the
    change, after the boot, after the way back, and after the last boot. in_force: after the boot,
    with the keys of Redis. state: what verify said then. cuts: each with what was different then.
    notes: of the whole way back; none where a cut came too late. config: of Redis before, after
    the change, after the boot, and at the end. seconds: of the change, from its first write; its
    way back takes about as long.
    """

    planned: Any
    applied: Differences
    booted: Differences
    in_force: Mapping[str, str]
    state: str
    cuts: tuple[tuple[Cut, Differences], ...]
    notes: tuple[str, ...] | None
    back: Differences
    gone: Differences
    config: tuple[dict[str, str], ...]
    seconds: float


@pytest.fixture(scope="module")
def chance(told: list[str]) -> random.Random:
    drawn = seed()
    told.append(f"power cuts, at moments drawn from OPTIMIZER_SEED={drawn}:")
    return random.Random(drawn)  # noqa: S311 - so that the same can be drawn again


@pytest.fixture(scope="module")
def course(lab: Lab, chance: random.Random, tmp_path_factory: pytest.TempPathFactory) -> Course:
    machine = lab.host("machine")
    redis = Server(machine)
    redis.fill(KEYS)
    config = [redis.config()]
    one = new_controller(tmp_path_factory.mktemp("course"), machine)
    path = one.save_plan(*WORDS)
    with followed(machine) as change:
        one.apply_saved(path, *PATIENT).expect(0)
        seconds = change.seconds()
    applied = lab.changes("machine")
    config.append(redis.config())
    machine.reboot()
    lines = machine.run(_IN_FORCE).stdout.splitlines()
    in_force = dict(line.split("=", 1) for line in lines) | {"keys": str(redis.keys())}
    booted = lab.changes("machine")
    config.append(redis.config())
    state = one.verify().host("machine")["state"]
    cuts: list[tuple[Cut, Differences]] = []
    for moment in moments(chance, max(1, number() // 3)):
        if cuts and not cuts[-1][1]:
            one.apply(*WORDS, *PATIENT).expect(0)
        made = cut(machine, lambda: _begin(one, "rollback"), moment, seconds)
        cuts.append((made, _clean(lab.changes("machine"))))
    notes = None
    if cuts[-1][1]:
        notes = one.rollback(*PATIENT).expect(0).host("machine")["notes"]
    back = lab.changes("machine")
    machine.reboot()
    gone = lab.changes("machine")
    machine.run(f"rm -rf {STATE}")
    return Course(
        planned=json.loads(path.read_text())["hosts"][0],
        applied=applied,
        booted=booted,
        in_force=in_force,
        state=state,
        cuts=tuple(cuts),
        notes=None if notes is None else tuple(note for note in notes if "abandoned" not in note),
        back=back,
        gone=gone,
        config=(*config, redis.config()),
        seconds=seconds,
    )


def test_the_whole_profile_is_applied_as_planned(course: Course, lab: Lab) -> None:
    after = canonical_after(course.applied)
    exact = _exactly(course.applied)
    # A line in a file of somebody else's: the plan has the line, and not the bytes of the file.
    assert exact.pop("file /etc/redis/redis.conf")
    assert exact == promised(course.planned, lab.pristine("machine"))
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
    before, applied, *_ = course.config
    planned = changes_of(course.planned, Server(lab.host("machine")))
    assert applied == config_after(before, planned)


def _exactly(changes: Differences) -> dict[str, str]:
    after = canonical_after(changes)
    return {key: text for key, text in after.items() if key.startswith(_EXACT)}


def test_a_confirmed_change_is_in_force_after_a_reboot(course: Course) -> None:
    assert _exactly(course.booted) == _exactly(course.applied)
    seen = dict(course.in_force)
    assert int(seen.pop("dirty_bytes")) > 0
    assert int(seen.pop("redis-server")) >= 10240
    assert "[never]" in seen.pop("thp")
    assert "[mq-deadline]" in seen.pop("scheduler")
    assert seen == {
        "swappiness": "1",
        "dirty_ratio": "0",
        "congestion": "bbr",
        "qdisc": "fq",
        "bbr": "1",
        "cron": "4096",
        "keys": str(KEYS),
    }
    assert course.config[2] == course.config[1]
    assert course.state == "match"


def test_its_way_back_leaves_nothing_also_when_the_power_was_cut_on_it(
    course: Course, told: list[str]
) -> None:
    for made, changes in course.cuts:
        told.append(f"  way back, {made.text}: {'as applied' if changes else 'as before'}")
        assert not changes or changes == course.booted
        _check_outcome(made, (3, "restored") if changes else (0, "applied"))
    if course.notes is not None:
        # sshd listens with bbr since it started, the network card sends through fq.
        assert sorted(course.notes) == [
            "kernel module sch_fq is in use and stays loaded",
            "kernel module tcp_bbr is in use and stays loaded",
        ]
        assert course.back.keys() == {
            "module sch_fq",
            "module tcp_bbr",
            "sysctl net.ipv4.tcp_available_congestion_control",
        }
    assert course.gone == {}
    assert course.config[-1] == course.config[0]


@pytest.mark.slow
def test_a_power_cut_at_any_moment_of_a_change_leaves_nothing_half_done(
    machine: Host,
    controller: MakeController,
    lab: Lab,
    course: Course,
    chance: random.Random,
    told: list[str],
) -> None:
    one = controller(machine)
    redis = Server(machine)
    for moment in moments(chance, number()):
        made = cut(machine, lambda: _begin(one, "apply", *WORDS), moment, course.seconds)
        is_kept = bool(machine.run(f"ls {STATE}/snapshots", check=False).stdout)
        changes = _clean(lab.changes("machine"))
        told.append(f"  change, {made.text}: {'confirmed' if is_kept else 'as before'}")
        _check_outcome(made, (0, "applied") if is_kept else (3, "restored"))
        redis.wait()
        assert redis.keys() == KEYS
        if is_kept:
            assert _files(changes) == _files(course.applied)
            assert one.verify().expect(0).host("machine")["state"] == "match"
            one.rollback(*PATIENT).expect(0)
            machine.reboot()
            changes = lab.changes("machine")
            machine.run(f"rm -r {STATE}/snapshots")
        assert changes == {}
        assert redis.config() == course.config[0]


def _begin(one: Controller, verb: str, *words: str) -> subprocess.Popen[str]:
    return one.start(verb, one.inventory, *words, "--yes", "--format", "json", *PATIENT)


def _files(changes: Differences) -> Differences:
    return {key: change for key, change in changes.items() if key.startswith("file ")}


def _clean(changes: Differences) -> Differences:
    """Leave out a journal that was cut off before there was a unit for the next boot.

    It is empty then, and the next change clears it away, and half a unit as well.
    """
    left = {key for key in changes if key.startswith(f"file {JOURNAL}")}
    assert f"file {JOURNAL}/manifest" not in left
    if left:
        left |= {key for key in changes if key.endswith(TWIN.rpartition("/")[2])}
    return {key: change for key, change in changes.items() if key not in left}


def _check_outcome(made: Cut, expected: tuple[int, str]) -> None:
    """Compare what a controller that lived on has said at last: exit status and state."""
    if made.outcome:
        code, state = expected
        assert made.outcome.expect(code).host("machine")["state"] == state
