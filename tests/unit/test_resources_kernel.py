"""Values of the kernel: found on a host, and handed on to be changed."""

from __future__ import annotations

import pytest

from optimizer.model.observation import Disk, LiveValue, Observation, ValueState
from optimizer.model.reading import ReadingState
from optimizer.model.transaction import FileStep, ValueStep
from optimizer.modules.kinds import KINDS
from optimizer.resources import sysctl, sysfs
from tests.unit.factories import (
    FACTS,
    config_of,
    differences,
    facts,
    file_state,
    observation,
    read,
)
from tests.unit.model_kernel import IPV4, QUEUE, START, THP, VM

NOT_HERE = ReadingState.NOT_APPLICABLE


# Kernel values


def test_a_kernel_value_is_read_in_its_canonical_form() -> None:
    seen = observation({f"{IPV4}tcp_rmem": "4096 131072 6291456"})
    [found] = read("system.sysctl.net.ipv4.tcp_rmem", seen)
    assert (found.live, found.boot, found.state) == (
        "4096 131072 6291456",
        None,
        ReadingState.KNOWN,
    )


def test_a_value_that_no_profile_could_ask_for_is_kept_as_text() -> None:
    [found] = read(
        "system.sysctl.vm.overcommit_memory", observation({f"{VM}overcommit_memory": "2"})
    )
    assert found.live == "2"


@pytest.mark.parametrize(
    ("value", "uid", "state", "reason"),
    [
        (None, 0, NOT_HERE, f"this kernel has no {VM}swappiness"),
        (ValueState.UNREADABLE, 0, ReadingState.UNKNOWN, f"{VM}swappiness cannot be read"),
        (ValueState.READ_ONLY, 0, NOT_HERE, "/proc/sys/vm is read-only here"),
        (ValueState.READ_ONLY, 1000, ReadingState.KNOWN, ""),
        (ValueState.WRITABLE, 0, ReadingState.KNOWN, ""),
    ],
)
def test_whether_a_value_can_be_changed_is_said(
    value: ValueState | None, uid: int, state: ReadingState, reason: str
) -> None:
    path = f"{VM}swappiness"
    values = {path: LiveValue(path, value, "60")} if value else {}
    [found] = read("system.sysctl.vm.swappiness", Observation(facts(uid=uid), values=values))
    assert (found.state, found.reason) == (state, reason)


def test_the_boot_value_of_a_sysctl_is_canonical_and_has_its_place() -> None:
    parts = config_of("sysctl", {"/etc/sysctl.d/10-a.conf": "\nvm.swappiness = 0x0a"})
    [found] = read("system.sysctl.vm.swappiness", observation({f"{VM}swappiness": "60"}, **parts))
    assert (found.boot, found.source) == ("10", "/etc/sysctl.d/10-a.conf:2")
    assert found.overridden_by is None


@pytest.mark.parametrize(
    ("files", "boot", "overridden_by"),
    [
        ({"/etc/sysctl.d/10.conf": "vm.dirty_ratio=30"}, None, None),
        ({"/etc/sysctl.d/10.conf": "vm.dirty_bytes=8192\nvm.dirty_ratio=30"}, "0", None),
        ({"/etc/sysctl.d/10.conf": "vm.dirty_ratio=30\nvm.dirty_bytes=8192"}, "8192", None),
        ({"/etc/sysctl.d/zz.conf": "vm.dirty_ratio=30"}, "0", "/etc/sysctl.d/zz.conf:1"),
        (
            {sysctl.FILE: "vm.dirty_bytes=8192", "/etc/sysctl.d/zz.conf": "vm.dirty_ratio=30"},
            "0",
            "/etc/sysctl.d/zz.conf:1",
        ),
        (
            {sysctl.FILE: "vm.dirty_bytes=8192", "/etc/sysctl.d/zz.conf": "vm.dirty_ratio=0"},
            "8192",
            None,
        ),
        ({sysctl.FILE: "vm.dirty_bytes=8192", "/run/sysctl.d/10.conf": "vm.dirty_ratio=9"},
         "8192", None),
    ],
)  # fmt: skip
def test_a_key_that_excludes_another_zeroes_it_at_boot(
    files: dict[str, str], boot: str | None, overridden_by: str | None
) -> None:
    seen = observation({f"{VM}dirty_bytes": "8192"}, **config_of("sysctl", files))
    [found] = read("system.sysctl.vm.dirty_bytes", seen)
    assert (found.boot, found.overridden_by) == (boot, overridden_by)


def test_a_sysctl_is_written_now_and_into_our_file() -> None:
    seen = observation(START)
    changes = differences("system.sysctl.vm.swappiness", seen, "1", "1")
    artifact = KINDS["sysctl"].write(changes, seen)
    value, file = artifact.steps[0], artifact.steps[-1]
    assert isinstance(value, ValueStep) and isinstance(file, FileStep)
    assert (value.path, value.before, value.after) == (f"{VM}swappiness", "60", "1")
    assert artifact.blobs[file.after.sha256 if file.after else ""].endswith(b"vm.swappiness = 1\n")


def test_a_boot_value_alone_is_not_written_now() -> None:
    changes = differences("system.sysctl.vm.swappiness", observation(START), None, "60")
    artifact = KINDS["sysctl"].write(changes, observation(START))
    assert not any(isinstance(step, ValueStep) for step in artifact.steps)


CONGESTION = "system.sysctl.net.ipv4.tcp_congestion_control"


@pytest.mark.parametrize(
    ("module", "offered", "allowed", "state", "reason"),
    [
        ("loadable", "reno cubic", "reno cubic", "writable", ""),
        ("builtin", "reno cubic bbr", "reno cubic", "writable", ""),
        ("missing", "reno cubic bbr", "reno cubic", "writable", ""),
        ("missing", "reno cubic", "reno cubic", "writable", "the kernel has no tcp_bbr"),
        ("loadable", "reno cubic", "reno cubic", "read-only",
         "bbr is restricted, and a container may not allow it"),
        ("loaded", "reno cubic bbr", "reno cubic bbr", "read-only", ""),
    ],
)  # fmt: skip
def test_an_algorithm_is_possible_where_it_is_offered_and_may_be_allowed(
    module: str, offered: str, allowed: str, state: str, reason: str
) -> None:
    texts = {"congestion_control": "cubic", "available_congestion_control": offered,
             "allowed_congestion_control": allowed}  # fmt: skip
    values = {
        f"{IPV4}tcp_{name}": LiveValue(f"{IPV4}tcp_{name}", ValueState(state), text)
        for name, text in texts.items()
    }
    seen = Observation(FACTS, values=values, modules={"tcp_bbr": module})
    [found] = read(CONGESTION, seen)
    assert KINDS["sysctl"].impossible(found, "bbr", seen) == reason


# Values below /sys


def queue(*disks: Disk, **more: object) -> Observation:
    values = {f"/sys/block/{disk.name}/queue/scheduler": "mq-deadline" for disk in disks}
    values["/sys/block/loop0/queue/scheduler"] = "none"
    return Observation(facts(disks=disks), observation(values).values, **more)  # type: ignore[arg-type]


def test_each_disk_is_an_instance_and_loop_devices_are_none() -> None:
    found = read("system.block.scheduler", queue(Disk("vdb", "virtio"), Disk("vda", "hdd")))
    assert [(one.id, one.facts) for one in found] == [
        ("system.block.scheduler[vda]", {"disk": "hdd"}),
        ("system.block.scheduler[vdb]", {"disk": "virtio"}),
    ]


def test_instances_are_in_the_order_of_their_numbers() -> None:
    names = ("policy10", "policy2", "policy1")
    values = {f"/sys/devices/system/cpu/cpufreq/{name}/scaling_governor": "x" for name in names}
    found = read("system.cpufreq.scaling_governor", observation(values))
    assert [one.instance for one in found] == ["policy1", "policy2", "policy10"]


def test_where_nothing_matches_the_tunable_is_not_applicable() -> None:
    [nothing] = read("system.thp.enabled", observation())
    assert (nothing.state, nothing.reason) == (NOT_HERE, f"this host has no {THP}")
    [only_loop] = read("system.block.scheduler", queue())
    assert (only_loop.state, only_loop.reason) == (NOT_HERE, "no such device here")


def test_a_star_stays_within_one_name() -> None:
    assert sysfs.instance_of("/sys/a/eth0/queues/rx-1/rps", "/sys/a/*/queues/*/rps") == "eth0/rx-1"
    assert sysfs.instance_of(THP, THP) == ""


def test_our_unit_counts_at_boot_only_when_it_is_enabled() -> None:
    files = {sysfs.UNIT: file_state(sysfs.render({THP: "never"}).encode())}
    [off] = read("system.thp.enabled", observation({THP: "never"}, files=files))
    assert (off.boot, off.source, off.own) == (None, None, None)
    links = {sysfs.LINK: sysfs.UNIT}
    [on] = read("system.thp.enabled", observation({THP: "never"}, files=files, links=links))
    assert (on.boot, on.source, on.own) == ("never", sysfs.UNIT, "never")


def test_lines_of_tmpfiles_count_at_boot_where_ours_do_not() -> None:
    lines = {"/etc/tmpfiles.d/a.conf": f"w {THP} - - - - always\nw {QUEUE}scheduler - - - - none"}
    seen = observation({THP: "never"}, **config_of("tmpfiles", lines))
    [found] = read("system.thp.enabled", seen)
    assert (found.boot, found.source) == ("always", "/etc/tmpfiles.d/a.conf:1")


def test_without_systemd_nothing_is_kept() -> None:
    seen = Observation(facts(init="init"), observation({THP: "never"}).values)
    [found] = read("system.thp.enabled", seen)
    assert found.unkept


def test_a_word_that_a_file_does_not_offer_is_impossible() -> None:
    values = {THP: LiveValue(THP, ValueState.WRITABLE, "never", ("always", "never"))}
    seen = Observation(FACTS, values=values)
    [found] = read("system.thp.enabled", seen)
    assert (
        KINDS["sysfs"].impossible(found, "madvise", seen) == "it offers always, never, not madvise"
    )
    assert KINDS["sysfs"].impossible(found, "always", seen) == ""
