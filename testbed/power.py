"""The power cord of a host: a process of its own that runs the host while its input is open.

    python3 -m testbed.power CGROUP COMMAND [ARGUMENT...]

Runs the command inside CGROUP (a folder of the cgroup2 file system, made and removed here; `-` for
none), again each time it ends with 133, the status by which systemd-nspawn says "reboot".  When
standard input ends, because the owner let go of it or was killed, everything that runs is killed
at once, as by a power cut.
"""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from testbed import cgroups

REBOOT = 133


def main(argv: list[str]) -> int:
    """Run until the command ends for good or the input does; the command's status."""
    cgroup = None if argv[0] == "-" else Path(argv[0])
    # Ctrl-C is for the owner, which then lets go of the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = REBOOT
    while status == REBOOT:
        if cgroup:
            cgroups.remove(cgroup)
            cgroup.mkdir()
        status = _run(argv[1:], cgroup)
    if cgroup:
        cgroups.remove(cgroup)
    return status


def _run(command: list[str], cgroup: Path | None) -> int:
    """The exit status of `command`, or 0 after the input ended."""
    script = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    enter = ["sh", "-c", script, str(cgroup)] if cgroup else []
    process = subprocess.Popen([*enter, *command], stdin=subprocess.DEVNULL, start_new_session=True)
    ended = os.pidfd_open(process.pid)
    try:
        readable, _, _ = select.select([sys.stdin, ended], [], [])
    finally:
        os.close(ended)
    if ended in readable:
        return process.wait()
    if cgroup:
        cgroups.kill(cgroup)
    process.kill()
    process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
