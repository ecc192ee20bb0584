"""The snapshots that a probe found on a host, read and sorted out."""

from __future__ import annotations

from dataclasses import replace

from optimizer.host.wire import GarbledAnswer, decode_manifest
from optimizer.model.errors import DamagedSnapshot, OptimizerError
from optimizer.model.observation import Observation
from optimizer.model.snapshot import Snapshot
from optimizer.store import snapshots


def snapshots_of(seen: Observation) -> dict[str, Snapshot]:
    """Read the snapshots of a host that are whole.

    One that is damaged on the host is read from the controller's copy, where there is one.
    """
    whole = {}
    for name, manifest in seen.snapshots.items():
        text = _second_copy(seen, name) if name in seen.damaged else manifest
        if text is None:
            continue
        try:
            whole[name] = replace(decode_manifest(text), is_undone=name in seen.undone)
        except (GarbledAnswer, ValueError):
            continue
    return whole


def _second_copy(seen: Observation, name: str) -> str | None:
    try:
        return snapshots.read(seen.facts.machine_id, name)[0]
    except OptimizerError:
        return None


def refuse_damaged(seen: Observation, whole: dict[str, Snapshot], chain: list[str]) -> None:
    """Raise DamagedSnapshot when the way back leads over one that is lost on both sides."""
    for name, what in seen.damaged.items():
        if name not in whole and name in chain:
            raise DamagedSnapshot(
                snapshot=name[:8],
                what=f"{what}, and this controller has no good copy",
                hint="Choose a later snapshot with --to, or restore by hand.",
            )
