"""The controller's copies of snapshots: a manifest named by its own hash, and its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from optimizer.model.errors import DamagedSnapshot, OptimizerError
from optimizer.model.snapshot import snapshot_id
from optimizer.store.files import keep, state_directory
from optimizer.store.files import read as read_file


class StoreFull(OptimizerError):
    """The controller cannot keep its copy of the snapshot: {what}"""

    code = "STORE-001"
    hint = "Nothing was changed. Free some space, or name another place with OPTIMIZER_STATE_DIR."


def _directory(machine_id: str, name: str) -> Path:
    return state_directory() / "snapshots" / (machine_id or "unknown") / name


def save(machine_id: str, manifest: str, blobs: Mapping[str, bytes]) -> str:
    """Keep a snapshot and read it back; return its id. StoreFull: it cannot be kept."""
    name = snapshot_id(manifest)
    directory = _directory(machine_id, name)
    try:
        for sha, content in blobs.items():
            keep(directory / "files" / sha, content)
        keep(directory / "manifest", manifest.encode())
        read(machine_id, name)
    except (OSError, DamagedSnapshot) as error:
        raise StoreFull(what=str(error)) from error
    return name


def read(machine_id: str, name: str) -> tuple[str, dict[str, bytes]]:
    """Return manifest and bytes of a kept snapshot. DamagedSnapshot: a hash does not fit."""
    directory = _directory(machine_id, name)
    try:
        manifest = read_file(directory / "manifest").decode()
        blobs = dict(_blobs(directory / "files"))
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedSnapshot(snapshot=name[:8], what=str(error)) from error
    if snapshot_id(manifest) != name:
        raise DamagedSnapshot(snapshot=name[:8], what="the controller's manifest was changed")
    for sha, content in blobs.items():
        if hashlib.sha256(content).hexdigest() != sha:
            raise DamagedSnapshot(snapshot=name[:8], what=f"the bytes of {sha[:12]} were changed")
    return manifest, blobs


def _blobs(folder: Path) -> Iterator[tuple[str, bytes]]:
    if folder.is_dir():
        for path in folder.iterdir():
            yield path.name, read_file(path)


def find_blobs(machine_id: str, names: Iterable[str]) -> dict[str, bytes]:
    """Look for bytes by several hashes; those that nobody has are not in it."""
    found = ((sha, find_blob(machine_id, sha)) for sha in names)
    return {sha: content for sha, content in found if content is not None}


def find_blob(machine_id: str, sha: str) -> bytes | None:
    """Look for bytes by their hash in all snapshots kept of a host."""
    for path in _directory(machine_id, "").glob(f"*/files/{sha}"):
        try:
            content = read_file(path)
        except OSError:
            continue
        if hashlib.sha256(content).hexdigest() == sha:
            return content
    return None
