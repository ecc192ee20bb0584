"""history: the runs of this controller, and the snapshots that hosts keep."""

from __future__ import annotations

from optimizer.app.probing import Failure, probe
from optimizer.app.requests import SILENCE, Progress
from optimizer.app.taken import snapshots_of
from optimizer.model.errors import UnknownSnapshot
from optimizer.model.fleet import Fleet
from optimizer.model.observation import Observation
from optimizer.model.request import ProbeRequest
from optimizer.model.result import HistoryResult, Problem, SnapshotInfo
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import FileStep, LinkStep, ValueStep
from optimizer.planning.changes import in_effect, ordered
from optimizer.store import runs as run_store


def runs() -> HistoryResult:
    """List the runs of this controller, newest first. No host is asked."""
    found, problems = run_store.listed()
    return HistoryResult(runs=tuple(found), problems=tuple(problems))


def snapshots(fleet: Fleet, progress: Progress = SILENCE) -> HistoryResult:
    """List the snapshots of hosts, newest first; one remote command per host."""
    names = [target.name for target in fleet.targets()]
    seen = probe(fleet, dict.fromkeys(names, ProbeRequest(snapshots=True)), progress)
    rows: list[SnapshotInfo] = []
    problems: list[Problem] = []
    for name in names:
        found = seen[name]
        if isinstance(found, Failure):
            problems.append(Problem(what=f"{name}: {found.error}"))
        else:
            rows += _rows(name, found)
            problems += _damage(name, found)
    return HistoryResult(snapshots=tuple(rows), problems=tuple(problems))


def show(fleet: Fleet | None, identity: str, progress: Progress = SILENCE) -> HistoryResult:
    """Return one run (no host is asked) or one snapshot. UnknownSnapshot: there is none."""
    if fleet is None:
        known = runs()
        found = tuple(run for run in known.runs if run.id.startswith(identity))
        if not found:
            raise UnknownSnapshot(host="this controller", snapshot=f"or run {identity}")
        return HistoryResult(runs=found)
    listed = snapshots(fleet, progress)
    rows = tuple(
        row for row in listed.snapshots if row.id.startswith(identity) or row.run == identity
    )
    if not rows:
        raise UnknownSnapshot(host=fleet.inventory, snapshot=identity)
    return HistoryResult(snapshots=rows, problems=listed.problems)


def _rows(name: str, seen: Observation) -> list[SnapshotInfo]:
    taken = snapshots_of(seen)
    standing = {identity for identity, _ in in_effect(taken)}
    return [
        _row(name, identity, one, _state(identity, one, standing, seen))
        for identity, one in reversed(ordered(taken))
    ]


def _state(identity: str, one: Snapshot, standing: set[str], seen: Observation) -> str:
    if identity in seen.damaged:
        return "damaged"
    if one.kind == "snapshot":
        return "taken"
    return "in effect" if identity in standing else "undone"


def _row(name: str, identity: str, one: Snapshot, state: str) -> SnapshotInfo:
    return SnapshotInfo(
        id=identity,
        run=one.run,
        host=name,
        created=one.created,
        kind=one.kind,
        profile=one.profile,
        by=one.by,
        kernel=one.kernel,
        values=sum(isinstance(step, ValueStep) for step in one.steps),
        files=sum(isinstance(step, (FileStep, LinkStep)) for step in one.steps),
        state=state,
        label=one.label,
    )


def _damage(name: str, seen: Observation) -> list[Problem]:
    found = [
        Problem(what=f"{name}: snapshot {bad[:8]} is damaged: {what}")
        for bad, what in seen.damaged.items()
    ]
    if seen.pending:
        found.append(Problem(what=f"{name}: {seen.pending}"))
    if seen.broken:
        found.append(Problem(what=f"{name}: a change cannot go back by itself: {seen.broken}"))
    return found
