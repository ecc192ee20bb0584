"""When a systemd timer elapses, in a drop-in of ours. Source: systemd.timer(5)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from optimizer.model.observation import Observation
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ActionStep
from optimizer.model.tunable import Tunable
from optimizer.resources.base import DAEMON_RELOAD, HEADER, Artifact, NothingAtStake, write_text

DROP_IN = "/etc/systemd/system/{unit}.d/zz-optimizer.conf"
_DROP_IN = re.compile(re.escape(DROP_IN).replace(r"\{unit\}", r"([^/]+\.timer)"))

# systemd prints shorthands in full.
_SHORT = {
    "*-*-* *:00:00": "hourly",
    "*-*-* 00:00:00": "daily",
    "Mon *-*-* 00:00:00": "weekly",
    "*-*-01 00:00:00": "monthly",
}


class Timer(NothingAtStake):
    """The resource kind of timers; the target is the timer's unit."""

    name = "timer"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Read the timer's schedule and our drop-in."""
        return ProbeRequest(
            units=frozenset({tunable.target}),
            # The last is none of systemd's properties: lines that set it are read all the same.
            properties=frozenset({"TimersCalendar", "FragmentPath", "DropInPaths", "OnCalendar"}),
            files=frozenset({DROP_IN.format(unit=tunable.target)}),
        )

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read the schedule in force, which systemd takes from the files it has loaded."""
        unit = observation.units.get(tunable.target)
        if unit is None or not unit.is_loaded:
            reason = f"there is no unit {tunable.target}"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        found = re.search(r"OnCalendar=([^;]*) ;", unit.properties.get("TimersCalendar", ""))
        calendar = _SHORT.get(found[1].strip(), found[1].strip()) if found else None
        lines = [one for one in unit.lines if one.text.startswith("OnCalendar")]
        source = lines[-1].place if lines else unit.properties.get("FragmentPath")
        return (Reading(tunable, live=calendar, boot=calendar, source=source, has_live=False),)

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Every timer takes every calendar."""
        return ""

    def target_of(self, path: str, key: str) -> str:
        """Name the timer whose schedule it is."""
        found = _DROP_IN.fullmatch(path)
        return found[1] if found and key == "OnCalendar" else ""

    def is_delayed(self, tunable: Tunable, observation: Observation) -> bool:
        """A timer has its new schedule at once."""
        return False

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Write the drop-in; a timer takes a new schedule when it is started again."""
        artifacts = []
        for difference in differences:
            unit = difference.reading.tunable.target
            text = f"{HEADER}[Timer]\nOnCalendar=\nOnCalendar={difference.boot}\n"
            artifacts.append(write_text(DROP_IN.format(unit=unit), text, observation))
            restart = ActionStep(action="restart-timer", argument=unit)
            artifacts.append(Artifact((DAEMON_RELOAD, restart), blobs={}))
        return Artifact.joined(artifacts)
