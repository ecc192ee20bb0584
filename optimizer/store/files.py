"""Files that are either the old one or the new one, whatever happens in between."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def state_directory() -> Path:
    """Where the controller keeps its state; OPTIMIZER_STATE_DIR overrides it."""
    override = os.environ.get("OPTIMIZER_STATE_DIR")
    if override:
        return Path(override)
    from platformdirs import user_state_path

    return user_state_path("optimizer")


def write(path: Path, content: bytes) -> None:
    """Write a private file (0600): to a temporary name, flushed, then renamed into place.

    OSError: it cannot be written; the old file is still there then.
    """
    _make_private(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    _flush_directory(path.parent)


def _make_private(directory: Path) -> None:
    """Make a directory and those above it that are missing, for the owner alone."""
    above = (directory, *directory.parents)
    # With `parents=True`, mkdir would give its mode to the last one only.
    for missing in reversed([one for one in above if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def _flush_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
