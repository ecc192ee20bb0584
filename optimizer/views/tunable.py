"""Tunables as text. Starts without pydantic and rich, as these lists have to be quick."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.model.tunable import Effect, Tunable
from optimizer.views.text import Look, following, sentence, wrap


def render_list(tunables: Sequence[Tunable], look: Look) -> list[str]:
    """Return ids with what each of them does."""
    lines: list[str] = []
    for one in tunables:
        state = "refused" if one.refused else "" if one.effect is Effect.LIVE else one.effect.value
        lines.append(f"{one.id}  {state}".rstrip())
        lines += wrap(one.refused or one.why, look, "    ")
    return [*lines, "", *following("optimizer tunable show ID", look)]


def render(tunable: Tunable, look: Look, meant: str | None = None) -> list[str]:
    """Return everything that is known about one tunable; `meant` has a name like this one."""
    lines = [tunable.id, *wrap(tunable.why, look, "  ")]
    for label, text in _facts(tunable):
        if text:
            lines += wrap(text, look, " " * 14, f"  {label:<10}  ")
    return lines + (["", *following(f"optimizer tunable show {meant}", look)] if meant else [])


def _facts(tunable: Tunable) -> list[tuple[str, str]]:
    unit = f" {tunable.unit}" if tunable.unit and tunable.unit != "bytes" else ""
    coupling = tunable.coupling
    return [
        ("refused", tunable.refused),
        ("forced", f"--force {tunable.id}=… on the command line" if tunable.is_forcible else ""),
        ("opt in", tunable.opt_in),
        ("values", tunable.value.describe() + unit),
        ("effect", tunable.effect.value),
        ("risk", tunable.risk.value),
        ("weight", str(tunable.weight)),
        ("kind", f"{tunable.kind} {tunable.target}"),
        ("loads", sentence(f"{one} for {value}" for value, one in tunable.modules.items())),
        ("excludes", ", ".join(coupling.excludes)),
        ("moves too", ", ".join((*coupling.mirrors, *coupling.opposes))),
        ("resets", ", ".join(coupling.resets)),
        ("takes along", ", ".join(coupling.owns)),
        ("docs", tunable.docs),
    ]
