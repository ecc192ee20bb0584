"""The power cord of a host: a process of its own that runs the host while its input is open.

    python3 -m testbed.power REBOOT CGROUP COMMAND [ARGUMENT...]

Runs the command inside CGROUP (a folder of the cgroup2 file system, made and removed here), again
each time it ends with the exit status REBOOT, by which it says that the host wants to boot again.
When standard input ends, because the owner let go of it or was killed, everything that runs is
killed at once, as by a power cut.
"""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from testbed import cgroups


def main(argv: list[str]) -> int:
    """Run until the command ends for good or the input does; the command's status."""
    reboot = int(argv[0])
    cgroup = Path(argv[1])
    # Ctrl-C is for the owner, which then lets go of the input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status: int | None = reboot
    while status == reboot:
        cgroups.remove(cgroup)
        cgroup.mkdir()
        status = _run(argv[2:], cgroup)
    cgroups.remove(cgroup)
    return status or 0


def _run(command: list[str], cgroup: Path) -> int | None:
    """The exit status of `command`, or None after the input ended."""
    script = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    argv = ["sh", "-c", script, str(cgroup), *command]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
    ended = os.pidfd_open(process.pid)
    try:
        readable, _, _ = select.select([sys.stdin, ended], [], [])
    finally:
        os.close(ended)
    if ended in readable:
        return process.wait()
    cgroups.kill(cgroup)
    process.kill()
    process.wait()
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
