"""What tests of the core are made of: facts, observations, profiles, snapshots, and fleets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optimizer import catalog, profiles
from optimizer.app.probing import read_observation
from optimizer.host.wire import probe_program
from optimizer.model.fleet import Reply, Target
from optimizer.model.observation import (
    ConfigLine,
    Disk,
    Facts,
    FileState,
    LiveValue,
    Observation,
    ValueState,
)
from optimizer.model.profile import Constraint, Profile, Setting, Wanted
from optimizer.model.reading import Difference, Reading
from optimizer.model.request import ProbeRequest
from optimizer.model.result import ApplyResult, HostOutcome, RollbackResult
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import Step
from optimizer.model.tunable import Effect, Tunable
from optimizer.model.values import Integer, ValueType
from optimizer.modules.kinds import KINDS
from tests.unit.model_host import BOOT, MACHINE, ModelHost, StoredFile, kind_of

RUN = "r-20261121-101500-1a2b"

FACTS = Facts(
    hostname="db-1",
    machine_id=MACHINE,
    boot_id=BOOT,
    os="debian",
    os_version="13",
    os_name="Debian 13",
    kernel="6.12.48",
    cpus=4,
    ram=16 * 2**30,
    virtualization="kvm",
    init="systemd",
    uid=0,
    cmdline="ro quiet",
    disks=(Disk("vda", "virtio"),),
    tools=frozenset({"logrotate"}),
    now=1000.0,
    uptime=500.0,
)


def file_state(content: bytes, mode: str = "644", owner: str = "0:0") -> FileState:
    """Make a regular file as a probe saw it."""
    return FileState(content, mode, owner, StoredFile(content).ref.sha256)


def observation(values: Mapping[str, str] | None = None, **parts: Any) -> Observation:
    """Make an observation with writable values, on the usual host."""
    seen = {
        path: LiveValue(path, ValueState.WRITABLE, text) for path, text in (values or {}).items()
    }
    return replace(Observation(FACTS, values=seen), **parts)


def config_of(area: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Make boot configuration of an area from path -> text, lines as the probe keeps them."""
    lines = tuple(
        ConfigLine(path, number, line.strip())
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and line.strip()[0] not in "#;"
    )
    return {"config": {area: lines}, "config_files": {area: dict.fromkeys(texts, 1.0)}}


def facts(**changes: object) -> Facts:
    """Make the facts of the usual host with some that differ."""
    return replace(FACTS, **changes)  # type: ignore[arg-type]


def known(name: str) -> Tunable:
    """Return a tunable of the catalogue."""
    found = catalog.find(name)
    assert found is not None
    return found


def read(name: str, seen: Observation) -> tuple[Reading, ...]:
    """Find a tunable of the catalogue in an observation."""
    return KINDS[known(name).kind].read(known(name), seen)


def differences(
    name: str, seen: Observation, live: str | None, boot: str | None
) -> list[Difference]:
    """Want other values of a tunable of the catalogue, on all its instances."""
    return [Difference(one, live, boot) for one in read(name, seen)]


def tunable(
    name: str = "system.sysctl.vm.swappiness",
    value: ValueType | None = None,
    effect: Effect = Effect.LIVE,
    weight: int = 3,
) -> Tunable:
    """Make a tunable that is a sysctl of its last words."""
    target = name.removeprefix("system.sysctl.")
    return Tunable(
        name, "sysctl", target, value or Integer(), "Why.", "docs", weight=weight, effect=effect
    )


def reading(live: str | None = "60", boot: str | None = None, **parts: object) -> Reading:
    """Make the reading of a sysctl."""
    made = Reading(tunable(), path="/proc/sys/vm/swappiness", live=live, boot=boot)
    return replace(made, **parts)  # type: ignore[arg-type]


def setting(
    value: str, constraint: Constraint = Constraint.EXACTLY, of: Tunable | None = None
) -> Setting:
    """Make a setting with one alternative."""
    return Setting(of or tunable(), (Wanted(constraint, value),))


def profile(values: Mapping[str, object], version: int = 1) -> Profile:
    """Make a profile from id -> value in short form, as YAML has it."""
    return profiles.override(Profile("test", version, "", (), {}), values)


def snapshot(steps: Sequence[Step], **parts: object) -> Snapshot:
    """Make the snapshot of an apply."""
    made = Snapshot(
        run=RUN,
        kind="apply",
        created="2026-11-21T10:15:00.000000Z",
        profile="test",
        version=1,
        by="ana@desk",
        machine_id=MACHINE,
        boot_id=BOOT,
        kernel="6.12.48",
        steps=tuple(steps),
    )
    return replace(made, **parts)  # type: ignore[arg-type]


def observed(host: ModelHost, request: ProbeRequest) -> Observation:
    """Probe a model host."""
    seen = read_observation("db-1", Reply(host.answer(probe_program(request))))
    assert isinstance(seen, Observation), seen
    return seen


@dataclass
class FakeFleet:
    """Hosts in memory: model hosts, with replies that go wrong in place of their answers.

    faults: host -> kind of program -> replies to give instead, first one first; None lets
    the host answer. A fault with `does_it` set happens after the host did what was asked.
    """

    hosts: Mapping[str, ModelHost]
    faults: dict[str, dict[str, list[Fault | None]]] = field(default_factory=dict)
    inventory: str = "hosts.py"
    asked: list[tuple[str, str]] = field(default_factory=list)
    targets_: tuple[Target, ...] = ()

    def targets(self) -> tuple[Target, ...]:
        """The hosts, in the order in which they were given."""
        return self.targets_ or tuple(map(Target, self.hosts))

    def run(self, programs: Mapping[str, str], timeout: float) -> Mapping[str, Reply]:
        """Answer one program per host."""
        return {name: self._one(name, program) for name, program in programs.items()}

    def commands(self, name: str) -> int:
        """Count the programs that were run on a host."""
        return sum(host == name for host, _ in self.asked)

    def kinds(self, name: str) -> list[str]:
        """List the kinds of programs that were run on a host."""
        return [kind for host, kind in self.asked if host == name]

    def _one(self, name: str, program: str) -> Reply:
        kind = kind_of(program)
        self.asked.append((name, kind))
        waiting = self.faults.get(name, {}).get(kind, [])
        fault = waiting.pop(0) if waiting else None
        if fault is None:
            return Reply(self.hosts[name].answer(program))
        if fault.does_it:
            self.hosts[name].answer(program)
        return fault.reply


@dataclass(frozen=True)
class Fault:
    """A reply that takes the place of an answer. does_it: the host did what was asked."""

    reply: Reply
    does_it: bool = False


def lost(*, does_it: bool) -> Fault:
    """The connection broke before the answer came."""
    return Fault(Reply(error="the connection was lost"), does_it)


def unreachable() -> Fault:
    """No connection came about."""
    return Fault(Reply(error="no route to host", hint="Is it up?", is_reached=False))


def only(result: ApplyResult | RollbackResult) -> HostOutcome:
    """Return what became of the only host."""
    [outcome] = result.hosts
    return outcome


def whats(outcome: HostOutcome) -> list[str]:
    """Return what went wrong, in words."""
    return [problem.what for problem in outcome.problems]


def fleet(**faults: list[Fault | None]) -> FakeFleet:
    """Make a fleet of one host, with faults by kind of program."""
    return FakeFleet({"db-1": ModelHost()}, {"db-1": dict(faults)})


def says(text: str, *, does_it: bool = False) -> Fault:
    """The host answers something else."""
    return Fault(Reply(text), does_it)
