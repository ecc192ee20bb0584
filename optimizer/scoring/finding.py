"""What a look at a server finds: a number for a check, and how it is said in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optimizer.model.profile import Threshold


@dataclass(frozen=True)
class Finding:
    """A number for a check, and what it is in words.

    value: for a person, with its unit. advice: in place of the usual one of the check.
    threshold: in place of every other one, where the number means something else here.
    """

    check: str
    number: float
    value: str
    advice: str = ""
    threshold: Threshold | None = None


_SIZES: Mapping[str, int] = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10}


def size(count: int) -> str:
    """Return bytes with three digits: `1.21 GiB`."""
    for unit, factor in _SIZES.items():
        if count >= factor:
            number = count / factor
            return f"{number:.3g} {unit}" if number < 1000 else f"{number:.0f} {unit}"
    return f"{count} B"


_DURATIONS: Mapping[str, int] = {"d": 86400, "h": 3600, "min": 60}


def duration(seconds: float) -> str:
    """Return a time in its largest unit: `3 d`."""
    for unit, factor in _DURATIONS.items():
        if seconds >= 2 * factor:
            return f"{seconds // factor:.0f} {unit}"
    return f"{seconds:.0f} s"
