"""Cgroups of hosts: each one's processes can be killed all at once, whatever they do."""

import contextlib
import os
import time
from pathlib import Path

from testbed.errors import TestbedError

# Seconds after which a cgroup that is still busy is given up: its processes hang in the kernel.
GIVE_UP = 20.0


def root() -> Path:
    """Where this machine has the cgroup v2 hierarchy, in hybrid setups too.

    Raises TestbedError if it has none.
    """
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind = line.split()[:3]
        if kind == "cgroup2":
            return Path(target)
    raise TestbedError("this machine has no cgroup2 file system mounted")


def of_host(machine: str) -> Path:
    """The cgroup of a host, existing or not."""
    return root() / f"testbed-{machine}"


def of_slot(bridge: str) -> list[Path]:
    """The cgroups that exist for hosts on a bridge."""
    return sorted(root().glob(f"testbed-{bridge}-*"))


def kill(cgroup: Path) -> None:
    """Kill everything in the cgroup; returns before all of it has ended."""
    with contextlib.suppress(FileNotFoundError):
        (cgroup / "cgroup.kill").write_text("1")


def remove(cgroup: Path) -> None:
    """Kill what is in the cgroup, wait until it has ended, and remove the cgroup."""
    if not cgroup.is_dir():
        return
    kill(cgroup)
    deadline = time.monotonic() + GIVE_UP
    while "populated 1" in (cgroup / "cgroup.events").read_text():
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)
    for folder, _, _ in os.walk(cgroup, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
