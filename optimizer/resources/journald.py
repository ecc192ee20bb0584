"""Limits of the system journal, in a drop-in of ours. Source: journald.conf(5)."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.model.observation import ConfigLine, Observation
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ActionStep
from optimizer.model.tunable import Permission, Tunable
from optimizer.resources.base import Artifact, NothingAtStake, canonical, own_text, write_text
from optimizer.resources.boot_order import lines_in_order
from optimizer.resources.unit import own_values, render

FILE = "/etc/systemd/journald.conf.d/zz-optimizer.conf"
SERVICE = "systemd-journald.service"
_MAIN = ("/etc/systemd/journald.conf", "/usr/lib/systemd/journald.conf")


class Journald(NothingAtStake):
    """The resource kind of journald.conf settings."""

    name = "journald"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Read the service's start and our drop-in; the probe reads the rest anyway."""
        return ProbeRequest(
            units=frozenset({SERVICE}),
            properties=frozenset({"ActiveEnterTimestampMonotonic"}),
            files=frozenset({FILE}),
        )

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read the configured value; it is in force when journald started after it was set."""
        unit = observation.units.get(SERVICE)
        if unit is None or not unit.is_loaded:
            reason = "this host does not run systemd-journald"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        line = _deciding_line(tunable.target, observation)
        boot = canonical(tunable, line.text.partition("=")[2].strip()) if line else None
        changed = observation.config_files.get("journald", {}).get(line.path, 0.0) if line else 0.0
        started = _started(unit.properties, observation)
        return (
            Reading(
                tunable,
                live=boot if changed <= started else None,
                boot=boot,
                source=line.place if line else None,
                overridden_by=_beaten_by(line, tunable.target, observation),
            ),
        )

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Every journald takes every valid limit."""
        return ""

    def target_of(self, path: str, key: str) -> str:
        """Name a setting as journald does."""
        return key if path == FILE else ""

    def is_delayed(self, tunable: Tunable, observation: Observation) -> bool:
        """The journal reads its files when it starts."""
        return True

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Write the drop-in; restarting journald waits until that is allowed."""
        boot = {d.reading.tunable.target: d.boot for d in differences if d.boot is not None}
        artifacts = []
        if boot:
            merged = {**own_values(own_text(FILE, observation)), **boot}
            artifacts.append(write_text(FILE, render(merged, "Journal"), observation))
        if any(difference.live is not None for difference in differences):
            restart = ActionStep(
                action="restart-unit", argument=SERVICE, needs=(Permission.RESTART,)
            )
            artifacts.append(Artifact((restart,), blobs={}))
        return Artifact.joined(artifacts)


def _deciding_line(key: str, observation: Observation) -> ConfigLine | None:
    """Drop-ins are read after the main file, and the last line for a key counts."""
    files = observation.config_files.get("journald", {})
    lines = observation.config.get("journald", ())
    drop_ins = {path: changed for path, changed in files.items() if path not in _MAIN}
    main = next((path for path in _MAIN if path in files), "")
    ordered = [line for line in lines if line.path == main]
    ordered += lines_in_order(drop_ins, lines)
    setting = [line for line in ordered if line.text.partition("=")[0].strip() == key]
    return setting[-1] if setting else None


def _beaten_by(line: ConfigLine | None, key: str, observation: Observation) -> str | None:
    if line is None or line.path == FILE or key not in own_values(own_text(FILE, observation)):
        return None
    return line.place


def _started(properties: object, observation: Observation) -> float:
    """Time at which journald became active, seconds since the epoch; now where unknown."""
    monotonic = dict(properties).get("ActiveEnterTimestampMonotonic", "")  # type: ignore[call-overload]
    if not monotonic.isdigit():
        return observation.facts.now
    return observation.facts.now - observation.facts.uptime + int(monotonic) / 1e6
