"""The optimizer as its user runs it, on one throw-away host of a benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import hosts
from bench.timing import BenchFailed
from testbed.errors import TestbedError
from testbed.host import Host


class Controller:
    """An inventory with one host, and a state directory of its own."""

    def __init__(self, host: Host, folder: Path) -> None:
        """Write the inventory into a folder that is there."""
        self.host = host
        self._inventory = folder / "inventory.py"
        self._inventory.write_text(f"hosts = [({host.name!r}, {hosts.connection(host)!r})]\n")
        self._environment = {**os.environ, "OPTIMIZER_STATE_DIR": str(folder / "state")}

    def optimizer(self, verb: str, *words: str) -> None:
        """Run a verb on the host. BenchFailed: its exit status is not 0."""
        done = subprocess.run(
            [sys.executable, "-m", "optimizer.cli", verb, str(self._inventory), *words],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchFailed(f"optimizer {verb}: {done.stdout[-800:]} {done.stderr[-800:]}")


@contextmanager
def controlled(host: Host) -> Iterator[Controller]:
    """Boot a host and hold a controller for it; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="optimizer-bench-", dir="/var/tmp") as folder, host:
        yield Controller(host, Path(folder))


def run(what: str, report: Callable[[], Iterable[str]]) -> int:
    """Print what a benchmark reports, and return the exit status; a missed goal is no failure."""
    skipped = hosts.impossible_here()
    if skipped:
        print(f"bench: {what} left out: {skipped}", file=sys.stderr)
        return 0
    try:
        lines = report()
    except (BenchFailed, TestbedError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0
