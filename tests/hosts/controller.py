"""The product as a user has it: the real command line, in a process and a state of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.host import Host

_PROJECT = Path(__file__).parent.parent.parent
PROFILES = Path(__file__).parent / "profiles"
SMALL = str(PROFILES / "small.yaml")
REDIS_SMALL = str(PROFILES / "redis-small.yaml")
REDIS_FULL = str(PROFILES / "redis-full.yaml")
NODE = str(PROFILES / "node.yaml")
POSTGRESQL_SMALL = str(PROFILES / "postgresql-small.yaml")
PGBOUNCER_FULL = str(PROFILES / "pgbouncer-full.yaml")
PGBOUNCER_INSTALLED = str(PROFILES / "pgbouncer-installed.yaml")
POSTGRESQL_FULL = str(PROFILES / "postgresql-full.yaml")
BOOT = str(PROFILES / "boot.yaml")
MAINTENANCE = str(PROFILES / "maintenance.yaml")
# Seconds; also on a machine that is busy with something else.
PATIENCE = 400.0
# The least that --confirm-timeout takes, in seconds.
QUICK = "10"


@dataclass(frozen=True)
class Outcome:
    """What one run of the command line came to."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    def host(self, name: str) -> Any:
        """What the document says about one host."""
        return next(host for host in self.document["hosts"] if host["name"] == name)

    @property
    def said(self) -> str:
        """Everything it printed, for looking for words: blanks squeezed, as lines are wrapped."""
        return " ".join(f"{self.out} {self.err}".split())

    def expect(self, code: int) -> Outcome:
        """Return itself; AssertionError with all that was printed when the exit code is another."""
        assert self.code == code, (
            f"exit {self.code} instead of {code} of {' '.join(self.words)}\n{self.out}\n{self.err}"
        )
        return self


class Controller:
    """A controller with its own state directory, and an inventory of some hosts."""

    def __init__(self, folder: Path, inventory: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.inventory = str(inventory)
        self._started: list[subprocess.Popen[str]] = []

    def start(self, verb: str, *words: str) -> subprocess.Popen[str]:
        """Start one run, and leave it to the caller."""
        environment = {
            **os.environ,
            "OPTIMIZER_STATE_DIR": str(self.state),
            # It runs in a folder of its own, wherever the tests were started.
            "PYTHONPATH": os.pathsep.join([str(_PROJECT), os.environ.get("PYTHONPATH", "")]),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "optimizer.cli", verb, *words],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill the runs that a failed test has left, or they would spoil the next one."""
        for process in self._started:
            if process.stdout and not process.stdout.closed:
                process.kill()
                process.communicate()

    def run(self, verb: str, *words: str) -> Outcome:
        """Run one command line to its end; it hangs when it takes longer than PATIENCE."""
        return finish(self.start(verb, *words))

    def plan(self, *words: str) -> Outcome:
        """Plan for the inventory."""
        return self.run("plan", self.inventory, "--format", "json", *words)

    def apply(self, *words: str) -> Outcome:
        """Apply to the inventory, with consent."""
        return self.run("apply", self.inventory, "--yes", "--format", "json", *words)

    def apply_saved(self, plan: Path, *words: str) -> Outcome:
        """Apply a saved plan to the inventory, with consent."""
        found = ("--inventory", self.inventory)
        return self.run("apply", str(plan), *found, "--yes", "--format", "json", *words)

    def verify(self, *words: str) -> Outcome:
        """Verify the inventory."""
        return self.run("verify", self.inventory, "--format", "json", *words)

    def confirm(self, *words: str) -> Outcome:
        """Confirm what waits on the inventory."""
        return self.run("confirm", self.inventory, "--format", "json", *words)

    def rollback(self, *words: str) -> Outcome:
        """Roll the inventory back, with consent."""
        return self.run("rollback", self.inventory, "--yes", "--format", "json", *words)

    def save_plan(self, *words: str) -> Path:
        """Plan into a file and return it."""
        path = self.folder / "plan.json"
        self.plan("-o", str(path), *words).expect(0)
        return path


def finish(process: subprocess.Popen[str]) -> Outcome:
    """Wait for a run to end. subprocess.TimeoutExpired: it hangs, and was killed."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Outcome(tuple(map(str, process.args[1:])), process.returncode, out, err)  # type: ignore[index]


def connection(host: Host, user: str = "root") -> dict[str, Any]:
    """Return the inventory data by which a host is reached."""
    return {
        "ssh_hostname": host.address,
        "ssh_port": host.port,
        "ssh_user": user,
        "ssh_key": str(host.user_key),
        "ssh_known_hosts_file": str(host.known_hosts),
    }


def write_inventory(path: Path, hosts: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write an inventory file as pyinfra takes it: name -> data."""
    path.write_text(f"hosts = {[(name, dict(data)) for name, data in hosts.items()]!r}\n")
    return path


def new_controller(folder: Path, *hosts: Host, user: str = "root", **data: Any) -> Controller:
    """Return a controller for some hosts; more words are inventory data of each of them."""
    described = {host.name: connection(host, user) | data for host in hosts}
    return Controller(folder, write_inventory(folder / "inventory.py", described))


def sessions(host: Host) -> int:
    """Count the commands that sshd of the host has ever been given, this count included."""
    # Debian 13 has a program of its own for sessions.
    log = "journalctl -t sshd -t sshd-session -o cat"
    return int(host.run(f"journalctl --sync; {log} | grep -c '^Starting session'").stdout)


class Counter:
    """Remote commands that somebody else than the test has run on a host."""

    commands = 0


@contextmanager
def counted(host: Host) -> Iterator[Counter]:
    """Count remote commands by the host's own record; the number is there after the block."""
    counter = Counter()
    before = sessions(host)
    yield counter
    # Each count is a command, and counts itself.
    counter.commands = sessions(host) - before - 1


def wait_for(host: Host, condition: str, seconds: float = 60) -> None:
    """Wait on the host until a shell condition holds. TestbedError: it never did."""
    rounds = int(seconds * 20)
    host.run(
        f"for i in $(seq {rounds}); do if {condition}; then exit 0; fi; sleep 0.05; done; exit 1",
        timeout=seconds + 60,
    )
