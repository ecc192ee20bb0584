"""The record of each run on this controller: one JSON file a run, newest name last."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path

from optimizer.model.result import RunInfo
from optimizer.store.files import state_directory, write


def new_id(now: datetime) -> str:
    """Return a run id that sorts by time: r-20261121-101500-1a2b."""
    return f"r-{now.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def record(info: RunInfo, result: str) -> Path:
    """Keep what a run was and its whole result (a JSON document)."""
    path = state_directory() / "runs" / f"{info.id}.json"
    document = {"run": info.model_dump(mode="json"), "result": json.loads(result)}
    write(path, json.dumps(document, indent=1).encode())
    return path


def listed() -> list[RunInfo]:
    """Read all runs, newest first; a file that cannot be read is passed over."""
    runs = []
    for path in sorted((state_directory() / "runs").glob("r-*.json"), reverse=True):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            runs.append(RunInfo.model_validate(document["run"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return runs
