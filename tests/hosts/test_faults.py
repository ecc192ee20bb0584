"""A change that is cut off once at each kind of write: the host is as before, or all is confirmed.

`make faults` cuts it off at every single one, and in more ways.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.hosts.conftest import MakeController
from tests.hosts.faults.area import AREAS
from tests.hosts.faults.faulty import FaultyHost
from tests.hosts.faults.sweep import BEFORE, CONFIRMED, Sweep
from tests.hosts.faults.ways import WAYS
from tests.hosts.lab import Lab

_WAYS = {way.name: way for way in WAYS}


@pytest.fixture
def sweep(lab: Lab, controller: MakeController) -> Iterator[Sweep]:
    """A furnished host, and what a change of values, files, units and timers does on it."""
    host = lab.host("faulty13")
    FaultyHost(host).install()
    area = AREAS["system"]
    area.furnish(host)
    made = Sweep(FaultyHost(host), area, controller(host))
    made.record()
    yield made
    # systemd remembers what was mounted over /etc; the sweep has looked at everything else.
    lab.drop("faulty13")


def test_a_change_that_is_cut_off_leaves_the_host_as_before_or_confirmed(sweep: Sweep) -> None:
    states = set()
    for way, phase, number in _chosen(sweep):
        verdict = _WAYS[way].cut(sweep, phase, number)
        assert verdict.is_survived, f"{way} at {verdict.point} of {phase}: {verdict.left}"
        states.add(verdict.state)
    assert states == {BEFORE, CONFIRMED}


def _chosen(sweep: Sweep) -> Iterator[tuple[str, str, int]]:
    """Choose each kind of write once, in one phase after the other, and the middle of some."""
    last: dict[str, dict[str, int]] = defaultdict(dict)
    for phase in ("apply", "confirm", "restore"):
        for point in sweep.points[phase]:
            last[point.kind][phase] = point.number
    for turn, (_, numbers) in enumerate(sorted(last.items())):
        phase = list(numbers)[turn % len(numbers)]
        yield "killed", phase, numbers[phase]
    for phase in ("apply", "confirm", "restore"):
        yield "disk full", phase, len(sweep.numbers(phase, only_room=True)) // 2
        yield "/etc read-only", phase, len(sweep.numbers(phase)) // 2
    for phase in ("apply", "undo"):
        yield "power cut", phase, len(sweep.numbers(phase)) // 2
