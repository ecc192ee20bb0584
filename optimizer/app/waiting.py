"""What a way back without a restart has left in force, and how that goes back too."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from optimizer.model.observation import Observation
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import ValueStep
from optimizer.planning.restoring import chain, undo, unfinished


def waiting_notes(
    taken: Mapping[str, Snapshot], seen: Observation, told: Collection[str] = ()
) -> tuple[str, ...]:
    """Say which values of a change that was taken back wait for a restart; none where none do.

    told: tunables that are dealt with elsewhere.
    """
    begin = unfinished(taken, seen)
    if not begin:
        return ()
    way = undo(chain(taken, begin, seen.facts.hostname), seen, include_foreign=False)
    return tuple(
        f"{step.tunable} is {step.before} until the server is restarted, "
        f"and {step.after} then: optimizer rollback --allow restart"
        for step in way.steps
        if isinstance(step, ValueStep) and step.takes_restart and step.tunable not in told
    )
