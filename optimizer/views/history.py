"""Runs and snapshots as text, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.model.result import HistoryResult, RunInfo, SnapshotInfo
from optimizer.views.text import (
    SHORT_ID,
    Asked,
    Look,
    count,
    following,
    labelled,
    sentence,
    shown,
    table,
)

_RUN_HEAD = ("run", "when (UTC)", "hosts", "changed", "by", "what")
_SNAPSHOT_HEAD = ("snapshot", "host", "when (UTC)", "state", "by", "taken before")


def render(result: HistoryResult, look: Look, asked: Asked) -> list[str]:
    """Return the lists that are not empty, and what to do with them."""
    lines: list[str] = []
    if result.runs:
        lines += [*_runs(result.runs, look), ""]
    if result.snapshots:
        lines += [*_snapshots(result.snapshots, look), ""]
    for problem in result.problems:
        where = problem.path or problem.tunable
        text = f"{where}: {problem.what}" if where else problem.what
        if problem.expected is not None or problem.found is not None:
            text += f" (expected {shown(problem.expected)}, found {shown(problem.found)})"
        lines += labelled("!", text, look, "")
    if not lines:
        lines = ["Nothing is recorded yet.", ""]
    return lines + following(_next(result, asked), look)


def _runs(runs: Sequence[RunInfo], look: Look) -> list[str]:
    rows = [_RUN_HEAD]
    for run in sorted(runs, key=lambda run: run.created, reverse=True):
        restored = f"{run.restored} restored" if run.restored else ""
        failed = f"{run.failed} not restored" if run.failed else ""
        what = sentence((f"{run.verb} {run.profile}".strip(), restored, failed))
        numbers = (str(run.hosts), str(run.changed))
        rows.append((run.id, _minute(run.created), *numbers, run.by, what))
    return table(rows, "<<>><<", look, "")


def _snapshots(snapshots: Sequence[SnapshotInfo], look: Look) -> list[str]:
    rows = [_SNAPSHOT_HEAD]
    for one in sorted(snapshots, key=lambda one: (one.created, one.host), reverse=True):
        label = f" ({one.label})" if one.label else ""
        what = (
            _what(one) + label,
            count(one.values, "value"),
            count(one.files, "file") if one.files else "",
        )
        created = _minute(one.created)
        rows.append((one.id[:SHORT_ID], one.host, created, one.state, one.by, sentence(what)))
    return table(rows, "<<<<<<", look, "")


def _minute(created: str) -> str:
    """Return `2026-11-20 23:51` for an ISO 8601 time in UTC."""
    return created[:16].replace("T", " ")


def _what(one: SnapshotInfo) -> str:
    """Say what came after the snapshot; a rollback says it by itself."""
    return f"apply of {one.profile}" if one.kind == "apply" else one.profile or one.kind


def _next(result: HistoryResult, asked: Asked) -> str:
    usable = [one for one in result.snapshots if one.state in ("in effect", "taken")]
    if usable:
        latest = max(usable, key=lambda one: one.created)
        to = ("--to", latest.id[:SHORT_ID])
        return asked.for_host(latest.host).command("rollback", *to, "--dry-run")
    if result.runs:
        return f"optimizer history {max(result.runs, key=lambda run: run.created).id}"
    return asked.command("plan", "--profile", asked.profile or "NAME")
