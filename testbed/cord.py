"""Plugging a host in and pulling the plug: the owner's end of `power.py`."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from testbed.commands import environment
from testbed.errors import TestbedError

PACKAGE = Path(__file__).parent


class Cord:
    """A running host; it ends when this object is unplugged or this process ends."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        reboot: int,
        cgroup: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start `command`, again each time it ends with the exit status `reboot`.

        It runs in `cgroup`, which is made and removed.  What it prints is appended to `log`.
        """
        program = [sys.executable, "-S", "-m", f"{PACKAGE.name}.power"]
        argv = [*program, str(reboot), str(cgroup), *command]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                # So that the package is found, wherever the caller is.
                cwd=PACKAGE.parent,
                env={**environment(), **(env or {})},
                start_new_session=True,
            )

    def is_live(self) -> bool:
        """Whether the host still runs (it may have switched itself off)."""
        return self._process.poll() is None

    def unplug(self) -> None:
        """Kill everything of the host and wait, at most 30 s, until it is gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            self._process.wait()
            raise TestbedError("a host did not end within 30 s of losing its power") from error
