"""The reference page of all tunables, made from the catalogue: docs/tunables.md."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.catalog import AREAS, FAMILIES, services
from optimizer.catalog.declare import Area
from optimizer.model.tunable import Tunable

_HEAD = """\
# Tunables

Every setting that the optimizer understands, in the order in which settings are written.
Made from the catalogue by `python -m optimizer.catalog.reference`.

*Effect* is when a change counts, *risk* what a wrong value can do, *weight* its share in the
score. *Asked for by name* marks what no shipped profile sets, and why."""


def markdown() -> str:
    """Return the page: a table for each area, what is refused, and the free ids."""
    usual = [area for area in AREAS if not any(tunable.refused for tunable in area.tunables)]
    refused = [tunable for area in AREAS for tunable in area.tunables if tunable.refused]
    sections = [_HEAD, *(_table(area) for area in (*usual, services.AREA))]
    return "\n\n".join([*sections, _refused(refused), _families()]) + "\n"


def _table(area: Area) -> str:
    head = ("id", "values", "effect", "risk", "weight", "what")
    return f"## {area.title}\n\n{_rows(head, [_row(tunable) for tunable in area.tunables])}"


def _row(tunable: Tunable) -> tuple[str, ...]:
    opt_in = f" *Asked for by name:* {tunable.opt_in}." if tunable.opt_in else ""
    return (
        f"[`{tunable.id}`]({tunable.docs})",
        tunable.value.describe(),
        tunable.effect.value,
        tunable.risk.value,
        str(tunable.weight),
        tunable.why + opt_in,
    )


def _refused(tunables: list[Tunable]) -> str:
    rows = [
        (f"[`{tunable.id}`]({tunable.docs})", f"{tunable.refused}.{_forced(tunable)}")
        for tunable in tunables
    ]
    intro = "A profile that names one of these is refused."
    return f"## Refused\n\n{intro}\n\n{_rows(('id', 'why'), rows)}"


def _forced(tunable: Tunable) -> str:
    forced = f" *Forced by name:* `--force {tunable.id}=…` takes {tunable.value.describe()}."
    return forced if tunable.is_forcible else ""


def _families() -> str:
    rows = [(f"`{family.pattern}`", family.what) for family in FAMILIES]
    intro = "A part of these ids is free."
    return f"## Further ids\n\n{intro}\n\n{_rows(('id', 'what'), rows)}"


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Write a table; a bar within a cell would end it."""
    lines = [head, tuple("---" for _ in head), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


if __name__ == "__main__":
    print(markdown(), end="")
