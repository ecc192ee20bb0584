"""A confirmation that stands still at one of its changes for good, and a controller that dies."""

from __future__ import annotations

from testbed.host import Host
from tests.hosts.controller import Controller
from tests.hosts.faults.cutter import STOP, ordered


def stop_confirmation(host: Host, one: Controller, place: str, *words: str) -> None:
    """Apply with `words`, stop the confirmation at a place, and kill the controller then.

    What the confirmation has started goes on. place: as an order has it, `cut.pl`.
    """
    with ordered(host, "pass", "pass", f"strike {place} {STOP}") as cutter:
        running = one.start("apply", one.inventory, *words, "--yes", "--format", "json")
        assert cutter.is_held(), f"the confirmation never came to {place}"
        running.kill()
        running.communicate()
