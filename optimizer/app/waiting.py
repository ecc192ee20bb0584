"""What a way back without a restart has left in force, and how that goes back too."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from optimizer.model.boot import normal, parameter_at
from optimizer.model.observation import Observation
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import ValueStep
from optimizer.planning.changes import chain, in_effect, ordered, unfinished
from optimizer.planning.restoring import undo
from optimizer.resources import grub


def waiting_notes(
    taken: Mapping[str, Snapshot], seen: Observation, told: Collection[str] = ()
) -> tuple[str, ...]:
    """Say which values of a change that was taken back wait for a restart; none where none do.

    told: tunables that are dealt with elsewhere.
    """
    reboots = _reboots(taken, seen, told)
    begin = unfinished(taken, seen)
    if not begin:
        return reboots
    way = undo(chain(taken, begin, seen.facts.hostname), seen, include_foreign=False)
    restarts = tuple(
        f"{step.tunable} is {step.before} until the server is restarted, "
        f"and {step.after} then: optimizer rollback --allow restart"
        for step in way.steps
        if isinstance(step, ValueStep) and step.takes_restart and step.tunable not in told
    )
    return restarts + reboots


def _reboots(
    taken: Mapping[str, Snapshot], seen: Observation, told: Collection[str]
) -> tuple[str, ...]:
    """Say which boot parameters of changes that were taken back the running kernel still has."""
    applied = [one for _, one in in_effect(taken) if one.kind == "apply"]
    kept = {step.path for one in applied for step in _booted(one)}
    next_boot = grub.next_boot(seen)
    notes = {}
    for _, snapshot in ordered(taken):
        for step in _booted(snapshot) if snapshot.kind == "apply" else ():
            value = seen.values.get(step.path)
            is_left = value is not None and value.text == step.after
            is_set = next_boot.get(normal(parameter_at(step.path))) == step.after
            if is_left and not is_set and step.path not in kept:
                notes[step.tunable] = f"{step.tunable} is {step.after} until the host is rebooted"
    return tuple(text for name, text in notes.items() if name not in told)


def _booted(snapshot: Snapshot) -> list[ValueStep]:
    return [one for one in snapshot.steps if isinstance(one, ValueStep) and one.takes_reboot]
