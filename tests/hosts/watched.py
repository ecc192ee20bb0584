"""What the processes of a host show of themselves to everybody: arguments and environments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from testbed.host import Host
from tests.hosts.arranged import arranged

# Copies the command line and the environment of every process, again and again, until told off.
_WATCH = """
systemd-run --quiet --collect --unit=watch sh -c '
while [ ! -e /run/watch.stop ]; do
    cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null >>/run/watch.seen
done'
"""
_END = "touch /run/watch.stop; while systemctl -q is-active watch; do sleep 0.1; done"


class Watch:
    """What was seen until now."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def shows(self, text: str) -> bool:
        """Whether some process has shown a text."""
        # It is looked for by way of standard input, or this would show it.
        found = self._host.run("grep -aqFf - /run/watch.seen", input=text, check=False)
        return found.returncode == 0


@contextmanager
def watched(host: Host) -> Iterator[Watch]:
    """Watch all processes of a host for a while."""
    with arranged(host, _WATCH, f"{_END}; rm /run/watch.*"):
        yield Watch(host)
