"""Check the shell: the scripts as they are, and the host's programs as they are sent."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from optimizer.host import PROGRAMS, program

SCRIPTS = (
    "rollback/emergency.sh",
    "scripts/venv.sh",
    "scripts/docs.sh",
    "scripts/lock.sh",
    ".ci/run",
)

# The controller sets variables and the function put_blobs before a program; shellcheck sees
# neither, nor who uses a word that one part defines for another.
EXCLUDED = "SC2034,SC2154"


def main() -> int:
    """Run shellcheck; return its exit status."""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    with tempfile.TemporaryDirectory() as folder:
        composed = []
        for name in PROGRAMS:
            path = Path(folder) / f"{name}.sh"
            path.write_text(program(name), encoding="utf-8")
            composed.append(str(path))
        on_host = [str(shellcheck), "--shell=sh", f"--exclude={EXCLUDED}", *composed]
        done = [subprocess.run(on_host, check=False)]
    done.append(subprocess.run([str(shellcheck), *SCRIPTS], check=False))
    return max(one.returncode for one in done)


if __name__ == "__main__":
    sys.exit(main())
