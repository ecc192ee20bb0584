"""What a way back finds that is somebody else's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Foreign:
    """What somebody else changed after us: what we left, and what is there now.

    is_merged: of a file what is ours goes, and what is theirs stays.
    """

    name: str
    applied: str | None
    found: str | None
    original: str | None
    is_merged: bool = False
