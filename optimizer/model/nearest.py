"""Which known name a mistyped one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like `name`; None when none looks like it."""
    return next(iter(get_close_matches(name, sorted(known), n=1, cutoff=0.6)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the hint of an error about an unknown name: the nearest one, or all of them."""
    names = sorted(known)
    match = nearest(name, names)
    return f"Did you mean {match}?" if match else f"Known: {', '.join(names)}."
