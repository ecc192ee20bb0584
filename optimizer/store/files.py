"""Files that are either the old one or the new one, whatever happens in between.

What somebody else may have written is not read, and nothing is kept where others may write.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def state_directory() -> Path:
    """Where the controller keeps its state; OPTIMIZER_STATE_DIR overrides it."""
    override = os.environ.get("OPTIMIZER_STATE_DIR")
    if override:
        return Path(override)
    from platformdirs import user_state_path

    return user_state_path("optimizer")


class Untrusted(OSError):
    """A file or directory that somebody else may have written."""


def read(path: Path) -> bytes:
    """Read a file of ours. OSError: it cannot be read; Untrusted: others may have written it."""
    # A named pipe would be waited for, a link may lead anywhere.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise Untrusted(f"{path} is no regular file")
        refuse_untrusted(path, about, group=True)
        return file.read()


def refuse_untrusted(path: Path, about: os.stat_result, *, group: bool) -> None:
    """Raise Untrusted where somebody else than root and this user owns a file, or may write to it.

    group: whether those of its group are others too.
    """
    # Under sudo the state of the person who called it may be in use.
    trusted = {0, os.geteuid(), int(os.environ.get("SUDO_UID", "0"))}
    if about.st_uid not in trusted:
        raise Untrusted(f"{path} belongs to user {about.st_uid}: look at it, then make it your own")
    if stat.S_IMODE(about.st_mode) & (0o022 if group else 0o002):
        raise Untrusted(f"{path} can be changed by others: look at it, then chmod go-w")


def keep(path: Path, content: bytes) -> None:
    """Write a file below the directory of our state, which is made private first.

    OSError: it cannot be written; Untrusted: others may write there.
    """
    state = state_directory()
    if state.is_dir():
        refuse_untrusted(state, state.stat(), group=True)
        if stat.S_IMODE(state.stat().st_mode) & 0o077 and state.stat().st_uid == os.geteuid():
            state.chmod(0o700)
    write(path, content)


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
