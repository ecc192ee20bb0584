"""Cut changes off at every point, on several hosts at once, and print how many they survived.

Of what programs of the distribution write for us, each Nth is a point, as the area says; the first
lines tell how many are borrowed so.

`python -m tests.hosts.faults [--every N] [--hosts N] [AREA...]`: the areas, all of them by default.
The hosts, of both releases by turns, share the points, so that together they have each of them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.hosts.controller import new_controller
from tests.hosts.faults.area import AREAS, Area
from tests.hosts.faults.faulty import FaultyHost
from tests.hosts.faults.sweep import PHASES, Sweep, Verdict
from tests.hosts.faults.ways import WAYS, Way
from tests.hosts.lab import KINDS

PARTS = ("system", "redis", "postgresql", "node", "package", "kernel", "boot")
_BLOCK, _OVERLAP = 24, 2


@dataclass(frozen=True)
class Share:
    """The points that one host takes. at, of: its turn among all hosts; every: how far apart."""

    at: int
    of: int
    every: int

    def of_all(self, numbers: Sequence[int]) -> Iterator[int]:
        """Return this host's part: blocks by turns, each with the beginning of the next one.

        Releases differ by a write here and there, so that points by turns would miss some.
        """
        block = min(_BLOCK, -(-len(numbers) // self.of) or 1)
        for first in range(self.at * block, len(numbers), self.of * block):
            yield from numbers[first : first + block + _OVERLAP]

    def kind(self, area: Area) -> str:
        """Which host that is."""
        return area.hosts[self.at % len(area.hosts)]


@dataclass
class Figures:
    """Points by area, way and phase: how many were tried, and how many survived."""

    tried: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)

    def add(self, key: str, verdict: Verdict) -> None:
        """Count one point."""
        self.tried[key] += 1
        self.survived[key] += verdict.is_survived

    def __add__(self, other: Figures) -> Figures:
        return Figures(self.tried + other.tried, self.survived + other.survived)


class Bench:
    """One furnished host with its recorded sweep; replaced where a point has spoilt it."""

    def __init__(self, kind: str, area: Area) -> None:
        self._kind, self._area = kind, area
        self._stack = ExitStack()

    def __enter__(self) -> Bench:
        self._boot()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _boot(self) -> None:
        self._stack.close()
        host = KINDS[self._kind]()
        self._stack.callback(host.stop)
        host.start()
        # The first boot does things that no later one does.
        host.reboot()
        faulty = FaultyHost(host)
        faulty.install()
        self._area.furnish(host)
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.sweep = Sweep(faulty, self._area, new_controller(folder, host))
        self.sweep.record()

    def cut(self, way: Way, phase: str, number: int) -> Verdict:
        """Cut once; a host that is spoilt by it is given up."""
        verdict = way.cut(self.sweep, phase, number)
        if not verdict.is_survived:
            self._boot()
        return verdict


def main() -> int:
    """Sweep; the exit status is 1 when a host did not survive a point."""
    parser = argparse.ArgumentParser(prog="faults", description="cut changes off at every point")
    parser.add_argument("areas", nargs="*", metavar="AREA", help=", ".join(AREAS))
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth point")
    parser.add_argument("--hosts", type=int, default=2, metavar="N", help="at once; 2 unless told")
    parser.add_argument("--way", action="append", choices=[way.name for way in WAYS])
    arguments = parser.parse_args()
    areas = arguments.areas or PARTS
    if unknown := set(areas) - set(AREAS):
        parser.error(f"no area {', '.join(sorted(unknown))}: there are {', '.join(AREAS)}")
    ways = [way for way in WAYS if way.name in (arguments.way or [way.name])]
    began = time.monotonic()
    shares = [Share(at, arguments.hosts, arguments.every) for at in range(arguments.hosts)]
    with ProcessPoolExecutor(len(shares)) as pool:
        jobs = [pool.submit(_swept, share, areas, ways) for share in shares]
        figures = sum((job.result() for job in jobs), Figures())
    for key, tried in sorted(figures.tried.items()):
        _say(f"{key:48} points tried {tried:4}, survived {figures.survived[key]:4}")
    tried, survived = figures.tried.total(), figures.survived.total()
    minutes = (time.monotonic() - began) / 60
    _say(f"{'all':48} points tried {tried:4}, survived {survived:4}, in {minutes:.0f} minutes")
    return 0 if tried == survived else 1


def _told_points(kind: str, area: Area, sweep: Sweep) -> None:
    """Print how many changes there are, and how many of them are points."""
    for phase in PHASES:
        points = sweep.points[phase]
        borrowed = sum(point.is_borrowed for point in points)
        left = f", {borrowed} borrowed, each {area.borrowed}th a point" if borrowed else ""
        chosen = len(sweep.numbers(phase))
        _say(f"{kind} {area.name} {phase}: {len(points)} changes{left}: {chosen} points")


def _swept(share: Share, areas: list[str], ways: list[Way]) -> Figures:
    """Take one host's points of each area."""
    figures = Figures()
    for area in areas:
        kind = share.kind(AREAS[area])
        with Bench(kind, AREAS[area]) as bench:
            _told_points(kind, AREAS[area], bench.sweep)
            for way in (one for one in ways if area in one.areas):
                for phase, number in _points(bench, way, share):
                    verdict = bench.cut(way, phase, number)
                    figures.add(f"{area}, {phase}: {way.name}", verdict)
                    tell(f"{kind} {area} {phase} {number} {way.name}", verdict)
    return figures


def _points(bench: Bench, way: Way, share: Share) -> Iterator[tuple[str, int]]:
    stride = way.stride * share.every
    for phase in way.phases:
        numbers = bench.sweep.numbers(phase, only_room=way.name == "disk full")
        if way.is_by_boot:
            numbers = [at for at in numbers if not bench.sweep.is_beyond_boot(phase, at)]
        for number in share.of_all(numbers[::stride]):
            yield phase, number


def tell(where: str, verdict: Verdict) -> None:
    """Print what became of one point."""
    point = f"{verdict.point.kind} {verdict.point.what}" if verdict.point else "nothing"
    _say(f"{where} ({point}): {verdict.state or 'NEITHER'}")
    for key, change in list(verdict.left.items())[:9] if not verdict.is_survived else ():
        _say(f"    {key}: {change[0]} → {change[1]}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
