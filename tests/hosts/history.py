"""What a host itself has written down of its changes, and when."""

from __future__ import annotations

from datetime import datetime

from testbed.host import Host
from tests.hosts.controller import QUICK
from tests.hosts.lab import STATE

# What a loaded machine may add to a timer, in seconds.
_SLACK = 8


def events(host: Host) -> dict[str, datetime]:
    """Return what happened on a host, and when the last of its kind did; empty: nothing yet."""
    said = host.run(f"cat {STATE}/history 2>/dev/null", check=False).stdout
    rows = (line.split("\t") for line in said.splitlines())
    return {event: datetime.fromisoformat(time) for time, _, event, *_ in rows}


def expect_in_time(host: Host) -> None:
    """Expect that a change which waited QUICK seconds for its confirmation was over then."""
    at = events(host)
    assert (at["restored"] - at["applied"]).total_seconds() <= int(QUICK) + _SLACK
