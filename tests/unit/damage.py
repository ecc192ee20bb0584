"""Texts and files that were damaged, at places that a seed draws."""

from __future__ import annotations

import os
import random
from pathlib import Path

SEED = int(os.environ.get("INTEGRITY_SEED", "20261126"))
NOBODY = 65534


def drawn() -> random.Random:
    """Return what draws the places, and say how to draw them again."""
    print(f"INTEGRITY_SEED={SEED}")
    return random.Random(SEED)  # noqa: S311 - places to damage, no secrets


def flipped(content: bytes, position: int, bit: int) -> bytes:
    """Turn one bit over."""
    return content[:position] + bytes([content[position] ^ 1 << bit]) + content[position + 1 :]


def some_damage(content: bytes, count: int) -> list[bytes]:
    """Flip and cut a text at drawn places, and empty it."""
    draw = drawn()
    flips = [
        flipped(content, draw.randrange(len(content)), draw.randrange(8)) for _ in range(count)
    ]
    cuts = [content[: draw.randrange(len(content))] for _ in range(count // 2)]
    return [*flips, *cuts, content[:-1], b""]


def every_damage(content: bytes) -> list[bytes]:
    """Flip one bit of each byte, drawn by the seed, and cut at every length."""
    draw = drawn()
    flips = [flipped(content, at, draw.randrange(8)) for at in range(len(content))]
    return [*flips, *(content[:length] for length in range(len(content)))]


def as_link(path: Path) -> None:
    """Make a symbolic link of it, to what was there."""
    path.rename(path.with_name(f".{path.name}"))
    path.symlink_to(f".{path.name}")


def as_directory(path: Path) -> None:
    """Make a directory of a file."""
    path.unlink()
    path.mkdir()


def as_pipe(path: Path) -> None:
    """Make a named pipe of a file."""
    path.unlink()
    os.mkfifo(path)


def owned(path: Path) -> None:
    """Give it to another user."""
    os.chown(path, NOBODY, NOBODY)


def writable(path: Path) -> None:
    """Let everybody write to it."""
    path.chmod(path.stat().st_mode | 0o002)
