"""Running commands on a host over SSH, with nothing but the `ssh` command."""

import math
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

Completed = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Endpoint:
    """Where a host answers, and with which keys."""

    address: str
    port: int
    user_key: Path
    known_hosts: Path
    # Seconds in which a host of this kind introduces itself when it is not busy.
    patience: float

    def options(self) -> list[str]:
        """Options of `ssh` that use these keys and nothing of the caller's own settings."""
        settings = {
            "BatchMode": "yes",
            # It covers the exchange of keys too.
            "ConnectTimeout": str(math.ceil(10 * self.patience)),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        options = ["-F", "none", "-i", str(self.user_key), "-p", str(self.port)]
        return options + [f"-o{name}={value}" for name, value in settings.items()]

    def argv(self, user: str = "root") -> list[str]:
        """The `ssh` command up to and including the destination."""
        return ["ssh", *self.options(), f"{user}@{self.address}"]

    def run(self, command: str, *, input: str | None, user: str, timeout: float) -> Completed:
        """Run `command` in the user's shell; ssh's own failures have exit status 255.

        Raises subprocess.TimeoutExpired after `timeout` seconds.
        """
        return subprocess.run(
            [*self.argv(user), command],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def answers(self) -> bool:
        """Whether something introduces itself as SSH right now; gives it `patience` seconds."""
        where = (self.address, self.port)
        try:
            with socket.create_connection(where, timeout=self.patience) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


def known_hosts_line(address: str, port: int, public_key: str) -> str:
    """The line by which a client recognizes the host."""
    name = address if port == 22 else f"[{address}]:{port}"
    kind, key = public_key.split()[:2]
    return f"{name} {kind} {key}\n"
