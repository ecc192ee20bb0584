"""A number that one process holds on this machine: its bridge, its subnet, its folder.

The number is held by a lock, so it is free again however the process ends, and whoever takes it
next removes what the former holder left behind.
"""

import ipaddress
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from testbed import cgroups, overlay, traces
from testbed.commands import run
from testbed.errors import TestbedError
from testbed.locks import try_lock
from testbed.paths import LOCKS, cache

NUMBERS = range(1, 60)
PREFIX = "otb"


@dataclass(frozen=True)
class Slot:
    """What one process has for its hosts."""

    number: int
    folder: Path
    lock: int

    @property
    def bridge(self) -> str:
        """Name of the bridge that its containers hang on."""
        return f"{PREFIX}{self.number}"

    @property
    def dead_end(self) -> str:
        """Name of a bridge that is never up."""
        return f"{self.bridge}x"

    @property
    def subnet(self) -> ipaddress.IPv4Network:
        """Addresses of the bridge (the first) and of its containers."""
        return _subnet(self.number)

    def release(self) -> None:
        """Remove all that belongs to the slot and let go of the number."""
        _sweep(self.number, self.folder)
        (LOCKS / f"{self.number}.lock").write_text("")
        os.close(self.lock)


def take() -> Slot:
    """A slot that no other process holds and whose addresses are unused here.

    Raises TestbedError if there is none.
    """
    for number in NUMBERS:
        path = LOCKS / f"{number}.lock"
        lock = try_lock(path)
        if lock is None:
            continue
        former = path.read_text().strip()
        _sweep(number, Path(former) if former else None)
        path.write_text("")
        if _is_free(_subnet(number)):
            parent = cache() / "hosts"
            parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{number}-", dir=parent))
            path.write_text(f"{folder}\n")
            return Slot(number, folder, lock)
        os.close(lock)
    raise TestbedError("no free subnet for test hosts: see `ip route` and OPTIMIZER_TESTBED_NET")


def sweep_all() -> list[int]:
    """Remove what processes that were killed have left behind; the numbers still held by others."""
    held = []
    for path in sorted(LOCKS.glob("[0-9]*.lock")):
        lock = try_lock(path)
        if lock is None:
            held.append(int(path.stem))
            continue
        former = path.read_text().strip()
        _sweep(int(path.stem), Path(former) if former else None)
        path.write_text("")
        os.close(lock)
    return held


def _subnet(number: int) -> ipaddress.IPv4Network:
    # The first two numbers of the addresses, for a machine that uses these already.
    net = os.environ.get("OPTIMIZER_TESTBED_NET") or "10.213"
    return ipaddress.IPv4Network(f"{net}.{number}.0/24")


def _is_free(subnet: ipaddress.IPv4Network) -> bool:
    for route in json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]"):
        if route["dst"] != "default" and ipaddress.ip_network(route["dst"]).overlaps(subnet):
            return False
    return True


def _sweep(number: int, folder: Path | None) -> None:
    """Take away containers, bridges, mounts and folder; each of them may be gone already."""
    bridge = f"{PREFIX}{number}"
    for cgroup in cgroups.of_slot(bridge):
        cgroups.remove(cgroup)
    for name in (bridge, f"{bridge}x"):
        if Path(f"/sys/class/net/{name}").exists():
            run(["ip", "link", "delete", name], check=False)
    if folder is None or not folder.is_dir():
        return
    for disk in folder.glob("*/disk"):
        traces.remove(disk.parent.name, disk / "root")
        overlay.unmount(disk)
    shutil.rmtree(folder, ignore_errors=True)
