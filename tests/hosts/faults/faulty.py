"""A host on which a change is replayed without a controller, and cut off somewhere else each time.

A run of the real command line is recorded once: what is sent again are the very bytes that the
controller sent.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from tests.hosts.faults.cutter import FOLDER, LOG, PROGRAM, Cutter, Point, read_points
from tests.hosts.lab import STATE

# In the name of data that a rollback keeps for its owner.
SET_ASIDE = ".set-aside-"
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


@dataclass(frozen=True)
class FaultyHost(Cutter):
    """A host with the cutter in its place, and with what was recorded."""

    def keep(self, *names: str) -> dict[str, tuple[Point, ...]]:
        """Name the programs that were recorded since the last time; return their points."""
        points = {}
        for at, name in enumerate(names, start=1):
            here = f"{FOLDER}/program.{at}"
            said = self.host.run(f"mv {here} {FOLDER}/{name}; cat {here}.log; rm {here}.log")
            points[name] = read_points(said.stdout)
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
        said = self.host.run(_all_sent(programs) + _FIRE + _SETTLE + _MEND + LOG, timeout=400)
        return read_points(said.stdout)

    def lose_power(self, *programs: tuple[str, str]) -> tuple[Point, ...]:
        """As `cut`, but with the power cut right then, and no timer."""
        said = self.host.run(_all_sent(programs) + LOG, timeout=400)
        self.host.power_cut()
        # What needs servers that have been started is put back behind the boot.
        self.host.run(_REDATE + _SETTLE + _MEND, timeout=400)
        return read_points(said.stdout)

    def settle(self) -> tuple[Point, ...]:
        """Wait for the timer itself."""
        return read_points(self.host.run(f"{_SETTLE}{_MEND}{LOG}", timeout=400).stdout)


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
    cutter = f"perl {PROGRAM} run {shlex.quote(order)} " if order else ""
    return f"{cutter}{program}{given} >/dev/null || :\n"
