"""pgbench with several sets of settings in turn: `python -m bench.postgresql`.

The distribution's defaults, our profile, and what pgtune gives for that machine, all with full
durability, in an order drawn for each round. They are tried twice: on the disk as it is, where the
processors decide, and on one that is limited like a usual cloud volume, where what is written
decides. There the load runs until the defaults had their first checkpoint before it is measured:
a server that is not idle never has a time without one. A difference counts when the whole interval
of the ratios is on one side of one.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median

from bench import volume
from bench.controller import Controller, controlled, run
from bench.redis import interval
from bench.timing import BenchFailed
from testbed.host import Host
from testbed.nspawn import NspawnHost
from testbed.paths import cache

PROFILE = "production"
GOAL = 1.3
SETTINGS = ("defaults", "pgtune", "profile")
_NAMES: Mapping[str, str] = {"defaults": "defaults", "pgtune": "pgtune", "profile": PROFILE}
_SEED = 11
_CLUSTER = "/etc/postgresql/15/main"
_PGBENCH = "cd /; runuser -u postgres -- /usr/lib/postgresql/15/bin/pgbench"
_TPS = re.compile(r"tps = ([0-9.]+)")

Figures = Mapping[str, float]
Round = Mapping[str, Figures]


@dataclass(frozen=True)
class Load:
    """What pgbench does, by its option, and for how many seconds, before measuring and while."""

    option: str
    warm_up: int
    seconds: int


@dataclass(frozen=True)
class Place:
    """Where pgbench runs, with which loads, and how often."""

    title: str
    clients: int
    scale: int
    rounds: int
    loads: Mapping[str, Load]
    is_limited: bool


SELECT_ONLY = "select-only"
TPC_B = "TPC-B"
PLACES = (
    Place(
        "the disk as it is",
        clients=8,
        scale=30,
        rounds=6,
        loads={SELECT_ONLY: Load("-S", 3, 15), TPC_B: Load("", 3, 15)},
        is_limited=False,
    ),
    Place(
        f"a volume of {volume.IOPS} requests and {volume.BYTES // 2**20} MiB a second",
        clients=32,
        scale=100,
        rounds=4,
        loads={TPC_B: Load("", 30, 90)},
        is_limited=True,
    ),
)


def main() -> int:
    """Measure, print, and return the exit status; a missed goal is no failure."""
    return run("pgbench", _reports)


def _reports() -> list[str]:
    return [line for place in PLACES for line in _report_of(place)]


def _report_of(place: Place) -> list[str]:
    skipped = volume.why_not() if place.is_limited else ""
    return (
        [f"pgbench on {place.title} left out: {skipped}"]
        if skipped
        else report(place, _measured(place))
    )


def _measured(place: Place) -> list[Round]:
    """Return for each round the figures of each set of settings."""
    draw = random.Random(_SEED)  # noqa: S311 - an order, not a secret
    limits = volume.limited(cache()) if place.is_limited else nullcontext()
    host = NspawnHost("bench-postgresql", packages=("postgresql",))
    with limits, controlled(host) as controller:
        bench = _Bench(host, controller, place)
        bench.fill()
        rounds: list[Round] = []
        for number in range(place.rounds):
            order = draw.sample(SETTINGS, len(SETTINGS))
            rounds.append({settings: bench.figures(settings) for settings in order})
            print(f"bench: pgbench, round {number + 1} of {place.rounds}", file=sys.stderr)
        return rounds


class _Bench:
    """One host with one cluster, and the settings that it runs with."""

    def __init__(self, host: Host, controller: Controller, place: Place) -> None:
        self._host = host
        self._controller = controller
        self._place = place

    def fill(self) -> None:
        """Make the tables."""
        self._host.run("cd /; runuser -u postgres -- createdb bench")
        self._host.run(f"{_PGBENCH} -i -q -s {self._place.scale} bench", timeout=900)

    def figures(self, settings: str) -> Figures:
        """Bring the settings about, and measure; load -> transactions a second."""
        self._bring_about(settings)
        try:
            return {name: self._figure(load) for name, load in self._place.loads.items()}
        finally:
            self._take_back(settings)

    def _figure(self, load: Load) -> float:
        self._host.run("cd /; runuser -u postgres -- psql -qc CHECKPOINT", timeout=300)
        # Without -n it first clears away what the run before has left in the small tables.
        self._tps(load.option, load.warm_up)
        return self._tps(f"-n {load.option}", load.seconds)

    def _bring_about(self, settings: str) -> None:
        if settings == "profile":
            words = ("--only", "postgresql.*", "--allow", "restart", "--yes")
            self._controller.optimizer("apply", "--profile", PROFILE, *words)
        if settings == "pgtune":
            self._host.run(f"cat >{_CLUSTER}/conf.d/pgtune.conf", input=self._pgtune())
            self._restart()

    def _take_back(self, settings: str) -> None:
        if settings == "profile":
            self._controller.optimizer("rollback", "--allow", "restart", "--yes")
        if settings == "pgtune":
            self._host.run(f"rm {_CLUSTER}/conf.d/pgtune.conf")
            self._restart()

    def _restart(self) -> None:
        self._host.run("systemctl restart postgresql@15-main", timeout=300)

    def _tps(self, option: str, seconds: int) -> float:
        load = f"{_PGBENCH} -c {self._place.clients} -j 2 -T {seconds} {option} bench"
        said = self._host.run(load, timeout=seconds + 120).stdout
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


def report(place: Place, rounds: Sequence[Round]) -> list[str]:
    """Lay medians and intervals out for a terminal, and say whether the goals are met."""
    lines = [
        f"pgbench on {place.title}: {place.clients} clients, scale {place.scale}, {len(rounds)} "
        "rounds in drawn",
        "order; medians of transactions a second, and of the ratios with their 95% interval.",
        "",
    ]
    for test in place.loads:
        lines.append(test)
        for settings in SETTINGS:
            middle = median(each[settings][test] for each in rounds)
            _, text = _ratio(rounds, test, settings, "defaults")
            lines.append(f"  {_NAMES[settings]:12} {middle:8.0f}  {text} of the defaults")
    return [*lines, *_goals(place, rounds), ""]


def _ratio(
    rounds: Sequence[Round], test: str, settings: str, other: str
) -> tuple[tuple[float, float], str]:
    """Return the interval of the ratio of settings to others, and all of it as text."""
    ratios = [one[settings][test] / one[other][test] for one in rounds]
    low, high = interval(ratios)
    return (low, high), f"{median(ratios):.2f} ({low:.2f}–{high:.2f})"


def _goals(place: Place, rounds: Sequence[Round]) -> Iterator[str]:
    if place.is_limited:
        ratio = median(one["profile"][TPC_B] / one["defaults"][TPC_B] for one in rounds)
        yield f"{_sign(ratio >= GOAL)} TPC-B at least {GOAL} times the defaults: {ratio:.2f}"
    for test in place.loads:
        (_, high), text = _ratio(rounds, test, "profile", "pgtune")
        yield f"{_sign(high >= 1.0)} {test} not behind pgtune: {text}"


def _sign(is_met: bool) -> str:
    return "✓" if is_met else "✗"


if __name__ == "__main__":
    sys.exit(main())
