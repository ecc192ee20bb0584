"""A host whose remote commands can be cut off at any write, and replayed without a controller.

`cut.pl` stands between sshd and every command. A run of the real command line is recorded once:
the very bytes that the controller sent are then sent again, and cut off somewhere else each time.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.host import Host
from tests.hosts.lab import STATE

# On the disk, where no scan looks: what is in memory does not outlive a power cut.
FOLDER = "/var/lib/faults"
# In the name of data that a rollback keeps for its owner.
SET_ASIDE = ".set-aside-"
_CUTTER = f"{FOLDER}/cut.pl"
_KEYS = "/root/.ssh/authorized_keys"
# What sshd of the host does for every command: the first line of the orders is for the next one.
_INSTALL = f"""
mkdir -m 700 {FOLDER}
cat >{_CUTTER}
sed -i 's|^|command="/usr/bin/perl {_CUTTER}" |' {_KEYS}
sync
"""
_REMOVE = f"""
sed -i 's|^command="[^"]*" ||' {_KEYS}
rm -r {FOLDER}
"""
# How the engine has the far shell take a program, for an account that is root.
_RECEIVE = shlex.quote('IFS= read -r secret; eval "$(cat)"')
# Servers come back by themselves, or are started; the next look at the host, here that of the plan,
# takes what a killed one has left.
_MEND = f"""
for path in /tmp/optimizer-probe.*; do
    [ ! -e "$path" ] || sh -c {_RECEIVE} <{FOLDER}/plan >/dev/null
done
for unit in redis-server.service 'postgresql@*.service'; do
    systemctl is-active -q "$unit" || systemctl start "$unit" 2>/dev/null
done
"""
# What the timer does, ahead of its time, and then it is spent. systemd goes on trying; a restore
# that fails again and again is not waited for.
_FIRE = f"""
[ ! -e {FOLDER}/read-only ] || {{ umount -l /etc; rm {FOLDER}/read-only; }}
timers=$(systemctl list-units --plain --no-legend 'optimizer-restore-*.timer' | cut -d ' ' -f 1)
for timer in $timers; do
    unit=${{timer%.timer}}.service
    systemctl start $unit
    for try in $(seq 900); do
        systemctl is-active $unit | grep -q '^activ' || break
        sleep 0.1
    done
    [ "$try" != 900 ] || tries=1
    systemctl stop $timer 2>/dev/null
done
"""
# A host is back when nothing is armed and no command under way; nothing will change any more.
_SETTLE = """
armed() { systemctl list-units --all --plain --no-legend 'optimizer-restore-*' | grep -q .; }
for try in $(seq ${tries:-3000}); do
    armed || pgrep -x perl >/dev/null || break
    sleep 0.1
done
"""
# Each boot has a name, and a change that was planned in another one is refused.
_REDATE = f"""
line="BOOT='$(cat /proc/sys/kernel/random/boot_id)'"
sed -i "s/^BOOT=.*/$line/" {FOLDER}/apply {FOLDER}/undo
grep -qx "$line" {FOLDER}/apply || exit 1
"""
READ_ONLY = f"mount --bind /etc /etc; mount -o remount,bind,ro /etc; touch {FOLDER}/read-only"
# What a rollback has set aside is its owner's; it would be in the way of the next one.
_FORGET = f"rm -rf /var/lib/redis/*{SET_ASIDE}*\n"
_LOG = f"cat {FOLDER}/log || :\n"
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
class FaultyHost:
    """A host with the cutter between sshd and its commands."""

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
        return _read(self.host.run(_LOG).stdout)

    def keep(self, *names: str) -> dict[str, tuple[Point, ...]]:
        """Name the programs that were recorded since the last time; return their points."""
        points = {}
        for at, name in enumerate(names, start=1):
            here = f"{FOLDER}/program.{at}"
            said = self.host.run(f"mv {here} {FOLDER}/{name}; cat {here}.log; rm {here}.log")
            points[name] = _read(said.stdout)
        return points

    def run(self, *programs: str) -> None:
        """Send recorded programs again, uncut."""
        self.host.run(_FORGET + "".join(map(_sent, programs)), timeout=300)

    def clear(self) -> None:
        """Forget what changes have recorded."""
        self.host.run(f"rm -rf {STATE}")

    def cut(self, *programs: tuple[str, str]) -> tuple[Point, ...]:
        """Send programs again, each as ordered; then have the timer at once, and wait.

        programs: name and order; `restore` is what the timer runs. Returns what the last one has
        changed, up to its end.
        """
        said = self.host.run(_all_sent(programs) + _FIRE + _SETTLE + _MEND + _LOG, timeout=400)
        return _read(said.stdout)

    def lose_power(self, *programs: tuple[str, str]) -> tuple[Point, ...]:
        """As `cut`, but with the power cut right then, and no timer."""
        said = self.host.run(_all_sent(programs) + _LOG, timeout=400)
        self.host.power_cut()
        # What needs servers that have been started is put back behind the boot.
        self.host.run(_REDATE + _SETTLE + _MEND, timeout=400)
        return _read(said.stdout)

    def settle(self) -> tuple[Point, ...]:
        """Wait for the timer itself."""
        return _read(self.host.run(f"{_SETTLE}{_MEND}{_LOG}", timeout=400).stdout)

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
def ordered(host: Host, *orders: str) -> Iterator[FaultyHost]:
    """Have the next commands of a host obey, one after the other, for a while."""
    faulty = FaultyHost(host)
    faulty.install()
    try:
        faulty.order(*orders)
        yield faulty
    finally:
        faulty.remove()


def _all_sent(programs: Iterable[tuple[str, str]]) -> str:
    sent = "".join(_sent(name, order) for name, order in programs)
    return f"rm -f {FOLDER}/log\n{_FORGET}{sent}"


def _sent(name: str, order: str = "") -> str:
    """Return the command that sends a program, as ordered if it is."""
    if name == "restore":
        run = f"$(awk '$1 == \"run\" {{ print $2 }}' {STATE}/journal/manifest)"
        program, given = f"sh {STATE}/journal/restore automatic {run}", ""
    else:
        program, given = f"sh -c {_RECEIVE}", f" <{FOLDER}/{name}"
    cutter = f"perl {_CUTTER} run {shlex.quote(order)} " if order else ""
    return f"{cutter}{program}{given} >/dev/null || :\n"


def _read(log: str) -> tuple[Point, ...]:
    lines = (line.split("\t") for line in log.splitlines())
    return tuple(Point(int(at), kind, what, by == "borrowed") for at, kind, what, by in lines)
