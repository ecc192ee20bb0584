"""The table, the goals, and the same figures as JSON."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median

from bench.inputs import SYSCTLS
from bench.measuring import Comparison, Repetition
from bench.timing import Pair, Run, Spread, ratios, spread

# The goals: seconds, times, remote commands per host.
START = 0.2
FASTER = 10.0
PLAN_COMMANDS = 1
APPLY_COMMANDS = 3


@dataclass(frozen=True)
class Machine:
    """What the figures were taken on; load: of the last minute, at the start and at the end."""

    time: str
    system: str
    cpus: int
    load: tuple[float, float]
    python: str
    pyinfra: str


@dataclass(frozen=True)
class Report:
    """Everything that was measured; skipped: why nothing was measured on hosts."""

    machine: Machine
    starts: tuple[Pair, ...]
    imports: tuple[Run, ...]
    comparisons: tuple[Comparison, ...]
    repetition: Repetition | None
    skipped: str
    seconds: float


@dataclass(frozen=True)
class Goal:
    """What was aimed at, what came out, and whether that is enough."""

    aim: str
    figure: str
    is_met: bool


def machine(load_before: float) -> Machine:
    """Describe this machine."""
    return Machine(
        time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        system=f"{platform.system()} {platform.release()}",
        cpus=len(os.sched_getaffinity(0)),
        load=(load_before, os.getloadavg()[0]),
        python=platform.python_version(),
        pyinfra=importlib.metadata.version("pyinfra"),
    )


def text(report: Report) -> list[str]:
    """Lay the report out for a terminal."""
    here = report.machine
    lines = [
        f"{here.time}, {here.system}, {here.cpus} CPUs, load {here.load[0]:.1f} to "
        f"{here.load[1]:.1f}, Python {here.python}, pyinfra {here.pyinfra}",
        "",
    ]
    if report.comparisons:
        lines += [*_table(report.comparisons), ""]
    lines += [*_starts(report), ""]
    held = goals(report)
    width = max(len(goal.aim) for goal in held)
    lines += [f"{'✓' if goal.is_met else '✗'} {goal.aim:{width}}  {goal.figure}" for goal in held]
    if report.skipped:
        lines += ["", f"Nothing was measured on hosts: {report.skipped}."]
    return [*lines, "", f"Measured in {report.seconds:.0f} s."]


def _table(comparisons: Iterable[Comparison]) -> Iterator[str]:
    yield f"{len(SYSCTLS)} sysctls; o: optimizer, p: pyinfra with one operation for each. They take"
    yield "turns; figures are medians, p/o is taken pair by pair (lowest–highest)."
    yield ""
    head = f"{'o':>6}{'p':>6}  {'p/o':<14}"
    yield f"{'':24}{'commands a host':>17}  {'wall time, s':^28}  CPU time, s"
    words = f"{'task':6}{'changes':>7}{'hosts':>6}{'pairs':>6}{'o':>8}{'p':>8}"
    yield f"{words}  {head}{head}".rstrip()
    yield from map(row, comparisons)


def row(one: Comparison) -> str:
    """Return a comparison as one line of the table."""
    return (
        f"{one.task:6}{one.changes:>7}{one.hosts:>6}{len(one.pairs):>6}"
        f"{_numbers(one.commands):>8}{_numbers(one.others_commands):>8}  "
        f"{_pairs(one.pairs, _wall)}{_pairs(one.pairs, _cpu)}"
    ).rstrip()


def _pairs(pairs: tuple[Pair, ...], measure: Callable[[Run], float]) -> str:
    ours = median(measure(pair.ours) for pair in pairs)
    theirs = median(measure(pair.theirs) for pair in pairs)
    return f"{ours:>6.2f}{theirs:>6.2f}  {_spread(ratios(pairs, measure)):<14}"


def _spread(found: Spread, digits: int = 1) -> str:
    return f"{found.median:.{digits}f} ({found.low:.{digits}f}–{found.high:.{digits}f})"


def _starts(report: Report) -> Iterator[str]:
    for name, runs in (
        ("optimizer --help", [pair.ours for pair in report.starts]),
        ("python -c pass", [pair.theirs for pair in report.starts]),
        ("import pyinfra", report.imports),
    ):
        wall, cpu = spread([run.wall for run in runs]), spread([run.cpu for run in runs])
        yield f"{name:17} wall {_spread(wall, 3)} s, CPU {_spread(cpu, 3)} s, {len(runs)} runs"


def goals(report: Report) -> list[Goal]:
    """Hold the figures against the goals."""
    found = [_start_goal(report.starts)]
    for one in report.comparisons:
        found.append(_command_goal(one))
        if one.task == "plan":
            found.append(_speed_goal(one))
    if report.repetition:
        found.append(_repetition_goal(report.repetition))
    return found


def _start_goal(starts: tuple[Pair, ...]) -> Goal:
    wall = median(pair.ours.wall for pair in starts)
    return Goal(f"--help is there in less than {START} s", f"{wall:.3f} s", wall < START)


def _command_goal(one: Comparison) -> Goal:
    most = PLAN_COMMANDS if one.task == "plan" else APPLY_COMMANDS
    aim = f"{_named(one)}: at most {most} remote command{'s' * (most > 1)} a host"
    own = f", by its own JSON {_numbers(one.told)}" if one.told else ""
    figure = f"{_numbers(one.commands)} by sshd's log{own}; pyinfra {_numbers(one.others_commands)}"
    is_told_right = not one.told or one.told == one.commands
    return Goal(aim, figure, max(one.commands) <= most and is_told_right)


def _speed_goal(one: Comparison) -> Goal:
    times = ratios(one.pairs, _wall)
    aim = f"{_named(one)}: {FASTER:.0f} times faster than pyinfra"
    return Goal(aim, f"{_spread(times)} times", times.median >= FASTER)


def _repetition_goal(again: Repetition) -> Goal:
    is_met = (
        again.states == {"unchanged"}
        and again.commands == {PLAN_COMMANDS}
        and not (again.written or again.snapshots or again.records)
        # A search that never finds anything would prove nothing.
        and again.written_by_change > 0
    )
    figure = (
        f"{len(again.written)} files written (a real change: {again.written_by_change}), "
        f"{again.snapshots} snapshots, {again.records} records more; "
        f"{_numbers(again.commands)} command a host, {again.run.wall:.2f} s; "
        f"state: {', '.join(sorted(again.states))}"
    )
    if again.written:
        figure += f"; written: {', '.join(sorted(set(again.written))[:5])}"
    return Goal(f"apply again on {_hosts(again.hosts)}: no write at all", figure, is_met)


def document(report: Report) -> str:
    """Write the report as JSON: all runs, and the goals."""
    made = {
        "schema": "optimizer/bench/1",
        **asdict(report),
        "goals": [asdict(goal) for goal in goals(report)],
    }
    return json.dumps(made, indent=1, default=sorted) + "\n"


def _named(one: Comparison) -> str:
    return f"{one.task}, {one.changes} changes, {_hosts(one.hosts)}"


def _hosts(count: int) -> str:
    return f"{count} host" if count == 1 else f"{count} hosts"


def _numbers(found: Iterable[int]) -> str:
    """Write one number, or the lowest and the highest."""
    low, high = min(found), max(found)
    return str(low) if low == high else f"{low}-{high}"


def _wall(run: Run) -> float:
    return run.wall


def _cpu(run: Run) -> float:
    return run.cpu
