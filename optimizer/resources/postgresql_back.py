"""What a way back means for objects in databases: nothing of others goes with them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from optimizer.model.observation import Observation, ValueState
from optimizer.model.postgresql_objects import CHANGED, OFF, ON, OTHER
from optimizer.model.transaction import Step, ValueStep
from optimizer.planning.step_back import is_last
from optimizer.resources.back import Back, Held

_EXTENSION = "/extension/"
# The view of ours that asks the extension.
_VIEW_ON_IT = "slow_queries"


def guarded(steps: Sequence[Step], seen: Observation) -> Back:
    """Hold back what is not ours any more, what others built on, and what cannot be reached.

    Views come before the extension that they ask, in the order of the steps.
    """
    kept: list[Step] = []
    held: list[Held] = []
    dropped: set[str] = set()
    for step in steps:
        why = _obstacle(step, seen, dropped) if is_last(step) else ""
        if why and isinstance(step, ValueStep):
            held.append(Held(step, advice=why))
            continue
        kept.append(step)
        if isinstance(step, ValueStep):
            dropped.add(step.path)
    return Back(tuple(kept), tuple(held))


def _obstacle(step: Step, seen: Observation, dropped: Collection[str]) -> str:
    value = seen.values.get(step.path) if isinstance(step, ValueStep) else None
    if value is None or not isinstance(step, ValueStep):
        return ""
    if value.state is ValueState.UNREADABLE:
        return "the cluster does not answer: start it first"
    if {step.before, step.after} & {CHANGED, OTHER}:
        return "it is not as it was made, and nothing could bring it back: drop it by hand"
    if step.after != OFF:
        return ""
    needed = [value.dependents] if value.dependents else []
    view = _view_on(step.path)
    if view and view not in dropped and view in seen.values and seen.values[view].text == ON:
        needed.append(f"view public.{_VIEW_ON_IT}")
    return f"needed by {', '.join(needed)}: drop that first" if needed else ""


def _view_on(path: str) -> str:
    """Return the path of our view on an extension; empty for a view."""
    place, is_extension, rest = path.rpartition(_EXTENSION)
    database = rest.rpartition("/")[0]
    return f"{place}/view/{database}/{_VIEW_ON_IT}" if is_extension else ""
