"""Check the shell: the scripts as they are, and the host's programs as they are sent."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from optimizer.host import PROGRAMS, program
from optimizer.host.wire import (
    apply_program,
    cancel_program,
    confirm_program,
    probe_program,
    take_program,
)
from optimizer.model.request import ProbeRequest
from optimizer.model.snapshot import Snapshot

SCRIPTS = (
    "rollback/emergency.sh",
    "scripts/venv.sh",
    "scripts/docs.sh",
    "scripts/lock.sh",
    ".ci/run",
)

# Who uses a word that one part defines for another is not seen.
EXCLUDED = "SC2034"
_ASSIGNMENT = re.compile(r"([A-Z_]+)=.*", re.DOTALL)


def main() -> int:
    """Run shellcheck; return its exit status."""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    with tempfile.TemporaryDirectory() as folder:
        composed = []
        for name, text in _programs():
            path = Path(folder) / f"{name}.sh"
            path.write_text(text, encoding="utf-8")
            composed.append(str(path))
        on_host = [str(shellcheck), "--shell=sh", f"--exclude={EXCLUDED}", *composed]
        done = [subprocess.run(on_host, check=False)]
    done.append(subprocess.run([str(shellcheck), *SCRIPTS], check=False))
    return max(one.returncode for one in done)


def _programs() -> Iterator[tuple[str, str]]:
    """Yield each program behind the variables that the controller gives, none of them set."""
    sent = _sent()
    for name in PROGRAMS:
        text = program(name)
        given = sent[name].partition(text)[0] if name in sent else ""
        found = [_ASSIGNMENT.fullmatch(word) for word in shlex.split(given)]
        variables = "".join(f"{one[1]}=\n" for one in found if one)
        blobs = "put_blobs() { :; }\n" if "put_blobs()" in given else ""
        yield name, variables + blobs + text


def _sent() -> Mapping[str, str]:
    """Return what goes over the connection; some programs only stay on the host."""
    nothing = Snapshot(
        "run", "apply", "now", "profile", 1, "nobody", "machine", "boot", "kernel", ()
    )
    return {
        "probe": probe_program(ProbeRequest()),
        "apply": apply_program(nothing, 1),
        "take": take_program(nothing),
        "confirm": confirm_program("run", ProbeRequest()),
        "cancel": cancel_program("run"),
    }


if __name__ == "__main__":
    sys.exit(main())
