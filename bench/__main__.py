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
from bench.measuring import Comparison, Repetition, Setting, Workbench
from bench.timing import BenchFailed, Pair, Run, alternate, run
from testbed.errors import TestbedError

HOSTS = 10
STARTS, IMPORTS = 15, 5
PLANS_OF_ONE, PLANS_OF_MANY, CHANGES = 5, 3, 3
PROGRAMS = Path(sys.executable).parent
# What both need before they can reach a host.
PYINFRA = "import pyinfra_cli.inventory, pyinfra.api, pyinfra.connectors.ssh"


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
    setting = Setting(folder, PROGRAMS, _environment(folder))
    starts, imports = _starts(setting)
    skipped = hosts.impossible_here()
    comparisons: tuple[Comparison, ...] = ()
    repetition: Repetition | None = None
    if not skipped:
        comparisons, repetition = _on_hosts(setting)
    return report.Report(
        machine=report.machine(load),
        starts=starts,
        imports=imports,
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


def _starts(setting: Setting) -> tuple[tuple[Pair, ...], tuple[Run, ...]]:
    _say(f"start: {STARTS} times --help, and as often Python itself")
    ours = setting.command("optimizer", "--help")
    python = setting.command("python", "-c", "pass")
    pyinfra = setting.command("python", "-c", PYINFRA)
    for command in (ours, python, pyinfra):
        run(command)
    return alternate(ours, python, STARTS), tuple(run(pyinfra) for _ in range(IMPORTS))


def _on_hosts(setting: Setting) -> tuple[tuple[Comparison, ...], Repetition]:
    _say(f"hosts: booting {HOSTS} containers")
    with hosts.booted(HOSTS) as running:
        bench = Workbench(setting, running)
        made = []
        for count, rounds in ((1, PLANS_OF_ONE), (HOSTS, PLANS_OF_MANY)):
            for wanted, changes in (("same", 0), ("other", len(inputs.CHANGED))):
                _say(f"plan: {changes} changes, hosts: {count}")
                made.append(_shown(bench.plans(wanted, count, rounds)))
        for count in (1, HOSTS):
            _say(f"apply: {len(inputs.CHANGED)} changes, hosts: {count}")
            made.append(_shown(bench.changes(count, CHANGES)))
        _say(f"apply again what is there already, hosts: {HOSTS}")
        return tuple(made), bench.repetition()


def _shown(one: Comparison) -> Comparison:
    """Print a row at once, for whoever watches."""
    _say(report.row(one))
    return one


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
