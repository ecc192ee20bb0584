"""The record of each run on this controller: one JSON file a run, newest name last."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from optimizer.model.plan import canonical_hash
from optimizer.model.result import Problem, RunInfo
from optimizer.store.files import keep, read, state_directory

_SCHEMA = "optimizer/run/1"


def new_id(now: datetime) -> str:
    """Return a run id that sorts by time: r-20261121-101500-1a2b."""
    return f"r-{now.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def record(info: RunInfo, result: str) -> Path:
    """Keep what a run was and its whole result (a JSON document), with a hash of both."""
    path = state_directory() / "runs" / f"{info.id}.json"
    content = {"run": info.model_dump(mode="json"), "result": json.loads(result)}
    document = {"schema": _SCHEMA, "digest": canonical_hash(content), **content}
    keep(path, json.dumps(document, indent=1).encode())
    return path


def listed() -> tuple[list[RunInfo], list[Problem]]:
    """Read all runs, newest first, and say which of the records cannot be believed."""
    runs, problems = [], []
    for path in sorted((state_directory() / "runs").glob("r-*.json"), reverse=True):
        try:
            runs.append(_read(path))
        except (OSError, ValueError) as error:
            problems.append(
                Problem(what=f"the record cannot be believed: {_why(error)}", path=str(path))
            )
    return runs, problems


def _read(path: Path) -> RunInfo:
    """Read one record. OSError, ValueError: it is damaged, or others may have written it."""
    document = _document(path)
    content = {"run": document.get("run"), "result": document.get("result")}
    # Records of earlier versions have no hash.
    if set(document) != set(content):
        schema = document.get("schema")
        if isinstance(schema, str) and schema.startswith("optimizer/run/") and schema != _SCHEMA:
            raise ValueError(f"it is of a newer version, {schema}")
        if document != {"schema": _SCHEMA, "digest": canonical_hash(content), **content}:
            raise ValueError("it was changed")
    info = RunInfo.model_validate(content["run"])
    if path.name != f"{info.id}.json":
        raise ValueError(f"it is that of run {info.id}")
    return info


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read(path))
    except (ValueError, RecursionError) as error:
        raise ValueError("it is cut or changed") from error
    if not isinstance(document, dict):
        raise ValueError("it is cut or changed")
    return document


def _why(error: Exception) -> str:
    return "it is cut or changed" if isinstance(error, ValidationError) else str(error)
