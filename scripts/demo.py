"""`make demo`: the whole way on a throw-away host, from the plan to the rollback.

As root a Debian container with its own systemd and sshd is built, booted, tuned and taken
back, and everything of it is removed. Without root the plan of this machine is shown.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from optimizer.model.errors import ExitCode
from testbed import paths
from testbed.errors import TestbedError
from testbed.nspawn import NspawnHost

OPTIMIZER = Path(sys.executable).with_name("optimizer")
PROFILE = "hft"

# Only a few values of a container can be written: its network's, and its files. What belongs
# to the kernel that it shares with this machine is shown as not applicable, and left alone.
DRIFT = "sysctl -w net.ipv4.tcp_keepalive_time=1234"


class DemoFailed(Exception):
    """A command ended with another exit status than the demo shows."""


def main() -> int:
    """Run the demo; return its exit status."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return _without_root()
    try:
        with _workspace() as folder:
            _with_root(folder)
    except (DemoFailed, TestbedError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    _say("Done. The host, its files and its network are gone; .venv and packages stay.")
    return 0


def _without_root() -> int:
    _say("Not root: this machine is looked at, and nothing is changed.")
    status = _run(["plan", "@local", "--profile", PROFILE], expected=(0, 1))
    _say(
        "As root, `make demo` boots a throw-away Debian host and shows apply, verify, score,",
        "drift and rollback on it: sudo make demo",
    )
    return 0 if status == 0 else 1


@contextmanager
def _workspace() -> Iterator[Path]:
    """Keep everything in one folder that goes at the end; a finished system tree is reused."""
    had_locks = paths.LOCKS.exists()
    try:
        with tempfile.TemporaryDirectory(prefix="optimizer-demo-", dir="/var/tmp") as name:
            os.environ["OPTIMIZER_STATE_DIR"] = f"{name}/state"
            if not paths.cache().exists():
                os.environ["OPTIMIZER_TESTBED"] = f"{name}/testbed"
            yield Path(name)
    finally:
        if not had_locks:
            shutil.rmtree(paths.LOCKS, ignore_errors=True)


def _with_root(folder: Path) -> None:
    _say("Booting a throw-away Debian host (the first time takes about a minute).")
    with NspawnHost("demo") as host:
        inventory = folder / "demo.py"
        data = {
            "ssh_hostname": host.address,
            "ssh_port": host.port,
            "ssh_user": "root",
            "ssh_key": str(host.user_key),
            "ssh_known_hosts_file": str(host.known_hosts),
        }
        inventory.write_text(f"hosts = [('demo', {data!r})]\n", encoding="utf-8")
        _tour(str(inventory), lambda command: host.run(command).stdout)


def _tour(inventory: str, on_host: Callable[[str], str]) -> None:
    profile = ["--profile", PROFILE]
    differs = (ExitCode.DIFFERENCES,)
    _say("1. What would change, and why? Nothing is touched.")
    _run(["plan", inventory, *profile])
    _say("2. Change it: journal and safety timer first, confirmed over a new connection.")
    _run(["apply", inventory, *profile, "--yes"])
    _say("3. Is it as it was applied?")
    _run(["verify", inventory])
    _say("4. How closely does the host follow the profile now?")
    _run(["score", inventory, *profile])
    _say("5. Somebody changes a value by hand …")
    print(f"\ndemo# {DRIFT}\n{on_host(DRIFT).strip()}", flush=True)
    _say("6. … and verify finds it (exit status 2).")
    _run(["verify", inventory], expected=differs)
    _say("7. Back to before: what somebody else changed is kept and named, unless asked for.")
    _run(["rollback", inventory, "--dry-run"])
    _run(["rollback", inventory, "--include-foreign", "--yes"])
    _say("8. Every value and file is as it was; the score is that of the beginning.")
    _run(["score", inventory, *profile])


def _say(*lines: str) -> None:
    print("\n" + "\n".join(lines), flush=True)


def _run(words: list[str], expected: tuple[int, ...] = (0,)) -> int:
    """Print a command, run it, and see that it ends as it should."""
    print(f"\n$ optimizer {shlex.join(words)}", flush=True)
    status = subprocess.run([str(OPTIMIZER), *words], check=False).returncode
    if status not in expected:
        raise DemoFailed(f"optimizer {words[0]} ended with {status}, expected {expected[0]}")
    return status


if __name__ == "__main__":
    sys.exit(main())
