"""A libvirtd of this process's own, for Vagrant, apart from the machine's network and libvirt.

It has a network and a mount namespace to itself, in which everything that talks to it has to run:
`command` says how.  All that it starts ends with this process.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from testbed import cgroups, lifetime, packages
from testbed.cord import Cord
from testbed.errors import TestbedError

# Where libvirt keeps what it knows and runs; ours are folders of our own in these places.
PLACES = (
    "/etc/libvirt",
    "/var/lib/libvirt",
    "/var/cache/libvirt",
    "/var/log/libvirt",
    "/run/libvirt",
)
# An exit status that no process has.
NEVER = 256
# Seconds until it answers, on a busy machine.
PATIENCE = 60.0
DAEMON = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
"""
# Guests run as root, as there is nobody else here; without a log daemon and without cgroups of
# their own, so that they stay in ours.
GUESTS = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
stdio_handler = "file"
cgroup_controllers = []
namespaces = []
"""
# Debian's libvirt looks for its usual account before it reads which one to take. Only the package
# that also starts a libvirt for the whole machine would make it.
ACCOUNTS = {
    "/etc/passwd": "libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": "libvirt-qemu:x:64055:\n",
}
# Arguments: a folder, and the places that are found in it from now on.
RUN = """
folder=$1
shift
# So that it shows the links of this network namespace.
mount -t sysfs sysfs /sys
ip link set lo up
for place; do
    [ -e "$place" ] || mkdir -p "$place"
    mount --bind "$folder$place" "$place"
done
echo $$ >"$folder/pid"
exec libvirtd
"""


class Libvirt(lifetime.Lasting):
    """A running libvirtd; started by `with` or `start()`, gone after `stop()`."""

    name = "libvirt"

    def __init__(self) -> None:
        """Nothing is started yet."""
        self._cord: Cord | None = None
        self._folder: Path | None = None
        lifetime.arrange_end()

    def start(self) -> None:
        """Install what is missing, and wait until it answers.

        Raises TestbedError with what it printed.
        """
        try:
            packages.ensure(packages.VAGRANT)
            lifetime.add(self)
            slot = lifetime.current_slot()
            self._folder = Path(tempfile.mkdtemp(prefix="libvirt-", dir=slot.folder))
            self._run(cgroups.of_host(f"{slot.bridge}-libvirt"))
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it and all guests at once, and remove everything of them; harmless if it is off."""
        try:
            cord, self._cord = self._cord, None
            if cord is not None:
                cord.unplug()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        finally:
            lifetime.discard(self)

    def command(self, argv: Sequence[str]) -> list[str]:
        """`argv` as a command that reaches this libvirtd and the guests."""
        assert self._folder is not None
        pid = (self._folder / "pid").read_text().strip()
        return ["nsenter", f"--target={pid}", "--mount", "--net", "--wd=.", *argv]

    def _run(self, cgroup: Path) -> None:
        assert self._folder is not None
        for place in PLACES:
            (self._folder / place.lstrip("/")).mkdir(parents=True)
        settings = self._folder / "etc/libvirt"
        (settings / "libvirtd.conf").write_text(DAEMON)
        (settings / "qemu.conf").write_text(GUESTS)
        for path, account in ACCOUNTS.items():
            known = Path(path).read_text()
            missing = "" if "\nlibvirt-qemu:" in known else account
            (self._folder / path.lstrip("/")).write_text(known + missing)
        arguments = [str(self._folder), *PLACES, *ACCOUNTS]
        command = ["unshare", "--mount", "--net", "sh", "-ec", RUN, "sh", *arguments]
        self._cord = Cord(command, log=self._log, reboot=NEVER, cgroup=cgroup)

    def _wait(self) -> None:
        assert self._cord is not None
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if not self._cord.is_live() or time.monotonic() > deadline:
                raise TestbedError(f"libvirtd does not answer\n{self._log.read_text()}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        assert self._folder is not None
        if not (self._folder / "pid").exists():
            return False
        ask = self.command(["virsh", "--connect", "qemu:///system", "version"])
        return subprocess.run(ask, capture_output=True, check=False).returncode == 0

    @property
    def _log(self) -> Path:
        assert self._folder is not None
        return self._folder / "log"
