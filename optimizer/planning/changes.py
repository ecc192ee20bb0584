"""The changes that a host went through: which stand, and which a way back takes along. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.model.errors import UnknownSnapshot
from optimizer.model.observation import Observation
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import Step
from optimizer.planning.restarts import only_restarts, still_waits
from optimizer.planning.step_back import is_held, key_of


def ordered(snapshots: Mapping[str, Snapshot]) -> list[tuple[str, Snapshot]]:
    """Sort snapshots by the time they were made, oldest first."""
    return sorted(snapshots.items(), key=lambda item: (item[1].created, item[0]))


def in_effect(snapshots: Mapping[str, Snapshot]) -> list[tuple[str, Snapshot]]:
    """Leave out what was rolled back, also by way of a rollback that was itself rolled back."""
    undone: set[str] = set()
    standing: list[tuple[str, Snapshot]] = []
    for name, snapshot in reversed(ordered(snapshots)):
        if name not in undone and not snapshot.is_undone:
            undone.update(snapshot.undoes)
            standing.append((name, snapshot))
    return standing[::-1]


def chain(snapshots: Mapping[str, Snapshot], to: str, host: str) -> list[tuple[str, Snapshot]]:
    """Return the changes to take back, oldest first, to be where `to` was taken.

    to: an id, the beginning of one, or `last` for the newest apply still in effect.
    UnknownSnapshot: there is none, or several begin like that.
    """
    in_time = ordered(snapshots)
    if to == "last":
        applied = [
            name
            for name, one in in_effect(snapshots)
            if one.kind == "apply" and not only_restarts(one)
        ]
        if not applied:
            raise UnknownSnapshot(
                host=host,
                snapshot="to go back to",
                hint="Nothing is applied. To undo a rollback, name its snapshot with --to.",
            )
        to = applied[-1]
    found = [position for position, (name, _) in enumerate(in_time) if name.startswith(to)]
    if len(found) != 1:
        raise UnknownSnapshot(host=host, snapshot=to if not found else f"{to}, but several of it")
    return in_time[found[0] :]


def unfinished(snapshots: Mapping[str, Snapshot], observation: Observation) -> str:
    """Return where the way back begins that was gone without the restart it takes; else empty.

    The files of the newest apply are back then, and what it left is still in force.
    """
    standing = in_effect(snapshots)
    in_time = ordered(snapshots)
    for name, snapshot in reversed(in_time):
        if snapshot.kind != "apply":
            continue
        if (name, snapshot) in standing:
            return ""
        if any(still_waits(step, observation) for step in snapshot.steps):
            # Several may have gone back at once.
            together = {name}.union(*(one.undoes for _, one in standing if name in one.undoes))
            return next(one for one, _ in in_time if one in together)
    return ""


def expected(snapshots: Mapping[str, Snapshot]) -> dict[str, Step]:
    """Return what the changes still in effect left behind, by resource; the newest counts."""
    left: dict[str, Step] = {}
    for _, snapshot in in_effect(snapshots):
        if snapshot.kind == "apply":
            left.update({key_of(step): step for step in snapshot.steps if not is_held(step)})
    return left
