"""Running a program and measuring it; two programs in turn; medians and the spread of ratios."""

from __future__ import annotations

import os
import shlex
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Seconds after which a run hangs, also on a machine that is busy with something else.
_PATIENCE = 180.0
# Seconds after which no further round begins, once there are enough to see a spread.
_ENOUGH = 15.0
_FEWEST = 2


class BenchFailed(Exception):
    """A run did not do what was to be measured, so there is nothing to report."""


@dataclass(frozen=True)
class Command:
    """A command line with all it depends on."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path


@dataclass(frozen=True)
class Run:
    """One whole process, from its start to its end.

    wall, cpu: seconds; cpu is user and system time of the process and the children it
    waited for. started, ended: seconds since the epoch, as logs of the hosts have them.
    """

    wall: float
    cpu: float
    started: float
    ended: float


@dataclass(frozen=True)
class Pair:
    """One run of each of two programs, one right after the other."""

    ours: Run
    theirs: Run


@dataclass(frozen=True)
class Spread:
    """A median with the lowest and the highest of what it was taken from."""

    median: float
    low: float
    high: float


def run(command: Command) -> Run:
    """Run a command to its end. BenchFailed: it hangs, or ends with another status than 0."""
    with tempfile.TemporaryFile() as output:
        started, begun = time.time(), time.perf_counter()
        process = subprocess.Popen(
            command.argv,
            env=command.environment,
            cwd=command.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        watch = threading.Timer(_PATIENCE, os.kill, (process.pid, signal.SIGKILL))
        watch.start()
        try:
            # subprocess would not tell what the process has used.
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            watch.cancel()
        wall, ended = time.perf_counter() - begun, time.time()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            tail = output.read().decode(errors="replace").splitlines()[-15:]
            raise BenchFailed(_failure(command, process.returncode, tail))
    return Run(wall, usage.ru_utime + usage.ru_stime, started, ended)


def _failure(command: Command, status: int, tail: Sequence[str]) -> str:
    why = f"killed after {_PATIENCE:.0f} s" if status == -signal.SIGKILL else f"exit {status}"
    return "\n".join([f"{why} of: {shlex.join(command.argv)}", *tail])


def alternate(
    ours: Command, theirs: Command, rounds: int, after_each: Callable[[], None] = lambda: None
) -> tuple[Pair, ...]:
    """Run two commands in turn, A B A B and so on, so that both meet the same load.

    rounds: at most; there are fewer where they take long. after_each: makes the hosts again
    what they were; it is not measured.
    """
    pairs: list[Pair] = []
    begun = time.monotonic()
    while len(pairs) < rounds:
        if len(pairs) >= _FEWEST and time.monotonic() - begun > _ENOUGH:
            break
        first = run(ours)
        after_each()
        second = run(theirs)
        after_each()
        pairs.append(Pair(first, second))
    return tuple(pairs)


def spread(numbers: Sequence[float]) -> Spread:
    """Return the median, the lowest and the highest."""
    return Spread(statistics.median(numbers), min(numbers), max(numbers))


def ratios(pairs: Sequence[Pair], measure: Callable[[Run], float]) -> Spread:
    """Return how many times what we need the others need, pair by pair."""
    return spread([measure(pair.theirs) / measure(pair.ours) for pair in pairs])
