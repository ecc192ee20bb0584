"""What every resource kind offers, and what it hands on."""

from __future__ import annotations

import base64
import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from optimizer.model.errors import InvalidValue
from optimizer.model.observation import Observation
from optimizer.model.plan import FileChange
from optimizer.model.reading import Difference, Reading
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import (
    ActionStep,
    DirectoryStep,
    FileRef,
    FileStep,
    LinkStep,
    Step,
)
from optimizer.model.tunable import Tunable

HEADER = "# Written by the host optimizer. Changes made here are kept, and reported as foreign.\n"


@dataclass(frozen=True)
class Artifact:
    """What carrying differences out takes: steps, the files as people see them, bytes."""

    steps: tuple[Step, ...] = ()
    files: tuple[FileChange, ...] = ()
    blobs: Mapping[str, bytes] = ()  # type: ignore[assignment]

    @staticmethod
    def joined(artifacts: Iterable[Artifact]) -> Artifact:
        """Add artifacts up; a step that two of them need is taken once."""
        steps: dict[Step, None] = {}
        files: list[FileChange] = []
        blobs: dict[str, bytes] = {}
        for artifact in artifacts:
            steps.update(dict.fromkeys(artifact.steps))
            files += artifact.files
            blobs.update(artifact.blobs)
        return Artifact(tuple(steps), tuple(files), blobs)


class ResourceKind(Protocol):
    """One family of tunables."""

    name: str

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Say what a probe has to read for a tunable."""

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Find the tunable, or each of its instances, in an observation."""

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Say why this host cannot take a value; empty when it can."""

    def at_stake(self, difference: Difference, observation: Observation) -> str:
        """Say which data a change can lose; empty when it can lose none."""

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Turn differences into steps and files."""


@runtime_checkable
class FileOnly(Protocol):
    """A kind whose values have no path of their own: they are lines in a file of ours."""

    name: str

    def target_of(self, path: str, key: str) -> str:
        """Return the target that a line of a file of ours is for; empty in another kind's file."""

    def is_delayed(self, tunable: Tunable, observation: Observation) -> bool:
        """Whether a changed file counts from the next start of a service only."""


class NothingAtStake:
    """What a resource kind inherits whose values hold no data."""

    def at_stake(self, difference: Difference, observation: Observation) -> str:
        """No value of this kind can lose data."""
        return ""


def write_text(
    path: str, text: str, observation: Observation, mode: str = "644", owner: str = "0:0"
) -> Artifact:
    """Make a file hold `text`, with the directories it still lacks; by default it is root's.

    text: bytes that are no UTF-8 as surrogates (PEP 383).
    """
    content = text.encode(errors="surrogateescape")
    before = observation.files.get(path)
    after = FileRef(sha256=hashlib.sha256(content).hexdigest(), mode=mode, owner=owner)
    before_ref = FileRef.of(before) if before else None
    if before_ref == after:
        return Artifact(blobs={})
    old = before.content.decode(errors="replace") if before else ""
    new = content.decode(errors="replace")
    blobs = {after.sha256: content} | ({before.sha256: before.content} if before else {})
    return Artifact(
        steps=(
            *missing_directories(path, observation),
            FileStep(path=path, before=before_ref, after=after),
        ),
        files=(FileChange(path=path, action="modify" if before else "create",
                          diff=_diff(old, new, path)),),
        blobs=blobs,
    )  # fmt: skip


def write_link(path: str, target: str, observation: Observation) -> Artifact:
    """Make a symbolic link point to `target`."""
    before = observation.links.get(path)
    if before == target:
        return Artifact(blobs={})
    return Artifact(
        steps=(
            *missing_directories(path, observation),
            LinkStep(path=path, before=before, after=target),
        ),
        files=(FileChange(path=path, action="modify" if before else "create",
                          diff=f"link to {target}"),),
        blobs={},
    )  # fmt: skip


def remove_file(path: str, observation: Observation) -> Artifact:
    """Take a file of ours away, where it is."""
    before = observation.files.get(path)
    if before is None:
        return Artifact(blobs={})
    diff = _diff(before.content.decode(errors="replace"), "", path)
    return Artifact(
        steps=(FileStep(path=path, before=FileRef.of(before), after=None),),
        files=(FileChange(path=path, action="delete", diff=diff),),
        blobs={before.sha256: before.content},
    )


def remove_link(path: str, observation: Observation) -> Artifact:
    """Take a link of ours away, where it is."""
    before = observation.links.get(path)
    if before is None:
        return Artifact(blobs={})
    return Artifact(
        steps=(LinkStep(path=path, before=before, after=None),),
        files=(FileChange(path=path, action="delete", diff=f"link to {before}"),),
        blobs={},
    )


def missing_directories(path: str, observation: Observation) -> tuple[DirectoryStep, ...]:
    """List the directories above `path` that do not exist yet, outermost first."""
    missing: list[DirectoryStep] = []
    directory = path.rpartition("/")[0]
    while directory and directory not in observation.directories:
        # The probe names the deepest directory that is there; what is above it is there too.
        if any(known.startswith(directory + "/") for known in observation.directories):
            break
        missing.append(DirectoryStep(path=directory))
        directory = directory.rpartition("/")[0]
    return tuple(reversed(missing))


def _diff(before: str, after: str, path: str) -> str:
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True),
            after.splitlines(keepends=True),
            fromfile=path if before else "/dev/null",
            tofile=path,
        )
    )


def canonical(tunable: Tunable, text: str) -> str:
    """Canonical text where a host's value is of the type; as it stands where it is not.

    A host may hold what a profile may not ask for; that is compared as text.
    """
    try:
        return tunable.value.canonical(text)
    except InvalidValue:
        return text


def encode_blobs(blobs: Mapping[str, bytes]) -> dict[str, str]:
    """Write blobs as JSON carries them."""
    return {sha: base64.b64encode(content).decode() for sha, content in sorted(blobs.items())}


def decode_blobs(blobs: Mapping[str, str]) -> dict[str, bytes]:
    """Read blobs back from JSON."""
    return {sha: base64.b64decode(text) for sha, text in blobs.items()}


def own_text(path: str, observation: Observation) -> str:
    """Return the text of a file of ours, empty where there is none yet."""
    state = observation.files.get(path)
    return state.content.decode(errors="replace") if state else ""


DAEMON_RELOAD = ActionStep(action="daemon-reload")
