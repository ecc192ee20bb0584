"""What is measured, in order: `python -m bench [--json FILE]`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench import hosts, inputs, report
from bench.measuring import Comparison, Repetition, Workbench
from bench.timing import BenchFailed, Command, Pair, alternate, run
from testbed.errors import TestbedError

HOSTS = 10
STARTS = 15
PLANS_OF_ONE, PLANS_OF_MANY, CHANGES = 5, 3, 3
PROGRAMS = Path(sys.executable).parent


def main() -> int:
    """Measure, print the report, and return the exit status; a missed goal is no failure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE, too")
    into: Path | None = parser.parse_args().json
    missing = [name for name in ("optimizer", "pyinfra") if not (PROGRAMS / name).exists()]
    if missing:
        print(f"bench: no {' or '.join(missing)} in {PROGRAMS}: use make bench", file=sys.stderr)
        return 1
    try:
        with tempfile.TemporaryDirectory(prefix="optimizer-bench-", dir="/var/tmp") as name:
            made = _measured(Path(name))
    except (BenchFailed, TestbedError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n".join(report.text(made)))
    if into:
        into.write_text(report.document(made), encoding="utf-8")
    return 0


def _measured(folder: Path) -> report.Report:
    begun, load = time.monotonic(), os.getloadavg()[0]
    environment = _environment(folder)
    starts = _starts(folder, environment)
    skipped = hosts.impossible_here()
    comparisons: tuple[Comparison, ...] = ()
    repetition: Repetition | None = None
    if not skipped:
        comparisons, repetition = _on_hosts(folder, environment)
    return report.Report(
        machine=report.machine(load),
        starts=starts,
        comparisons=comparisons,
        repetition=repetition,
        skipped=skipped,
        seconds=time.monotonic() - begun,
    )


def _environment(folder: Path) -> Mapping[str, str]:
    """What all measured processes are given: byte code as on a machine where they ran before."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "OPTIMIZER_", "PYINFRA_"))
    }
    return kept | {
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
        "OPTIMIZER_STATE_DIR": str(folder / "state"),
    }


def _starts(folder: Path, environment: Mapping[str, str]) -> tuple[Pair, ...]:
    _say(f"start: {STARTS} times --help, and as often Python itself")
    ours = Command((str(PROGRAMS / "optimizer"), "--help"), environment, folder)
    python = Command((str(PROGRAMS / "python"), "-c", "pass"), environment, folder)
    run(ours)
    run(python)
    return alternate(ours, python, STARTS)


def _on_hosts(
    folder: Path, environment: Mapping[str, str]
) -> tuple[tuple[Comparison, ...], Repetition]:
    bench = Workbench(folder, PROGRAMS, environment)
    _say(f"hosts: booting {HOSTS} containers")
    with hosts.booted(HOSTS) as running:
        bench.take(running)
        made = []
        for count, rounds in ((1, PLANS_OF_ONE), (HOSTS, PLANS_OF_MANY)):
            for wanted, changes in (("same", 0), ("other", len(inputs.CHANGED))):
                _say(f"plan: {changes} changes, hosts: {count}, rounds: {rounds}")
                made.append(bench.plans(wanted, count, rounds))
        for count in (1, HOSTS):
            _say(f"apply: {len(inputs.CHANGED)} changes, hosts: {count}, rounds: {CHANGES}")
            made.append(bench.changes(count, CHANGES))
        _say(f"apply again what is there already, hosts: {HOSTS}")
        return tuple(made), bench.repetition()


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
