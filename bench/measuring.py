"""What is measured on hosts: plans, changes, and a change that is there already."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import hosts as fleet
from bench import inputs
from bench.timing import BenchFailed, Command, Pair, Run, alternate, run
from testbed.host import Host


@dataclass(frozen=True)
class Comparison:
    """The optimizer and pyinfra at the same task on the same hosts.

    commands, others_commands: the numbers of remote commands that sshd of any host counted in
    any round. told: the numbers that the optimizer's own JSON has; empty where it has none.
    """

    task: str
    hosts: int
    changes: int
    pairs: tuple[Pair, ...]
    commands: frozenset[int]
    others_commands: frozenset[int]
    told: frozenset[int]


@dataclass(frozen=True)
class Repetition:
    """An apply of what is there already.

    written: files that are new or changed on any host. written_by_change: how many the same
    search finds on one host after a real change. snapshots, records: how many more there are on
    the hosts and in the optimizer's own state directory.
    """

    hosts: int
    run: Run
    states: frozenset[str]
    commands: frozenset[int]
    written: tuple[str, ...]
    written_by_change: int
    snapshots: int
    records: int


@dataclass(frozen=True)
class Setting:
    """Where files are kept, where the measured programs are, and what they find around them."""

    folder: Path
    programs: Path
    environment: Mapping[str, str]

    def command(self, program: str, *words: str) -> Command:
        """Return a command line of a program."""
        argv = (str(self.programs / program), *words)
        return Command(argv, self.environment, self.folder)


class Workbench:
    """Hosts, and the files and command lines by which both programs work on them.

    The profile and the deploy `same` want what the hosts have, `other` want six values else.
    """

    def __init__(self, setting: Setting, hosts: list[Host]) -> None:
        """Write inventories, profiles and deploys for hosts, and bring them in line."""
        self._setting = setting
        self._hosts = hosts
        self._document = setting.folder / "document.json"
        for count in {1, len(hosts)}:
            described = {host.name: fleet.connection(host) for host in hosts[:count]}
            self._write(f"inventory_{count}.py", inputs.inventory(described))
        now = inputs.values(hosts[0].run(inputs.READ).stdout)
        self._values = {key: now[key] for key in inputs.CHANGED}
        for name, wanted in (("same", now), ("other", inputs.different(now))):
            self._write(f"{name}.yaml", inputs.profile(name, wanted))
            self._write(f"{name}.py", inputs.deploy(wanted))
        run(self._apply("same", len(hosts)))
        fleet.keep_files(hosts)
        # Both have been started once before anything is measured.
        run(self._pyinfra("same", 1, "--dry"))

    def plans(self, wanted: str, count: int, rounds: int) -> Comparison:
        """Compare a plan with a dry run."""
        pairs = alternate(self._plan(wanted, count), self._pyinfra(wanted, count, "--dry"), rounds)
        return self._compared("plan", wanted, count, pairs)

    def changes(self, count: int, rounds: int) -> Comparison:
        """Compare plan, apply and verify with a run of pyinfra; six values change."""
        pairs = alternate(
            self._apply("other", count),
            self._pyinfra("other", count, "-y"),
            rounds,
            after_each=lambda: fleet.put_back(self._hosts[:count], self._values),
        )
        return self._compared("apply", "other", count, pairs)

    def repetition(self) -> Repetition:
        """Apply what is there already, and look for anything written on any host."""
        hosts = self._hosts
        fleet.mark(hosts[:1])
        run(self._apply("other", 1))
        by_change = len(fleet.new_files(hosts[:1]))
        fleet.put_back(hosts[:1], self._values)
        before = fleet.snapshots(hosts), self._records()
        fleet.mark(hosts)
        done = run(self._apply("same", len(hosts)))
        return Repetition(
            hosts=len(hosts),
            run=done,
            states=frozenset(host["state"] for host in self._told()),
            commands=frozenset(fleet.commands(hosts, [done])[0]),
            written=fleet.new_files(hosts),
            written_by_change=by_change,
            snapshots=fleet.snapshots(hosts) - before[0],
            records=self._records() - before[1],
        )

    def _compared(self, task: str, wanted: str, count: int, pairs: tuple[Pair, ...]) -> Comparison:
        told = self._told()
        expected = len(inputs.CHANGED) if wanted == "other" else 0
        listed = [len(host["applied" if task == "apply" else "changes"]) for host in told]
        if listed != [expected] * count:
            raise BenchFailed(f"{task} of {expected} changes on {count} hosts listed {listed}")
        hosts = self._hosts[:count]
        others = _counted(hosts, [pair.theirs for pair in pairs])
        if min(others) < len(inputs.SYSCTLS):
            # With --dry and -y together it reads nothing at all.
            raise BenchFailed(f"{task}: pyinfra ran only {min(others)} commands on a host")
        return Comparison(
            task=task,
            hosts=count,
            changes=expected,
            pairs=pairs,
            commands=_counted(hosts, [pair.ours for pair in pairs]),
            others_commands=others,
            told=frozenset(host["commands"] for host in told if "commands" in host),
        )

    def _told(self) -> list[dict[str, Any]]:
        """What the last document of the optimizer says about each host."""
        told: list[dict[str, Any]] = json.loads(self._document.read_text())["hosts"]
        return told

    def _records(self) -> int:
        state = Path(self._setting.environment["OPTIMIZER_STATE_DIR"])
        return sum(path.is_file() for path in state.rglob("*"))

    def _plan(self, wanted: str, count: int) -> Command:
        return self._optimizer("plan", wanted, count)

    def _apply(self, wanted: str, count: int) -> Command:
        return self._optimizer("apply", wanted, count, "--yes")

    def _optimizer(self, verb: str, wanted: str, count: int, *words: str) -> Command:
        words = ("--profile", f"{wanted}.yaml", "--json-into", str(self._document), *words)
        return self._setting.command("optimizer", verb, f"inventory_{count}.py", *words)

    def _pyinfra(self, wanted: str, count: int, *words: str) -> Command:
        return self._setting.command("pyinfra", f"inventory_{count}.py", f"{wanted}.py", *words)

    def _write(self, name: str, text: str) -> None:
        (self._setting.folder / name).write_text(text, encoding="utf-8")


def _counted(hosts: Sequence[Host], runs: Sequence[Run]) -> frozenset[int]:
    return frozenset(number for one in fleet.commands(hosts, runs) for number in one)
