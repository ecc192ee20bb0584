"""The host's programs run for real, in each shell, on a private tree of files.

A plain file stands in for a kernel value: a manifest can name any path. What /proc and
/sys do beyond keeping a text (couplings, clamping) is for the tests on real hosts.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from optimizer.app.outcomes import verdict_of
from optimizer.host import kept_restore, program
from optimizer.host.wire import (
    Answer,
    apply_program,
    cancel_program,
    confirm_program,
    encode_manifest,
    parse_answer,
)
from optimizer.model.request import ProbeRequest
from optimizer.model.snapshot import Snapshot, snapshot_id
from optimizer.model.transaction import (
    DirectoryStep,
    FileRef,
    FileStep,
    LinkStep,
    Step,
    ValueStep,
)
from tests.unit.factories import RUN, snapshot
from tests.unit.model_host import StoredFile

SHELLS: Mapping[str, tuple[str, ...]] = {
    "dash": ("dash",),
    "bash": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
}
# The tests leave the machine's own systemd alone: the safety timer is a process here.
_ASKS_SYSTEMD = "[ -d /run/systemd/system ] && has systemctl"
# What the engine has the far shell do.
_RECEIVE = 'eval "$(cat)"'

OTHER_RUN = "r-20261121-111500-ffff"
OLD = b"old\n\\0101 100% 'quoted' \x00\xff"
NEW = b"\n new 'text' $HOME `id`\\n\t\x01\xfe"

Edit = Callable[[str], str]


def skip_without(shell: str) -> tuple[str, ...]:
    """Return the command of a shell; skip the test where the machine lacks it."""
    command = SHELLS[shell]
    if shutil.which(command[0]) is None:
        pytest.skip(f"this machine has no {command[0]}")
    return command


def skip_without_rights() -> None:
    """Skip where the programs would refuse to change anything."""
    if os.getuid() != 0:
        pytest.skip("the programs change nothing without root's rights")
    if not Path("/etc/machine-id").is_file():
        pytest.skip("this machine has no /etc/machine-id to be told by")


_STARTS = {
    "apply": "apply_main",
    "confirm": "confirm_main",
    "probe": "probe_main 2>/dev/null",
    "cancel": "cancel_main",
    "restore": "MODE=${1:-manual}",
}


def unchanged(text: str) -> str:
    """Leave a program as it is."""
    return text


def with_override(name: str, functions: str) -> Edit:
    """Return an edit that redefines functions of a program, right before it begins."""

    def edit(text: str) -> str:
        head, start, tail = text.rpartition(f"\n{_STARTS[name]}\n")
        assert start, f"no {_STARTS[name]} in the program"
        return f"{head}\n{functions}{start}{tail}"

    return edit


# In the boot in which it was armed, the restore program leaves the journal to the timer.
EARLIER_BOOT = "is_of_this_boot() { return 1; }"
after_a_boot = with_override("restore", EARLIER_BOOT)

# The sweep over /proc/sys and the probe take most of the time, and most tests need neither.
without_sweep = with_override("apply", 'sweep() { : >"$1"; }')
without_probe = with_override("probe", "probe_main() { emit end; }")


def _seal(rest: str) -> str:
    return f"# sha256 {hashlib.sha256(rest.encode()).hexdigest()}"


def _sealed(text: str) -> str:
    """Seal the program anew that a change keeps in its journal, as it was edited by now."""
    head, start, tail = text.partition("RESTORE_PROGRAM='# sha256 ")
    quoted = re.match(r"[0-9a-f]{64}\n((?:[^']|'\"'\"')*)'", tail)
    if not quoted:
        return text
    rest = quoted.group(1).replace("'\"'\"'", "'")
    return f"{head}{start.removesuffix('# sha256 ')}{_seal(rest)}{tail[64:]}"


_EDITED = kept_restore().split("\n", 1)[1].replace(_ASKS_SYSTEMD, "false")
# What these hosts keep as the program that puts everything back.
KEPT_RESTORE = f"{_seal(_EDITED)}\n{_EDITED}"


@dataclass(frozen=True)
class Lab:
    """One host made of files below `root`, and the shell that runs its programs."""

    root: Path
    shell: tuple[str, ...]

    @property
    def state(self) -> Path:
        """Where the host keeps its journal and snapshots."""
        return self.root / "state"

    @property
    def journal(self) -> Path:
        """The change that waits, if there is one."""
        return self.state / "journal"

    def value(self, name: str, text: str) -> Path:
        """Make a file that stands in for a kernel value."""
        path = self.root / "host" / "values" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="utf-8")
        return path

    def file(self, name: str, content: bytes, mode: int = 0o644) -> Path:
        """Make a file that stands in for a configuration file."""
        path = self.root / "host" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)
        return path

    def tree(self) -> dict[str, tuple[object, ...]]:
        """Everything below host/: kind, bytes or target, mode, owner."""
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted((self.root / "host").rglob("*")):
            about = path.lstat()
            rights = (oct(about.st_mode), about.st_uid, about.st_gid)
            if path.is_symlink():
                found[str(path)] = ("link", os.readlink(path))
            elif path.is_file():
                found[str(path)] = ("file", path.read_bytes(), *rights)
            else:
                found[str(path)] = ("directory", *rights)
        return found

    def change(self, steps: Sequence[Step], **parts: object) -> Snapshot:
        """Make a change of this machine, as the controller would."""
        machine = Path("/etc/machine-id").read_text(encoding="ascii").strip()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return replace(snapshot(steps, **parts), machine_id=machine, boot_id=boot)

    def run(self, text: str, *arguments: str, **variables: str) -> tuple[Answer, ...]:
        """Run a program to its end, as the engine does, and read its answer."""
        process = self.start(text, *arguments, **variables)
        output, complaint = process.communicate(timeout=60)
        assert not complaint, complaint
        return parse_answer(output)

    def start(self, text: str, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a program, apart from the tests' own processes; its input is already sent."""
        places = {
            "OPTIMIZER_STATE": str(self.state),
            "OPTIMIZER_LOGINS": str(self.root / "logins"),
        }
        process = subprocess.Popen(
            [*self.shell, "-c", _RECEIVE, "sh", *arguments],
            env={"PATH": os.defpath, **places, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        assert process.stdin
        process.stdin.write(_sealed(text.replace(_ASKS_SYSTEMD, "false")))
        process.stdin.close()
        process.stdin = None
        return process

    def apply(
        self, change: Snapshot, timeout: int = 600, edit: Edit = unchanged
    ) -> tuple[Answer, ...]:
        """Run the program of a change. timeout: of its safety timer, in seconds."""
        return self.run(edit(without_sweep(apply_program(change, timeout))))

    def confirm(self, run: str = RUN, identity: str = "", edit: Edit = unchanged) -> str:
        """Confirm what waits; return the verdict."""
        text = without_probe(confirm_program(run, ProbeRequest(), identity))
        return verdict_of(self.run(edit(text)))

    def cancel(self, run: str = RUN, edit: Edit = unchanged, copy: Snapshot | None = None) -> str:
        """Take back what waits, with the controller's copy of it or without; return the verdict."""
        return verdict_of(self.run(edit(cancel_program(run, copy=copy))))

    def restore(self, *arguments: str, edit: Edit = unchanged, **variables: str) -> list[Answer]:
        """Run the restore program, as the safety timer, the next boot or a person would."""
        return list(self.run(edit(program("restore")), *arguments, **variables))

    def put_through(self, change: Snapshot) -> str:
        """Apply and confirm a change; return the id of its snapshot."""
        answers = self.apply(change)
        assert verdict_of(answers) == "applied", answers
        assert self.confirm(change.run) == "confirmed"
        return identity_of(change)

    def rename(self, run: str) -> Path:
        """Let another change be in the place of the one that waits; return its manifest."""
        manifest = self.journal / "manifest"
        manifest.write_text(manifest.read_text().replace(RUN, run))
        (self.journal / "id").write_text(f"{snapshot_id(manifest.read_text())}\n")
        return manifest

    def hold(self, pid: int, doing: str = "applying", start: str = "", boot: str = "") -> Path:
        """Let a process have the lock of the journal, with another start or boot than its own."""
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        own = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        self.journal.mkdir(parents=True, exist_ok=True)
        busy = self.journal / "busy"
        busy.symlink_to(f"{doing}.{pid}.{start or stat[19]}.{boot or own}")
        return busy

    def disarm(self) -> None:
        """End the safety timer of a test that leaves a change waiting."""
        for waiter in self.state.glob("*/waiter"):
            end(int(waiter.read_text(encoding="ascii")))


def end(pid: int) -> None:
    """End what a test started in the background, when it is still there."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def kept_program(folder: Path) -> str:
    """Read the program of a journal or snapshot, without its look whether it is whole."""
    return (folder / "restore").read_text().split("\n", 2)[2]


def identity_of(change: Snapshot) -> str:
    """Return the id that the host gives to a change."""
    return snapshot_id(encode_manifest(change))


def ref(content: bytes, mode: str = "644") -> FileRef:
    """Describe a file of root's."""
    return StoredFile(content, mode).ref


def blobs(*contents: bytes) -> dict[str, bytes]:
    """Name contents by their hashes."""
    return {ref(content).sha256: content for content in contents}


def setting(path: Path, before: str, after: str) -> ValueStep:
    """Make the step that sets a stand-in."""
    return ValueStep(tunable=f"t.{path.name}", path=str(path), before=before, after=after)


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something has come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def words(answers: Sequence[Answer]) -> list[str]:
    """Return the first words of an answer's lines."""
    return [answer.word for answer in answers]


def everything(lab: Lab, **parts: object) -> Snapshot:
    """Make a change with one of each kind of step that a file can stand in for."""
    first, second = lab.value("first", "60"), lab.value("second", "4096 131072 6291456")
    own = lab.file("etc/own.conf", OLD, 0o640)
    link = lab.root / "host/etc/link"
    link.symlink_to("old target")
    steps: list[Step] = [
        setting(first, "60", "1"),
        setting(second, "4096 131072 6291456", "4096 87380 16777216"),
        DirectoryStep(path=str(lab.root / "host/etc/made")),
        FileStep(path=str(own), before=ref(OLD, "640"), after=ref(NEW, "600")),
        FileStep(path=str(lab.root / "host/etc/made/new.conf"), before=None, after=ref(NEW)),
        LinkStep(path=str(link), before="old target", after="/new target"),
    ]
    return lab.change(steps, blobs=blobs(OLD, NEW), **parts)


def verdict(answers: Sequence[Answer]) -> str:
    """Return the last word of an answer."""
    return verdict_of(answers)


def sleeps_below(pid: int) -> bool:
    """Whether a process or one of its descendants is `sleep`; one that has just ended is not."""
    try:
        if Path(f"/proc/{pid}/comm").read_text() == "sleep\n":
            return True
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(sleeps_below(int(child)) for child in children)
