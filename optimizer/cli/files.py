"""Files that the command line writes: whole or not at all, and for their owner only."""

from __future__ import annotations

from pathlib import Path

from optimizer.cli.errors import OutputFailed


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600 in one step; OutputFailed leaves the old one as it was."""
    from optimizer.store import files

    try:
        if path.exists() and not path.is_file():
            # /dev/stderr or a named pipe: there is nothing to rename onto.
            path.write_bytes(text.encode())
        else:
            # A link stays a link: the file that it points to is replaced.
            files.write(path.resolve(), text.encode())
    except OSError as error:
        raise OutputFailed(path=path, why=error.strerror or error) from error
