"""What containers and virtual machines have in common."""

import re
import subprocess
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed import debian, lifetime, packages, ssh
from testbed.cord import Cord
from testbed.errors import TestbedError
from testbed.keys import Key, new_key, user_key

# Of the boot, not of the machine: containers have one of their own too.
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
SETTLE = "timeout 30 systemctl is-system-running --wait"


class Host(lifetime.Lasting):
    """One throw-away host; started by `with` or `start()`, gone after `stop()`.

    Users: root, `operator` (sudo without password), `clerk` (sudo with the password
    `debian.CLERKS_PASSWORD`) and `guest` (no sudo); all log in with the same key.
    """

    # Seconds from power on to the login prompt that are still normal on a slow machine.
    boot_timeout: float
    # Command -> Debian package: what has to be there before anything else is done.
    needs: Mapping[str, str]
    # See ssh.Endpoint; also how often it is asked whether it is up, ten times in that time.
    patience: float

    def __init__(
        self, name: str, release: str, packages: Sequence[str], offered: Sequence[str] = ()
    ) -> None:
        """Nothing is built or started yet.

        `packages` are Debian packages that the host has from the start, `offered` those that it
        can install without a mirror; their tree is cached.
        """
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
            raise TestbedError(f"host name {name!r} is not made of a-z, 0-9 and -")
        self.name = name
        self.release = release
        self.packages = tuple(packages)
        self.offered = tuple(offered)
        self.address = ""
        self.port = 22
        self.user_key = Path()
        self.known_hosts = Path()
        self.console_log = Path()
        self._cord: Cord | None = None
        # Here and not in `start`, which may well run in a thread of its own.
        lifetime.arrange_end()

    def start(self) -> None:
        """Build what is missing, boot, and wait until SSH answers and the boot has settled.

        Raises TestbedError with the end of the console's output; nothing is left behind then.
        """
        try:
            packages.ensure(self.needs)
            lifetime.add(self)
            self.user_key = user_key().private
            self._prepare()
            self._power_on()
            self.wait_until_up()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the host at once and remove everything of it; harmless if it is not running."""
        try:
            self._power_off()
            self._remove()
        finally:
            lifetime.discard(self)

    @property
    def endpoint(self) -> ssh.Endpoint:
        """Where the host answers."""
        return ssh.Endpoint(self.address, self.port, self.user_key, self.known_hosts, self.patience)

    def run(
        self,
        command: str,
        input: str | None = None,
        check: bool = True,
        *,
        user: str = "root",
        timeout: float | None = None,
    ) -> ssh.Completed:
        """Run a shell command over a new SSH connection.

        Raises TestbedError if it fails and `check` is set, subprocess.TimeoutExpired after
        `timeout` seconds (default: `boot_timeout`).  Exit status 255 is SSH's own: the host could
        not be reached.
        """
        limit = timeout or self.boot_timeout
        done = self.endpoint.run(command, input=input, user=user, timeout=limit)
        if check and done.returncode != 0:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise TestbedError(f"{self.name}: exit {done.returncode} of: {command}\n{tail}")
        return done

    def boot_id(self) -> str:
        """Changes with every boot of the host."""
        return self.run(BOOT_ID).stdout.strip()

    def reboot(self) -> None:
        """Have the host reboot in the orderly way, and wait until it is up again."""
        before = self.boot_id()
        # The connection may be cut before the command has ended.
        self.run("systemctl reboot", check=False)
        self.wait_until_up(not_boot_id=before)

    def power_cut(self) -> None:
        """Kill everything of the host at once, then boot it again from the same disk."""
        self._power_off()
        self._power_on()
        self.wait_until_up()

    def power_off(self) -> None:
        """Kill everything of the host at once; `power_on` boots it again from the same disk."""
        self._power_off()

    def power_on(self) -> None:
        """Boot the host after it was switched off, and wait until it is up."""
        self._power_off()
        self._power_on()
        self.wait_until_up()

    def wait_until_up(self, not_boot_id: str = "", timeout: float | None = None) -> None:
        """Wait until root can log in and the boot has settled, in a boot other than `not_boot_id`.

        Raises TestbedError after `timeout` seconds (default: the boot time of this kind of host).
        """
        deadline = time.monotonic() + (timeout or self.boot_timeout)
        while time.monotonic() < deadline:
            if self._cord is None or not self._cord.is_live():
                raise TestbedError(f"{self.name} has switched itself off\n{self._console_tail()}")
            if self.endpoint.answers() and self._has_booted(not_boot_id):
                return
            time.sleep(self.patience / 10)
        raise TestbedError(f"{self.name} does not answer on SSH\n{self._console_tail()}")

    @abstractmethod
    def disconnect(self) -> None:
        """Cut the network: packets vanish both ways, without a sign at either end."""

    @abstractmethod
    def reconnect(self) -> None:
        """Undo `disconnect`."""

    @abstractmethod
    def _prepare(self) -> None:
        """Make disk, keys and address; everything that outlives a power cut."""

    @abstractmethod
    def _power_on(self) -> None:
        """Start it; `_cord` is set afterwards."""

    @abstractmethod
    def _remove(self) -> None:
        """Remove what `_prepare` made, as far as it got."""

    def _power_off(self) -> None:
        cord, self._cord = self._cord, None
        if cord is not None:
            cord.unplug()

    def _tree(self, *more: str) -> debian.Tree:
        return debian.tree(self.release, (*self.packages, *more), self.offered)

    def _new_host_key(self, folder: Path) -> Key:
        return new_key(folder / "host_key", self.name)

    def _has_booted(self, not_boot_id: str) -> bool:
        try:
            done = self.run(f"{BOOT_ID}; {SETTLE}", check=False)
        except subprocess.TimeoutExpired:
            return False
        lines = done.stdout.split()
        return len(lines) == 2 and lines[0] != not_boot_id and lines[1] in ("running", "degraded")

    def _console_tail(self) -> str:
        if not self.console_log.is_file():
            return "(no console output)"
        lines = self.console_log.read_text(errors="replace").splitlines()
        return "\n".join(["the end of its console:", *lines[-25:]])
