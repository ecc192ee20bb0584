"""Running a command of this machine and saying well what went wrong."""

import os
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence

from testbed.errors import TestbedError


def run(argv: Sequence[str], *, env: Mapping[str, str] | None = None, check: bool = True) -> str:
    """Run `argv`, return its standard output.

    Raises TestbedError with the end of what it printed if it fails and `check` is set.
    """
    try:
        done = subprocess.run(
            argv,
            env=environment() if env is None else env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise TestbedError(f"{argv[0]}: no such command on this machine") from error
    if check and done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        # Whole scripts are given as arguments here and there.
        command = textwrap.shorten(shlex.join(argv), 200)
        raise TestbedError(f"exit {done.returncode} of: {command}\n{tail}")
    return done.stdout


def environment() -> dict[str, str]:
    """This process's environment, with the folders of system commands in its PATH.

    A root shell made by su or cron often lacks them.
    """
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin"}


def say(text: str) -> None:
    """Print one line of progress for a person, on standard error."""
    print(f"testbed: {text}", file=sys.stderr, flush=True)
