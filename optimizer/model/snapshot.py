"""A snapshot: what a host had before a change, what the change left, and how to tell.

Its text form, the manifest, is what the host keeps; the id is the hash of that text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from optimizer.model.transaction import Step


@dataclass(frozen=True)
class Snapshot:
    """One journalled change of one host.

    run: id of the invocation. created: UTC, ISO 8601. by: `user@controller`.
    undoes: snapshots that this one's change took back (a rollback).
    is_undone: put back on the host itself, by the emergency program.
    blobs: sha256 -> bytes of the files before and after.
    """

    run: str
    kind: Literal["apply", "rollback", "snapshot"]
    created: str
    profile: str
    version: int
    by: str
    machine_id: str
    boot_id: str
    kernel: str
    steps: tuple[Step, ...]
    undoes: tuple[str, ...] = ()
    label: str = ""
    is_undone: bool = field(default=False, compare=False)
    blobs: Mapping[str, bytes] = field(default_factory=dict, compare=False)


def snapshot_id(manifest: str) -> str:
    """Return the id of the snapshot with this manifest: SHA-256, hexadecimal."""
    return hashlib.sha256(manifest.encode()).hexdigest()
