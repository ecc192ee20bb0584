"""A host in memory that answers programs with the text the shell programs would print.

It follows host/apply.sh, confirm.sh and restore.sh over a ModelKernel and a few files;
tests/unit/test_host_programs.py runs the real ones.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from optimizer.host.wire import EMPTY, decode_manifest
from optimizer.model.observation import ABSENT
from optimizer.model.snapshot import Snapshot, snapshot_id
from optimizer.model.transaction import (
    DirectoryStep,
    FileRef,
    FileStep,
    LinkStep,
    ModuleStep,
    ValueStep,
)
from tests.unit.model_kernel import AVAILABLE, OPTIONS, VM, ModelKernel, Refused

MACHINE = "m" * 32
BOOT = "00000000-0000-4000-8000-000000000001"
FACTS: Mapping[str, str] = {
    "hostname": "db-1",
    "machine_id": MACHINE,
    "boot_id": BOOT,
    "kernel": "6.12.48",
    "uid": "0",
    "os": "debian",
    "os_version": "13",
    "os_name": "Debian 13",
    "processors": "4",
    "mem_total": str(16 * 2**30),
    "init": "systemd",
    "numa_nodes": "1",
    "virtualization": "kvm",
    "cmdline": "ro quiet",
    "now": "1000",
    "uptime": "500",
    "has_logrotate": "yes",
}
_SYSCTL_DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/lib/sysctl.d")

_QUOTED = r"""((?:'[^']*'|"'"|[^\s'"])*)"""
_ASSIGNMENT = re.compile(rf"^([A-Z_]+)={_QUOTED}$", re.MULTILINE)
_BLOB = re.compile(rf"^put_blob ([0-9a-f]{{64}}) {_QUOTED}(?: &&)?$", re.MULTILINE)

Row = tuple[str, ...]


@dataclass(frozen=True)
class StoredFile:
    """A regular file: bytes, permission bits, owner."""

    content: bytes
    mode: str = "644"
    owner: str = "0:0"

    @property
    def ref(self) -> FileRef:
        sha256 = hashlib.sha256(self.content).hexdigest()
        return FileRef(sha256=sha256, mode=self.mode, owner=self.owner)


def kind_of(program: str) -> str:
    """Tell the programs apart by their entry points."""
    # The journal's own restore program is quoted inside of the others.
    entries = {
        "apply": "apply_main",
        "confirm": "confirm_main",
        "probe": "probe_main",
        "take": "emit result taken",
    }
    return next((kind for kind, entry in entries.items() if f"\n{entry}" in program), "cancel")


def variables_of(program: str) -> dict[str, str]:
    """Read the variables that the controller put before a program, and the program itself."""
    found = {"PROGRAM": program}
    for match in _ASSIGNMENT.finditer(program):
        found.setdefault(match[1], _unquoted(match[2]))
    return found


def _unquoted(word: str) -> str:
    """Undo shlex.quote; shlex.split would read a whole program letter by letter."""
    return word[1:-1].replace("'\"'\"'", "'") if word.startswith("'") else word


class Killed(Exception):
    """A program was killed between two writes."""


@dataclass
class ModelHost:
    """One host: kernel, files, links, directories, snapshots, and the change under way.

    loadable: kernel modules that are there. hidden: values that cannot be read. damaged:
    snapshot -> what is wrong with it.
    """

    kernel: ModelKernel = field(default_factory=ModelKernel)
    files: dict[str, StoredFile] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    directories: set[str] = field(default_factory=lambda: {"/", "/etc", *_SYSCTL_DIRECTORIES})
    loadable: set[str] = field(default_factory=lambda: {"tcp_bbr"})
    hidden: set[str] = field(default_factory=set)
    facts: dict[str, str] = field(default_factory=lambda: dict(FACTS))
    snapshots: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    unheld: dict[str, dict[str, str]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    writes_left: int = 0
    journal: str = ""

    def state(self) -> tuple[object, ...]:
        """Everything that a change may change."""
        kernel = {path: text for path, text in self.kernel.values().items() if path != AVAILABLE}
        return kernel, dict(self.files), dict(self.links), frozenset(self.directories)

    def cut_after(self, writes: int) -> None:
        """Have the next change die after so many writes of its steps; 0: not at all."""
        self.writes_left = writes

    def answer(self, program: str) -> str:
        """Run a program and return what it prints."""
        kind = kind_of(program)
        given = variables_of(program)
        if kind == "probe":
            return self.probe(given)
        rows: dict[str, Callable[[dict[str, str]], Iterator[Row]]] = {
            "apply": self._apply,
            "confirm": self._confirm,
            "cancel": self._cancel,
            "take": self._take,
        }
        text = _print(rows[kind](given))
        return text + self.probe(given) if kind == "confirm" else text

    def probe(self, given: Mapping[str, str]) -> str:
        """Answer a probe: what was asked for, and nothing else."""
        files = given["FILES"].split("\n")
        values = given["VALUES"].split("\n")
        if given["WITH_SNAPSHOTS"] == "yes":
            for name, manifest in self.snapshots.items():
                steps = decode_manifest(manifest).steps if name not in self.damaged else ()
                values += [step.path for step in steps if isinstance(step, ValueStep)]
                files += [
                    step.path
                    for step in steps
                    if isinstance(step, (FileStep, LinkStep, DirectoryStep))
                ]
        return _print(self._observed(values, files, given))

    def _observed(
        self, values: list[str], files: list[str], given: Mapping[str, str]
    ) -> Iterator[Row]:
        yield from (("fact", name, text) for name, text in self.facts.items())
        yield ("disk", "vda", "virtio")
        for path in self.kernel.paths():
            if any(_matches(path, pattern) for pattern in values):
                yield self._value(path)
        for path in filter(None, dict.fromkeys(files)):
            yield from self._file(path)
        yield from self._config()
        for module in given["MODULES"].split():
            name = module.partition(":")[0]
            known = "loadable" if name in self.loadable else "missing"
            yield ("module", name, "loaded" if name in self.kernel.modules else known)
        if given["WITH_SNAPSHOTS"] == "yes":
            for name, manifest in self.snapshots.items():
                yield from (("snapshot", name, line) for line in manifest.splitlines())
            yield from (("damaged", name, what) for name, what in self.damaged.items())
            for name, left in self.unheld.items():
                yield from (("unheld", name, path, text) for path, text in left.items())
        if self.journal:
            change = decode_manifest(self.journal)
            about = (change.run, change.profile, change.by, change.created)
            yield ("pending", *about, EMPTY, "60")
        yield ("end",)

    def _value(self, path: str) -> Row:
        if path in self.hidden:
            return ("value", path, "unreadable", "-", "")
        text = str(self.kernel.read(path))
        writable = "read-only" if path == AVAILABLE else "writable"
        options = OPTIONS.get(path, "").replace(text, f"[{text}]", 1)
        return ("value", path, writable, text or EMPTY, options)

    def _file(self, path: str) -> Iterator[Row]:
        if path in self.files:
            stored = self.files[path]
            yield ("file", path, _described(stored.ref), stored.content.hex())
        elif path in self.links:
            yield ("link", path, self.links[path])
        directory = path.rpartition("/")[0]
        while directory and directory not in self.directories:
            directory = directory.rpartition("/")[0]
        yield ("directory", directory or "/")

    def _config(self) -> Iterator[Row]:
        for path, stored in self.files.items():
            if path.rpartition("/")[0] in _SYSCTL_DIRECTORIES:
                yield ("config-file", "sysctl", path, "", "1")
                for number, line in enumerate(stored.content.decode().splitlines(), 1):
                    if line.strip() and line.strip()[0] not in "#;":
                        yield ("config", "sysctl", path, str(number), line)

    def _apply(self, given: dict[str, str]) -> Iterator[Row]:
        change = decode_manifest(given["MANIFEST"])
        if self.journal:
            yield from (("refused", "busy", "another change waits"), ("result", "refused"))
            return
        stale = list(self._stale(change))
        if stale:
            yield from (*stale, ("result", "stale"))
            return
        self.journal = given["MANIFEST"]
        self.blobs |= _blobs(given)
        before = self.kernel.values()
        try:
            said = list(self._write(change))
        except Killed:
            return
        said = said or list(self._read_back(change))
        said += self._collateral(change, before)
        yield from said
        yield ("snapshot", given["EXPECTED_ID"])
        if any(word == "problem" for word, *_ in said):
            yield from self._restore()
        else:
            yield ("result", "applied")

    def _stale(self, change: Snapshot) -> Iterator[Row]:
        for step in change.steps:
            match step:
                case ValueStep(path=path, before=before):
                    found = self._found(path)
                case FileStep(path=path, before=ref):
                    before, found = _described(ref), self._described(path)
                case LinkStep(path=path, before=target):
                    before, found = target or ABSENT, self.links.get(path, ABSENT)
                case _:
                    continue
            if found != before:
                yield ("stale", getattr(step, "tunable", "-"), path, before, found)

    def _found(self, path: str) -> str:
        text = self.kernel.read(path)
        return ABSENT if text is None else text

    def _described(self, path: str) -> str:
        return _described(self.files[path].ref if path in self.files else None)

    def _write(self, change: Snapshot) -> Iterator[Row]:
        for step in change.steps:
            if isinstance(step, ModuleStep) and step.is_loaded:
                self.kernel.load(step.name)
        for step in change.steps:
            if not isinstance(step, ValueStep) or step.write != "set":
                continue
            if self.writes_left:
                self.writes_left -= 1
                if not self.writes_left:
                    raise Killed
            try:
                self._put(step.path, step.after)
            except Refused as error:
                yield ("problem", "write", step.tunable, step.path, step.after, str(error))
                return

    def _write_again(self, change: Snapshot) -> None:
        for _ in range(3):
            for step in change.steps:
                is_ours = isinstance(step, ValueStep) and step.write in ("set", "hold")
                if is_ours and self._found(step.path) != step.after:
                    self._try(step.path, step.after)

    def _read_back(self, change: Snapshot) -> Iterator[Row]:
        self._write_again(change)
        for step in change.steps:
            if not isinstance(step, ValueStep):
                continue
            found = self._found(step.path)
            if found != step.after and step.write == "hold":
                self.unheld.setdefault(snapshot_id(self.journal), {})[step.path] = found
                yield ("unheld", step.tunable, step.path, step.after, found)
            elif found != step.after:
                yield ("problem", "read-back", step.tunable, step.path, step.after, found)

    def _collateral(self, change: Snapshot, before: Mapping[str, str]) -> Iterator[Row]:
        """Find what changed beyond the plan, in /sys too, where the shell does not look."""
        planned = {step.path for step in change.steps if isinstance(step, ValueStep)}
        for path, text in self.kernel.values().items():
            was = before.get(path, text)
            if path not in planned and path != AVAILABLE and was != text:
                yield ("problem", "collateral", "-", path, was, text)

    def _confirm(self, given: dict[str, str]) -> Iterator[Row]:
        if not self.journal:
            known = given["EXPECTED_ID"] in self.snapshots
            yield ("result", "confirmed" if known else "gone")
            return
        change = decode_manifest(self.journal)
        yield ("run", change.run)
        for step in change.steps:
            if not isinstance(step, ValueStep) or step.write == "hold":
                continue
            found = self._found(step.path)
            if found != step.after:
                yield ("problem", "held", step.tunable, step.path, step.after, found)
                yield from self._restore()
                return
        self._write_files(change)
        name = snapshot_id(self.journal)
        self.snapshots[name], self.journal = self.journal, ""
        yield from (("snapshot", name), ("result", "confirmed"))

    def _write_files(self, change: Snapshot) -> None:
        for step in change.steps:
            match step:
                case ModuleStep(name=name, is_loaded=False):
                    self.kernel.unload(name)
                case DirectoryStep(path=path, is_present=is_present):
                    held = (*self.files, *self.links)
                    if is_present:
                        self.directories.add(path)
                    elif not any(name.startswith(f"{path}/") for name in held):
                        self.directories.discard(path)
                case FileStep(path=path, after=None):
                    del self.files[path]
                case FileStep(path=path, after=FileRef() as ref):
                    self.files[path] = StoredFile(self.blobs[ref.sha256], ref.mode, ref.owner)
                case LinkStep(path=path, after=None):
                    del self.links[path]
                case LinkStep(path=path, after=str() as target):
                    self.links[path] = target

    def _take(self, given: dict[str, str]) -> Iterator[Row]:
        self.snapshots[given["EXPECTED_ID"]] = given["MANIFEST"]
        self.blobs |= _blobs(given)
        yield from (("snapshot", given["EXPECTED_ID"]), ("result", "taken"))

    def _cancel(self, given: dict[str, str]) -> Iterator[Row]:
        yield from self._restore() if self.journal else iter([("result", "gone")])

    def _restore(self) -> Iterator[Row]:
        """Put the values of the journal back; files are only written when it is confirmed."""
        values = [s for s in decode_manifest(self.journal).steps if isinstance(s, ValueStep)]
        for step in reversed(values):
            if self._found(step.path) != step.before and step.restore == "set":
                self._try(step.path, step.before)
        for _ in range(3):
            for step in values:
                if self._found(step.path) != step.before and step.restore == "set":
                    self._try(step.path, step.before)
        wrong = [step for step in values if self._found(step.path) != step.before]
        self.journal = ""
        yield from (("failed", step.tunable, step.path, step.before) for step in wrong)
        yield ("result", "incomplete" if wrong else "restored")

    def _put(self, path: str, text: str) -> None:
        """Write as common.sh does: zero bytes are what a ratio that changes makes of them."""
        if path.startswith(f"{VM}dirty_") and path.endswith("_bytes") and text == "0":
            ratio = path.replace("bytes", "ratio")
            kept = self._found(ratio)
            self.kernel.write(ratio, "2" if kept == "1" else "1")
            self.kernel.write(ratio, kept)
        elif text != ABSENT:
            self.kernel.write(path, text)

    def _try(self, path: str, text: str) -> None:
        try:
            self._put(path, text)
        except Refused:
            return


def _blobs(given: Mapping[str, str]) -> dict[str, bytes]:
    """Decode the bytes of the files as the shell's `printf %b` would."""
    texts = {match[1]: match[2] for match in _BLOB.finditer(given["PROGRAM"])}
    return {sha: _printed(_unquoted(text)) for sha, text in texts.items()}


def _printed(escaped: str) -> bytes:
    text, *rest = escaped.split("\\0")
    return text.encode() + b"".join(bytes([int(one[:3], 8)]) + one[3:].encode() for one in rest)


def _described(ref: FileRef | None) -> str:
    return f"{ref.sha256} {ref.mode} {ref.owner}" if ref else ABSENT


def _matches(path: str, pattern: str) -> bool:
    names, wanted = path.split("/"), pattern.split("/")
    return len(names) == len(wanted) and all(map(fnmatchcase, names, wanted))


def _print(rows: Iterator[Row]) -> str:
    return "".join("\t".join(row) + "\n" for row in rows)
