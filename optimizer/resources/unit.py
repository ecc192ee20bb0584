"""Limits and priorities of services: directives in a drop-in of ours for each unit.

Source: systemd.exec(5), systemd.resource-control(5), proc(5) for the value in force.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from optimizer.model.observation import ConfigLine, Observation, Unit
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ActionStep
from optimizer.model.tunable import Tunable
from optimizer.resources.base import (
    DAEMON_RELOAD,
    HEADER,
    Artifact,
    NothingAtStake,
    canonical,
    own_text,
    write_text,
)

# Sorts behind override.conf, where `systemctl edit` puts what a person wants.
DROP_IN = "/etc/systemd/system/{unit}.d/zz-optimizer.conf"
_DROP_IN = re.compile(re.escape(DROP_IN).replace(r"\{unit\}", "([^/]+)"))

_SERVERS = ("redis", "valkey")

# systemd.exec(5) directive -> row of /proc/PID/limits.
_LIMITS = {
    "LimitNOFILE": "Max open files",
    "LimitMEMLOCK": "Max locked memory",
    "LimitNPROC": "Max processes",
    "LimitCORE": "Max core file size",
    "LimitSTACK": "Max stack size",
    "LimitAS": "Max address space",
    "LimitRTPRIO": "Max realtime priority",
}


def split_target(target: str) -> tuple[str, str]:
    """Split `redis-server.LimitNOFILE` into the unit's full name and the directive."""
    unit, _, directive = target.rpartition(".")
    suffixes = (".service", ".socket", ".slice", ".scope", ".mount", ".timer")
    return (unit if unit.endswith(suffixes) else f"{unit}.service"), directive


def own_values(text: str) -> dict[str, str]:
    """Read the directives of our drop-in, in its order."""
    pairs = (line.partition("=") for line in text.splitlines() if line[:1] not in ("#", "["))
    return {name: value for name, separator, value in pairs if separator}


def render(values: Mapping[str, str], section: str = "Service") -> str:
    """Print our drop-in."""
    return f"{HEADER}[{section}]\n" + "".join(f"{key}={value}\n" for key, value in values.items())


class UnitDirective(NothingAtStake):
    """The resource kind of unit directives."""

    name = "unit"

    def request(self, tunable: Tunable) -> ProbeRequest:
        """Read the unit's property, its main process, and our drop-in."""
        unit, directive = split_target(tunable.target)
        return ProbeRequest(
            units=frozenset({unit}),
            properties=frozenset(
                {directive, f"{directive}Soft", "MainPID", "FragmentPath", "DropInPaths"}
            ),
            files=frozenset({DROP_IN.format(unit=unit)}),
            # A server that keeps nothing loses its keys when its unit is restarted.
            redis=frozenset({"appendonly", "save"} if unit.startswith(_SERVERS) else ()),
        )

    def read(self, tunable: Tunable, observation: Observation) -> tuple[Reading, ...]:
        """Read what the process has, and what its next start gets."""
        name, directive = split_target(tunable.target)
        unit = observation.units.get(name)
        if unit is None or not unit.is_loaded:
            reason = f"there is no unit {name}" if unit else "this host does not run systemd"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        path = DROP_IN.format(unit=name)
        boot = configured(unit, directive)
        if boot is None:
            reason = f"this systemd has no {directive}"
            return (Reading(tunable, state=ReadingState.NOT_APPLICABLE, reason=reason),)
        own = own_values(own_text(path, observation)).get(directive)
        winner = _winner(unit, directive)
        configured_now = boot
        if own is not None and winner and winner.path == path:
            # What somebody set in force alone (systemctl set-property) is gone at the next boot.
            boot = own
        live = in_force(unit, directive) if unit.is_active else configured_now
        return (
            Reading(
                tunable,
                live=None if live is None else canonical(tunable, live),
                boot=canonical(tunable, boot),
                source=winner.place if winner else None,
                overridden_by=winner.place if winner and own and winner.path != path else None,
                lost_by_restart=_lost_by_restart(name, observation),
            ),
        )

    def impossible(self, reading: Reading, wanted: str, observation: Observation) -> str:
        """Every loaded unit takes every valid directive."""
        return ""

    def target_of(self, path: str, key: str) -> str:
        """Name the unit and its directive."""
        found = _DROP_IN.fullmatch(path)
        return f"{found[1]}.{key}" if found else ""

    def is_delayed(self, tunable: Tunable, observation: Observation) -> bool:
        """Limits count for processes that begin then; systemd changes the rest at once."""
        name, directive = split_target(tunable.target)
        unit = observation.units.get(name)
        return unit is not None and _LIMITS.get(directive, directive) in unit.limits

    def write(self, differences: Sequence[Difference], observation: Observation) -> Artifact:
        """Write one drop-in a unit; restarting it waits until that is allowed."""
        units: dict[str, list[Difference]] = defaultdict(list)
        for difference in differences:
            units[split_target(difference.reading.tunable.target)[0]].append(difference)
        return Artifact.joined(
            _write_unit(unit, changed, observation) for unit, changed in units.items()
        )


def _write_unit(unit: str, differences: list[Difference], observation: Observation) -> Artifact:
    path = DROP_IN.format(unit=unit)
    boot = {
        split_target(one.reading.tunable.target)[1]: one.boot
        for one in differences
        if one.boot is not None
    }
    artifacts = []
    if boot:
        merged = {**own_values(own_text(path, observation)), **boot}
        section = unit.rpartition(".")[2].capitalize()
        artifacts.append(write_text(path, render(merged, section), observation))
        artifacts.append(Artifact((DAEMON_RELOAD,), blobs={}))
    live = [one for one in differences if one.live is not None]
    if live and observation.units[unit].is_active:
        needs = live[0].reading.restart_needs
        restart = ActionStep(action="restart-unit", argument=unit, needs=needs)
        artifacts.append(Artifact((restart,), blobs={}))
    return Artifact.joined(artifacts)


def _winner(unit: Unit, directive: str) -> ConfigLine | None:
    """Return the line that decides: the last one that systemd reads."""
    lines = [one for one in unit.lines if one.text.partition("=")[0].strip() == directive]
    return lines[-1] if lines else None


def _lost_by_restart(unit: str, observation: Observation) -> str:
    lost = (server.lost_by_restart for server in observation.redis if server.unit == unit)
    return next(filter(None, lost), "")


def configured(unit: Unit, directive: str) -> str | None:
    """Return what the next start of a unit gets; None where this systemd has no such directive."""
    hard = unit.properties.get(directive)
    soft = unit.properties.get(f"{directive}Soft", hard)
    return hard if soft == hard else f"{soft}:{hard}"


def in_force(unit: Unit, directive: str) -> str | None:
    """Return what the first process of a unit has."""
    found = unit.limits.get(_LIMITS.get(directive, directive))
    if found is None:
        return configured(unit, directive)
    soft, _, hard = found.replace("unlimited", "infinity").partition(":")
    return soft if hard in ("", soft) else f"{soft}:{hard}"
