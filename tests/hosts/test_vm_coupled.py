"""Coupled values on a real kernel: from all starts, to all targets, back by every road, one boot.

The programs run as the controller sends them, one combination after the other over one connection;
all groups take part in each of them. tests/unit/test_coupled_laws.py has the same as a model.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from optimizer import catalog
from optimizer.app.taken import snapshots_of
from optimizer.host.wire import apply_program, cancel_program, confirm_program, encode_manifest
from optimizer.model.observation import Disk, LiveValue, Observation, ValueState
from optimizer.model.request import ProbeRequest
from optimizer.model.snapshot import Snapshot, snapshot_id
from optimizer.model.transaction import Step, ValueStep
from optimizer.modules.coupling import Coupler
from optimizer.modules.host_plan import plan_host
from optimizer.planning.restoring import undo
from testbed.host import Host
from tests.hosts.conftest import guarded
from tests.hosts.lab import STATE, Lab
from tests.unit.factories import facts, profile, snapshot
from tests.unit.shell_lab import with_override, without_probe

pytestmark = [pytest.mark.vm, pytest.mark.slow]

VM, KERNEL, IPV4 = "/proc/sys/vm/", "/proc/sys/kernel/", "/proc/sys/net/ipv4/"
QUEUE = "/sys/block/vdb/queue/"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
_SYSCTL = "system.sysctl."

Writes = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Group:
    """Values that the kernel changes together: how to begin anew, and from where to where."""

    anew: Writes
    starts: Sequence[Writes]
    wishes: Sequence[Mapping[str, object]]


def _pair(amount: str, share: str, usual: str, least: str) -> Group:
    return Group(
        anew=[(VM + share, "1"), (VM + share, usual)],
        starts=[[], [(VM + amount, least)], [(VM + share, "0")]],
        wishes=[{f"{_SYSCTL}vm.{amount}": int(least) * 4}, {f"{_SYSCTL}vm.{share}": 7}],
    )


GROUPS: Mapping[str, Group] = {
    "dirty": _pair("dirty_bytes", "dirty_ratio", "20", "8192"),
    "background": _pair("dirty_background_bytes", "dirty_background_ratio", "10", "8192"),
    "overcommit": _pair("overcommit_kbytes", "overcommit_ratio", "50", "400000"),
    "disk": Group(
        anew=[(f"{QUEUE}scheduler", "none"), (f"{QUEUE}scheduler", "mq-deadline")],
        starts=[
            [(f"{QUEUE}iosched/read_expire", "100"), (f"{QUEUE}nr_requests", "400")],
            [(f"{QUEUE}scheduler", "kyber"), (f"{QUEUE}iosched/read_lat_nsec", "1000000")],
            [(f"{QUEUE}scheduler", "bfq"), (f"{QUEUE}iosched/slice_idle", "0")],
            [(f"{QUEUE}scheduler", "none"), (f"{QUEUE}nr_requests", "64"),
             (f"{QUEUE}wbt_lat_usec", "3000")],
        ],
        wishes=[
            {"system.block.scheduler": name} for name in ("none", "mq-deadline", "kyber", "bfq")
        ],
    ),
    "watchdogs": Group(
        anew=[(f"{KERNEL}watchdog", "1"), (f"{KERNEL}soft_watchdog", "1")],
        starts=[[], [(f"{KERNEL}watchdog", "0")], [(f"{KERNEL}soft_watchdog", "0")]],
        wishes=[{f"{_SYSCTL}kernel.{name}": state}
                for name in ("watchdog", "soft_watchdog") for state in (0, 1)],
    ),
    "huge pages": Group(
        anew=[(f"{VM}nr_hugepages", "0")],
        starts=[[], [(f"{VM}nr_hugepages_mempolicy", "3")]],
        wishes=[{f"{_SYSCTL}vm.nr_hugepages": 2}, {f"{_SYSCTL}vm.nr_hugepages_mempolicy": 5},
                {f"{_SYSCTL}vm.nr_hugepages": 0}],
    ),
    "interfaces": Group(
        anew=[(f"{IPV4}ip_forward", "1"), (f"{IPV4}ip_forward", "0")],
        starts=[
            [],
            [(f"{IPV4}conf/lo/forwarding", "1"), (f"{IPV4}conf/all/accept_redirects", "0")],
            [(f"{IPV4}ip_forward", "1"), (f"{IPV4}conf/default/forwarding", "0")],
        ],
        wishes=[{f"{_SYSCTL}net.ipv4.{key}": state}
                for key in ("ip_forward", "conf.all.forwarding") for state in (1, 0)],
    ),
    "reserve": Group(
        anew=[(THP, "always"), (f"{VM}min_free_kbytes", "45056")],
        starts=[[], [(THP, "never"), (f"{VM}min_free_kbytes", "30000")]],
        wishes=[{"system.thp.enabled": "never"}, {"system.thp.enabled": "always"}],
    ),
}  # fmt: skip

# Apart from the product: whatever can be read where the groups are.
_LOOK = (
    f"grep -rs '' {VM} {KERNEL}watchdog {KERNEL}soft_watchdog {KERNEL}nmi_watchdog {IPV4} {QUEUE} "
    f"{THP} | grep -Ev '/(stat_refresh|drop_caches|compact_memory):' | sort"
)
_MARK = "====="
# Systemd's part is tested elsewhere, and takes most of the time under emulation.
_NO_TIMER = """
arm_timer() { armed=process watcher=; }
arm() {
    rm "$JOURNAL/of.$RUN"
    read -r uptime _ </proc/uptime
    identify 1
    emit armed process 600 "$uptime" "$REPLY" >>"$JOURNAL/progress"
}
disarm() { :; }
keep_twin() { :; }
"""
_DIES = """
write_text() {{
    printf . >>/run/writes
    IFS= read -r dots </run/writes
    [ ${{#dots}} -le {last} ] || kill -9 0
    ERROR=$({{ printf '%s\\n' "$2" >"$1"; }} 2>&1) && return 0
    return 1
}}
"""


# Under emulation each takes a minute or two. The model goes all of the ways; here each group
# begins at two of its starts, and comes to two of its targets.
_ROUNDS = int(os.environ.get("OPTIMIZER_ROUNDS") or 2)


def _combinations() -> Iterator[tuple[list[tuple[str, str]], dict[str, object]]]:
    """Yield what to write first, and what to want."""
    for turn in range(_ROUNDS):
        writes: list[tuple[str, str]] = []
        wanted: dict[str, object] = {}
        for group in GROUPS.values():
            starts, wishes = group.starts, group.wishes
            writes += [*group.anew, *starts[turn % len(starts)]]
            # One further each time around, so that a start does not always meet the same target.
            wanted |= wishes[(turn + turn // len(starts)) % len(wishes)]
        yield writes, wanted


@pytest.fixture
def machine(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with guarded(lab, "machine", request) as host:
        yield host


def _write(writes: Writes) -> str:
    # What does not apply to a start (a scheduler that is missing) shows in the look that follows.
    return "".join(f"echo {text} >{path} 2>/dev/null\n" for path, text in writes)


def _asked(machine: Host, parts: Sequence[str]) -> list[str]:
    """Run shell texts over one connection; return what each of them printed."""
    script = f"echo {_MARK}\n".join(f"( {part}\n)\n" for part in parts)
    return machine.run("cat >/run/script && sh /run/script", input=script).stdout.split(
        f"{_MARK}\n"
    )


def _values(look: str) -> dict[str, str]:
    """Read a look: path -> canonical text."""
    found: dict[str, str] = {}
    for line in look.splitlines():
        path, _, text = line.partition(":")
        chosen = text.partition("[")[2].partition("]")[0] if path.startswith("/sys/") else ""
        found.setdefault(path, chosen or " ".join(text.split()))
    return found


def _observed(values: Mapping[str, str], machine_id: str, boot_id: str) -> Observation:
    about = facts(machine_id=machine_id, boot_id=boot_id, disks=(Disk("vdb", "virtio"),))
    live = {path: LiveValue(path, ValueState.WRITABLE, text) for path, text in values.items()}
    return Observation(about, values=live)


def _planned(seen: Observation, wanted: Mapping[str, object]) -> tuple[Step, ...]:
    plan = plan_host("machine", profile(wanted), seen, {}, frozenset())
    assert plan.state == "planned", plan.error
    # Files are tried elsewhere.
    return tuple(step for step in plan.steps if isinstance(step, ValueStep))


def _program(text: str) -> str:
    """Run a program as the engine does, in a process group that a kill takes with it."""
    return f"rm -f /run/writes; setsid sh <<'END_OF_PROGRAM'\n{text}\nEND_OF_PROGRAM\ntrue"


def _apply(change: Snapshot, more: str = "") -> str:
    return _program(with_override("apply", _NO_TIMER + more)(apply_program(change, 600)))


def test_all_starts_come_back_from_all_targets_by_every_road(machine: Host) -> None:
    combinations = list(_combinations())
    machine.run("modprobe -a bfq kyber-iosched")
    first = machine.run(f"{_LOOK}; cat /etc/machine-id /proc/sys/kernel/random/boot_id").stdout
    *look, machine_id, boot_id = first.splitlines()
    pristine = _values("\n".join(look))
    looks = _asked(machine, [f"{_write(writes)}{_LOOK}" for writes, _ in combinations])
    starts = [_values(look) for look in looks]
    steps = [
        _planned(_observed(start, machine_id, boot_id), wanted)
        for start, (_, wanted) in zip(starts, combinations, strict=True)
    ]
    made = [
        snapshot(one, machine_id=machine_id, boot_id=boot_id, run=f"r-{number}")
        for number, one in enumerate(steps)
    ]
    assert all(made[0].steps)

    # Killed after some write and put back as by the timer; then whole, and cancelled.
    script: list[str] = []
    restore = f"sh {STATE}/journal/restore automatic"
    for number, (change, (writes, _)) in enumerate(zip(made, combinations, strict=True)):
        sets = sum(isinstance(step, ValueStep) and step.write == "set" for step in change.steps)
        dies = _DIES.format(last=number % max(sets, 1))
        script += [
            _write(writes) + _LOOK,
            _apply(change, dies),
            f"{restore} {change.run}; {_LOOK}",
            _apply(change),
            _LOOK,
            _program(with_override("cancel", _NO_TIMER)(cancel_program(change.run))),
            _LOOK,
        ]
    told = _asked(machine, script)
    after: list[dict[str, str]] = []
    left: list[Snapshot] = []
    for number, change in enumerate(made):
        begun, died, back, applied, now, cancelled, again = told[number * 7 : number * 7 + 7]
        what = f"{number}: {combinations[number]}\n{applied}"
        assert _values(begun) == starts[number], what
        assert "result" not in died, what
        assert _values(back.partition("result\trestored\n")[2]) == starts[number], what
        assert "result\tapplied" in applied, what
        left.append(_as_left(change, applied))
        after.append(_values(now))
        assert _unsaid(change, starts[number], after[-1]) == {}, what
        assert "result\trestored" in cancelled, what
        assert _values(again) == starts[number], what

    # Confirmed, rolled back by a plan, and that rolled back as well.
    script = []
    for number, change in enumerate(made):
        way = undo(
            [(snapshot_id(encode_manifest(change)), left[number])],
            _observed(after[number], machine_id, boot_id),
            include_foreign=False,
        )
        assert way.foreign == (), combinations[number]
        seen = _observed(after[number], machine_id, boot_id)
        back_steps = Coupler(catalog.find, seen).reached(way.steps)
        rolled = snapshot(
            back_steps, kind="rollback", run=f"b-{number}", machine_id=machine_id, boot_id=boot_id
        )
        script += [
            _write(combinations[number][0]) + _apply(change) + "; " + _confirm(change),
            _apply(rolled) + "; " + _confirm(rolled),
            f"{_LOOK}; rm -rf {STATE}/snapshots/*",
        ]
    told = _asked(machine, script)
    for number in range(len(made)):
        applied, rolled_back, now = told[number * 3 : number * 3 + 3]
        what = f"{number}: {combinations[number]}\n{applied}\n{rolled_back}"
        assert "result\tconfirmed" in applied, what
        assert "result\tconfirmed" in rolled_back, what
        assert _values(now) == starts[number], what
    anew = "".join(_write(group.anew) for group in GROUPS.values())
    machine.run(
        anew
        + _write(
            [
                (path, text)
                for path, text in pristine.items()
                if path.endswith(("scheduler", "min_free_kbytes", "nr_requests"))
            ]
        )
    )
    machine.run("modprobe -r bfq kyber-iosched; rm -f /run/writes /run/script")


def _as_left(change: Snapshot, said: str) -> Snapshot:
    """Read a snapshot back as a probe would: with what the host said it could not hold."""
    name = snapshot_id(encode_manifest(change))
    rows = [line.split("\t") for line in said.splitlines() if line.startswith("unheld\t")]
    seen = replace(
        _observed({}, change.machine_id, change.boot_id),
        snapshots={name: encode_manifest(change)},
        unheld={name: {path: found for _, _, path, _, found in rows}},
    )
    return snapshots_of(seen)[name]


def _confirm(change: Snapshot) -> str:
    text = without_probe(confirm_program(change.run, ProbeRequest()))
    return _program(with_override("confirm", _NO_TIMER)(text))


def _unsaid(
    change: Snapshot, before: Mapping[str, str], after: Mapping[str, str]
) -> dict[str, tuple[str, str | None]]:
    """Return what changed and is in no step: what a plan would have kept from people."""
    said = {step.path for step in change.steps if isinstance(step, ValueStep)}
    return {
        path: (text, after.get(path))
        for path, text in before.items()
        if after.get(path) != text and path not in said
    }
