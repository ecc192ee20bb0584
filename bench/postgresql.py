"""pgbench with three sets of settings in turn: `python -m bench.postgresql`.

The distribution's defaults, our profile, and what pgtune gives for that machine, all with full
durability. They take turns in an order drawn for each round; each is a restart, a warm-up and two
runs. A difference counts when the whole interval of the ratios is on one side of one.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from bench import hosts
from bench.redis import interval
from bench.timing import BenchFailed
from testbed.errors import TestbedError
from testbed.nspawn import NspawnHost

PROFILE = "production"
ROUNDS = 6
SCALE = 30
GOAL = 1.3
TESTS: Mapping[str, str] = {"TPC-B": "", "select-only": "-S"}
_SEED = 11
_CLUSTER = "/etc/postgresql/15/main"
_PGBENCH = "runuser -u postgres -- /usr/lib/postgresql/15/bin/pgbench"
_RUN = f"cd /; {_PGBENCH} -n -c 8 -j 2 -T {{seconds}} {{test}} bench"
_TPS = re.compile(r"tps = ([0-9.]+)")

Figures = Mapping[str, float]


def main() -> int:
    """Measure, print, and return the exit status; a missed goal is no failure."""
    skipped = hosts.impossible_here()
    if skipped:
        print(f"bench: pgbench left out: {skipped}", file=sys.stderr)
        return 0
    try:
        rounds = _measured()
    except (BenchFailed, TestbedError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n".join(report(rounds)))
    return 0


def _measured() -> list[Mapping[str, Figures]]:
    """Return for each round the figures of each set of settings."""
    draw = random.Random(_SEED)  # noqa: S311 - an order, not a secret
    with (
        tempfile.TemporaryDirectory(prefix="optimizer-bench-", dir="/var/tmp") as folder,
        NspawnHost("bench-postgresql", packages=("postgresql",)) as host,
    ):
        bench = _Bench(host, Path(folder))
        bench.fill()
        rounds = []
        for number in range(ROUNDS):
            order = draw.sample(("defaults", "profile", "pgtune"), 3)
            rounds.append({settings: bench.figures(settings) for settings in order})
            print(f"bench: pgbench, round {number + 1} of {ROUNDS}", file=sys.stderr)
        return rounds


class _Bench:
    """One host with one cluster, and the settings that it runs with."""

    def __init__(self, host: NspawnHost, folder: Path) -> None:
        self._host = host
        self._inventory = folder / "inventory.py"
        self._inventory.write_text(f"hosts = [('postgresql', {hosts.connection(host)!r})]\n")
        self._environment = {**os.environ, "OPTIMIZER_STATE_DIR": str(folder / "state")}

    def fill(self) -> None:
        """Make the tables."""
        make = "cd /; runuser -u postgres -- createdb bench"
        self._host.run(f"{make} && {_PGBENCH} -i -q -s {SCALE} bench", timeout=600)

    def figures(self, settings: str) -> Figures:
        """Bring the settings about, warm up, and measure; test -> transactions a second."""
        words = ("--only", "postgresql.*", "--allow", "restart", "--yes")
        if settings == "profile":
            self._optimizer("apply", str(self._inventory), "--profile", PROFILE, *words)
        if settings == "pgtune":
            self._host.run(f"cat >{_CLUSTER}/conf.d/pgtune.conf", input=self._pgtune())
            self._host.run("systemctl restart postgresql@15-main")
        try:
            self._tps("", 3)
            self._host.run("cd /; runuser -u postgres -- psql -qc CHECKPOINT")
            return {test: self._tps(option, 8) for test, option in TESTS.items()}
        finally:
            if settings == "profile":
                self._optimizer("rollback", str(self._inventory), "--allow", "restart", "--yes")
            if settings == "pgtune":
                self._host.run(f"rm {_CLUSTER}/conf.d/pgtune.conf")
                self._host.run("systemctl restart postgresql@15-main")

    def _tps(self, option: str, seconds: int) -> float:
        said = self._host.run(_RUN.format(seconds=seconds, test=option), timeout=120).stdout
        found = _TPS.search(said)
        if found is None:
            raise BenchFailed(f"pgbench said {said[-300:]}")
        return float(found[1])

    def _pgtune(self) -> str:
        """What pgtune (commit 7caef27) gives for OLTP on this machine, with 100 connections."""
        ram = int(self._host.run("awk '/MemTotal/ { print $2 }' /proc/meminfo").stdout)
        buffers = ram // 4
        work = max(4096, (ram - buffers) // (3 * (100 + 8)))
        return (
            f"shared_buffers = {buffers}kB\neffective_cache_size = {ram * 3 // 4}kB\n"
            f"maintenance_work_mem = {min(ram // 16, 8 * 2**20)}kB\nwork_mem = {work}kB\n"
            "wal_buffers = 16MB\nmin_wal_size = 2GB\nmax_wal_size = 8GB\n"
            "checkpoint_completion_target = 0.9\ndefault_statistics_target = 100\n"
            "random_page_cost = 1.1\neffective_io_concurrency = 200\nhuge_pages = off\n"
            "jit = off\nwal_compression = lz4\n"
        )

    def _optimizer(self, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "optimizer.cli", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchFailed(f"optimizer {words[0]}: {done.stdout[-800:]} {done.stderr[-800:]}")


def report(rounds: Sequence[Mapping[str, Figures]]) -> list[str]:
    """Lay medians and intervals out for a terminal, and say whether the goals are met."""
    lines = [
        f"pgbench, 8 clients, scale {SCALE}, {len(rounds)} rounds in drawn order; medians of",
        "transactions a second, and the median of the ratios with its 95% interval (bootstrap).",
        "",
    ]
    for test in TESTS:
        found = {name: [one[name][test] for one in rounds] for name in rounds[0]}
        middle = {name: median(figures) for name, figures in found.items()}
        lines.append(
            f"{test:12} defaults {middle['defaults']:8.0f}  pgtune {middle['pgtune']:8.0f}  "
            f"{PROFILE} {middle['profile']:8.0f}"
        )
        for other in ("defaults", "pgtune"):
            ratios = [a / b for a, b in zip(found["profile"], found[other], strict=True)]
            low, high = interval(ratios)
            lines.append(f"  {PROFILE} / {other:9} {median(ratios):.2f} ({low:.2f}–{high:.2f})")
    return [*lines, *_goals(rounds)]


def _goals(rounds: Sequence[Mapping[str, Figures]]) -> list[str]:
    tpc_b = median(one["profile"]["TPC-B"] / one["defaults"]["TPC-B"] for one in rounds)
    sign = "✓" if tpc_b >= GOAL else "✗"
    lines = [f"{sign} TPC-B at least {GOAL} times the defaults: {tpc_b:.2f}"]
    for test in TESTS:
        ratios = [one["profile"][test] / one["pgtune"][test] for one in rounds]
        low, high = interval(ratios)
        sign = "✓" if high >= 1.0 else "✗"
        lines.append(
            f"{sign} {test} not behind pgtune: {median(ratios):.2f} ({low:.2f}–{high:.2f})"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
