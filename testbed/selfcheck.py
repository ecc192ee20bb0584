"""Does the testbed work here?  `python3 -m testbed check` tries every promise of `Host`."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from testbed.commands import say
from testbed.debian import CLERKS_PASSWORD
from testbed.errors import TestbedError
from testbed.host import Host


def check(host: Host) -> None:
    """Take `host` from start to stop, and say how long each step took.

    Raises TestbedError at the first broken promise.
    """
    steps: list[tuple[str, Callable[[Host], None]]] = [
        ("boot", Host.start),
        ("accounts", _accounts),
        ("reboot", _reboot),
        ("power cut", _power_cut),
        ("network cut", _network_cut),
        ("stop", _stop),
    ]
    try:
        for name, step in steps:
            started = time.monotonic()
            step(host)
            say(f"{host.name} ({host.release}): {name}, {time.monotonic() - started:.1f} s")
    finally:
        host.stop()


def _accounts(host: Host) -> None:
    _expect(host.run("id -un").stdout == "root\n", "root logs in")
    _expect(host.run("sudo -n id -un", user="operator").stdout == "root\n", "operator has sudo")
    answer = f"{CLERKS_PASSWORD}\n"
    clerk = host.run("sudo -S id -un", input=answer, user="clerk")
    _expect(clerk.stdout == "root\n", "clerk has sudo with the password")
    guest = host.run("sudo -n true", user="guest", check=False)
    _expect(guest.returncode != 0, "guest has no sudo")
    _expect(host.run("hostname").stdout == f"{host.name}\n", "the host has its name")
    state = host.run("systemctl is-system-running", check=False).stdout
    _expect(state == "running\n", f"all units run, not {state}")


def _reboot(host: Host) -> None:
    before = host.boot_id()
    host.run("touch /root/kept")
    host.reboot()
    _expect(host.boot_id() != before, "a reboot is a new boot")
    host.run("test -e /root/kept")


def _power_cut(host: Host) -> None:
    host.run("echo kept > /root/synced && sync")
    before = host.boot_id()
    host.power_cut()
    _expect(host.boot_id() != before, "a power cut ends the boot")
    _expect(host.run("cat /root/synced").stdout == "kept\n", "what was synced is kept")


def _network_cut(host: Host) -> None:
    with subprocess.Popen(
        [*host.endpoint.argv(), "while sleep 0.2; do echo tick; done"],
        stdout=subprocess.PIPE,
        text=True,
    ) as open_before:
        assert open_before.stdout is not None
        _expect(open_before.stdout.readline() == "tick\n", "a connection is open")
        host.disconnect()
        _expect(host.run("true", check=False).returncode == 255, "a cut host does not answer")
        host.reconnect()
        host.wait_until_up()
        _expect(open_before.stdout.readline() == "tick\n", "the connection outlives a short cut")
        open_before.kill()


def _stop(host: Host) -> None:
    folder = host.console_log.parent
    host.stop()
    _expect(str(folder) not in Path("/proc/self/mounts").read_text(), "no mount is left")
    _expect(not folder.exists(), "no file is left")


def _expect(kept: bool, promise: str) -> None:
    if not kept:
        raise TestbedError(f"broken promise: {promise}")
