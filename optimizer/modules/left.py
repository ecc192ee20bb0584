"""What the settings of each server are once a plan is carried out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optimizer.model.observation import Observation
from optimizer.planning.comparing import Status, Verdict
from optimizer.resources.postgresql import SIZING

Left = dict[tuple[str, str], dict[str, str]]


def as_left(verdicts: Iterable[Verdict], observation: Observation) -> Left:
    """Return (module, server) -> setting -> value, sizes in bytes.

    What is pinned or left alone counts as it is on the server; of a cluster all that its memory
    is worked out from is in there.
    """
    left: Left = {
        ("postgresql", one.name): {
            name: one.settings[name].in_force for name in SIZING if name in one.settings
        }
        for one in observation.postgresql
    }
    for verdict in verdicts:
        reading = verdict.reading
        text = reading.live or "" if verdict.status is Status.PINNED else verdict.wanted
        if text:
            server = left.setdefault((reading.tunable.module, reading.instance), {})
            server[reading.tunable.target] = text
    return left


def numbers(values: Mapping[str, str]) -> dict[str, int]:
    """Return those that are plain numbers; a special value such as -1 is left out."""
    return {name: int(text) for name, text in values.items() if text.isdecimal()}
