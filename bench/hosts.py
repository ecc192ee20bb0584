"""Throw-away hosts, and what they themselves know of what was done to them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from bench.timing import Run
from testbed.host import Host
from testbed.nspawn import NspawnHost

# sshd says so for every command; Debian 13 has a program of its own for that.
_SESSIONS = (
    "journalctl --sync; journalctl -t sshd -t sshd-session -o json"
    " --output-fields=_SOURCE_REALTIME_TIMESTAMP,MESSAGE --since=@{since}"
)
_MARKER = "/run/bench-marker"
# Every login leaves traces in /run and in the logs. A read has a folder in /tmp while it runs:
# only what stays there counts.
_NEW_FILES = (
    f"find / /tmp -xdev \\( -newer {_MARKER} -o -cnewer {_MARKER} \\) "
    "! -path '/var/log/*' ! -path /run ! -path /tmp"
)
_KEEP = "cp -a /etc/sysctl.d /root/bench-sysctl.d"
_PUT_BACK = "rm -r /etc/sysctl.d; cp -a /root/bench-sysctl.d /etc/sysctl.d; sysctl -qw"
_AT_ONCE = 5


def impossible_here() -> str:
    """Say what this machine lacks for booting hosts; empty when it may work."""
    if platform.system() != "Linux":
        return "this is not Linux"
    if os.geteuid() != 0:
        return "they are containers, and that needs root"
    return ""


@contextmanager
def booted(count: int) -> Iterator[list[Host]]:
    """Boot containers over one tree and stop them at the end. TestbedError: it fails."""
    hosts: list[Host] = [NspawnHost(f"bench-{number}") for number in range(1, count + 1)]
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            # The first one builds the tree, if it is not there yet.
            hosts[0].start()
            list(pool.map(lambda host: host.start(), hosts[1:]))
        yield hosts
    finally:
        for host in hosts:
            host.stop()


def connection(host: Host) -> dict[str, Any]:
    """Return the inventory data by which a host is reached."""
    return {
        "ssh_hostname": host.address,
        "ssh_port": host.port,
        "ssh_user": "root",
        "ssh_key": str(host.user_key),
        "ssh_known_hosts_file": str(host.known_hosts),
    }


def commands(hosts: Sequence[Host], runs: Sequence[Run]) -> tuple[tuple[int, ...], ...]:
    """Count for each run the commands that each host's sshd was given while it lasted."""
    since = int(min(run.started for run in runs))
    logs = [_moments(printed) for printed in _everywhere(hosts, _SESSIONS.format(since=since))]
    return tuple(
        tuple(sum(run.started <= moment <= run.ended for moment in log) for log in logs)
        for run in runs
    )


def _moments(printed: str) -> list[float]:
    """When a host was given commands, in seconds since the epoch; its clock is ours."""
    entries = map(json.loads, printed.splitlines())
    return [
        # When sshd said it, not when the journal heard it.
        int(entry["_SOURCE_REALTIME_TIMESTAMP"]) / 1e6
        for entry in entries
        if str(entry["MESSAGE"]).startswith("Starting session")
    ]


def keep_files(hosts: Sequence[Host]) -> None:
    """Have hosts keep a copy of what `put_back` puts back."""
    _everywhere(hosts, _KEEP)


def put_back(hosts: Sequence[Host], values: Mapping[str, int]) -> None:
    """Give hosts the files of `keep_files` and these live values, whoever changed them."""
    _everywhere(hosts, " ".join([_PUT_BACK, *(f"{key}={one}" for key, one in values.items())]))


def mark(hosts: Sequence[Host]) -> None:
    """Let `new_files` count from now on."""
    # A file of the same clock tick would not be newer.
    _everywhere(hosts, f"touch {_MARKER}; sleep 0.1")


def new_files(hosts: Sequence[Host]) -> tuple[str, ...]:
    """Return what was written or made on the hosts' disks since `mark`, by a search for it."""
    return tuple(path for found in _everywhere(hosts, _NEW_FILES) for path in found.splitlines())


def snapshots(hosts: Sequence[Host]) -> int:
    """Count the snapshots that the hosts keep."""
    return sum(map(int, _everywhere(hosts, "ls /var/lib/optimizer/snapshots | wc -l")))


def _everywhere(hosts: Sequence[Host], command: str) -> list[str]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda host: host.run(command).stdout, hosts))
