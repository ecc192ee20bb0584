"""A program between sshd and every command of root: it obeys orders, and cuts commands off.

The orders, and the places in a change that they name, are described in `cut.pl`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.host import Host
from tests.hosts.lab import STATE

# On the disk, where no scan looks: what is in memory does not outlive a power cut.
FOLDER = "/var/lib/faults"
PROGRAM = f"{FOLDER}/cut.pl"
_KEYS = "/root/.ssh/authorized_keys"
# What sshd of the host does for every command: the first line of the orders is for the next one.
_INSTALL = f"""
mkdir -m 700 {FOLDER}
cat >{PROGRAM}
sed -i 's|^|command="/usr/bin/perl {PROGRAM}" |' {_KEYS}
sync
"""
_REMOVE = f"""
sed -i 's|^command="[^"]*" ||' {_KEYS}
rm -r {FOLDER}
"""
LOG = f"cat {FOLDER}/log || :\n"
_HELD = f"{FOLDER}/held"
# The command stands still until that is seen, and then goes on by itself.
HOLD = f"touch {_HELD}; sleep 4"
# The process that works on the journal, by the journal's own word.
BUSY = f"$(readlink {STATE}/journal/busy | cut -d . -f 2)"
# It stands still for good; what it has started goes on.
STOP = f"kill -STOP {BUSY}; touch {_HELD}"


@dataclass(frozen=True)
class Point:
    """One change of a host, as the kernel saw it: its number, kind and object.

    is_borrowed: made by a program of the distribution, or by what that has started.
    """

    number: int
    kind: str
    what: str
    is_borrowed: bool

    def is_like(self, other: Point) -> bool:
        """Whether both are writes into one file."""
        return self.kind == "write" and (self.kind, self.what) == (other.kind, other.what)

    @property
    def takes_room(self) -> bool:
        """Whether a full disk can refuse it."""
        is_disk = not self.what.startswith(("/proc/", "/sys/", "/dev/", "/run/"))
        return is_disk and self.kind in ("create", "write", "mkdir", "link", "rename")


@dataclass(frozen=True)
class Cutter:
    """A host with the program in its place."""

    host: Host

    def install(self) -> None:
        """Put the cutter in, where no scan looks."""
        self.host.run(_INSTALL, input=(Path(__file__).parent / "cut.pl").read_text())

    def remove(self) -> None:
        """Take the cutter out."""
        self.host.run(_REMOVE)

    def order(self, *orders: str) -> None:
        """Say what becomes of the next commands, one after the other; the rest passes."""
        self.host.run(f"cat >{FOLDER}/orders", input="".join(f"{one}\n" for one in orders))

    def seen(self) -> tuple[Point, ...]:
        """Return what the last command that had an order has changed, up to its end."""
        return read_points(self.host.run(LOG).stdout)

    def is_held(self) -> bool:
        """Wait until a command that was ordered to hold or stop stands still; whether one does.

        By an account whose commands take no orders.
        """
        rounds = f"for i in $(seq 1200); do sudo test ! -e {_HELD} || break; sleep 0.05; done"
        done = self.host.run(
            f"{rounds}; sudo rm {_HELD}", user="operator", timeout=120, check=False
        )
        return done.returncode == 0


@contextmanager
def ordered(host: Host, *orders: str) -> Iterator[Cutter]:
    """Have the next commands of a host obey, one after the other, for a while."""
    cutter = Cutter(host)
    cutter.install()
    try:
        cutter.order(*orders)
        yield cutter
    finally:
        cutter.remove()


def read_points(log: str) -> tuple[Point, ...]:
    """Return what a log of the program has, a line each."""
    lines = (line.split("\t") for line in log.splitlines())
    return tuple(Point(int(at), kind, what, by == "borrowed") for at, kind, what, by in lines)
