"""The bridge of one slot, the addresses on it, and a dead end to cut hosts off with."""

import threading
from pathlib import Path

from testbed.commands import run
from testbed.errors import TestbedError
from testbed.slot import Slot

FIRST, LAST = 10, 254
_guard = threading.Lock()
_next_host: dict[Path, int] = {}


def ensure(slot: Slot) -> None:
    """Make the bridges of `slot` if they are not there; this machine has the first address."""
    with _guard:
        if _exists(slot.bridge):
            return
        run(["ip", "link", "add", slot.dead_end, "type", "bridge"])
        # Without an address of its own a bridge takes that of a port, and changes it with the
        # ports, which the neighbours notice only after a while.
        hardware = f"02:0b:ed:00:00:{slot.number:02x}"
        run(["ip", "link", "add", slot.bridge, "address", hardware, "type", "bridge"])
        # IPv6 would only add traffic of its own.
        run(["ip", "link", "set", slot.bridge, "addrgenmode", "none"])
        run(["ip", "address", "add", f"{slot.subnet[1]}/24", "dev", slot.bridge])
        run(["ip", "link", "set", slot.bridge, "up"])


def next_number(slot: Slot) -> int:
    """The last byte of an address that no other host of this slot has had.

    Raises TestbedError when all are used up.
    """
    with _guard:
        number = _next_host.get(slot.folder, FIRST)
        if number > LAST:
            raise TestbedError(f"a process can start {LAST - FIRST + 1} containers in all")
        _next_host[slot.folder] = number + 1
        return number


def cut_off(slot: Slot, port: str) -> None:
    """Let all packets of `port` vanish.

    The dead end is never up, so its ports pass nothing, and the link of the host stays up:
    neither end can tell it from a silent network.
    """
    run(["ip", "link", "set", port, "master", slot.dead_end])


def connect(slot: Slot, port: str) -> None:
    """Put `port` back on the bridge."""
    run(["ip", "link", "set", port, "master", slot.bridge])


def delete_port(port: str) -> None:
    """Remove the interface `port`; harmless if the kernel has done so already."""
    if _exists(port):
        run(["ip", "link", "delete", port], check=False)


def _exists(interface: str) -> bool:
    return Path(f"/sys/class/net/{interface}").exists()
