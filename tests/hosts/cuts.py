"""Power cuts in the middle of a change, at moments that are drawn by chance."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from testbed.host import Host
from tests.hosts.controller import PATIENCE, Outcome, finish
from tests.hosts.lab import STATE

JOURNAL = f"{STATE}/journal"

# How far a change is, said by the host itself each time that it comes further. An emulated machine
# takes long to start a program, so next to none is started.
_FOLLOW = f"""
ours() {{ [ -e /etc/sysctl.d/99-zz-optimizer.conf ] && is=yes || is=no; }}
ours
first=$is
was=
echo ready
for round in $(seq 20000); do
    ours
    if [ ! -e {JOURNAL} ]; then is=${{was:+over}}
    elif [ "$is" != "$first" ]; then is=files
    elif [ -s {JOURNAL}/progress ]; then is=values
    else is=journal; fi
    [ "$is" = "$was" ] || echo "$is"
    [ "$is" != over ] || exit 0
    was=$is
    sleep 0.2
done
"""


@dataclass(frozen=True)
class Moment:
    """When the power is cut: at this share of the time that a change takes from its first write.

    is_alone: the controller dies with the host, so nobody asks afterwards what became of it.
    """

    share: float
    is_alone: bool


def seed() -> int:
    """Return what moments are drawn from: OPTIMIZER_SEED, or another number each time."""
    return int(os.environ.get("OPTIMIZER_SEED") or time.time_ns() % 1_000_000)


def number() -> int:
    """Return how many cuts are asked for: OPTIMIZER_CUTS, or as few as a suite has time for."""
    return int(os.environ.get("OPTIMIZER_CUTS") or 3)


def moments(chance: random.Random, count: int) -> list[Moment]:
    """Draw moments by chance, one in each part of the time, so that all of it is tried."""
    return [Moment((at + chance.random()) / count, chance.random() < 0.5) for at in range(count)]


@dataclass
class Course:
    """What has been heard of a change so far: each phase, and when it began, in seconds."""

    phases: dict[str, float] = field(default_factory=dict)
    ready: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def last(self) -> str:
        """The phase that it has come to."""
        return list(self.phases)[-1]

    def seconds(self) -> float:
        """Return how long it took from its first write until its journal was gone."""
        assert self.over.wait(PATIENCE), "the journal is still there"
        return self.phases["over"] - min(self.phases.values())


@contextmanager
def followed(host: Host) -> Iterator[Course]:
    """Follow the change that is begun on a host within this block."""
    course = Course()
    argv = [*host.endpoint.argv(), _FOLLOW]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=quiet, stdout=subprocess.PIPE, text=True) as process:
        listener = threading.Thread(target=_listen, args=(process, course))
        listener.start()
        try:
            assert course.ready.wait(PATIENCE), f"{host.name} cannot be followed"
            yield course
        finally:
            process.kill()
            listener.join()


def _listen(process: subprocess.Popen[str], course: Course) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        word = line.strip()
        if word == "ready":
            course.ready.set()
            continue
        course.phases[word] = time.monotonic()
        course.begun.set()
        if word == "over":
            course.over.set()


@dataclass(frozen=True)
class Cut:
    """A power cut that has been made.

    phase: how far the change was, as far as it was heard. outcome: of the controller, where that
    lived on.
    """

    moment: Moment
    phase: str
    outcome: Outcome | None

    @property
    def text(self) -> str:
        """What was done, for a person."""
        alone = ", with the controller" if self.moment.is_alone else ""
        return f"at {self.moment.share:.0%} ({self.phase}){alone}"


def cut(
    host: Host, start: Callable[[], subprocess.Popen[str]], moment: Moment, takes: float
) -> Cut:
    """Begin a change, cut the power at a moment of it, and boot the host again.

    start: begins the change, which takes so many seconds from its first write.
    """
    with followed(host) as course:
        process = start()
        if not course.begun.wait(PATIENCE):
            process.kill()
            raise AssertionError(f"nothing was changed: {process.communicate()}")
        time.sleep(moment.share * takes)
        host.power_off()
    if moment.is_alone:
        process.kill()
        process.communicate()
    host.power_on()
    return Cut(moment, course.last, None if moment.is_alone else finish(process))
