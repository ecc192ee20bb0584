"""How the memory of a host is shared out, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.model.plan import BudgetLine
from optimizer.views.text import Look, table

_MIB = 2**20


def render(lines: Sequence[BudgetLine], look: Look) -> list[str]:
    """Return the parts of the memory in MiB, under what they add up to; empty without any."""
    if not lines:
        return []
    rows = [(line.what, _size(line.bytes), line.how) for line in lines]
    whole = _size(sum(line.bytes for line in lines))
    return [f"  memory {whole}", *table(rows, "<><", look, "    ")]


def _size(count: int) -> str:
    return f"{count / _MIB:.0f} MiB"
