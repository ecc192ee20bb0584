"""What a way back means for packages: only ours go, and nothing of others with them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from optimizer.model.observation import ABSENT, LiveValue, Observation
from optimizer.model.packages import CONFIG_FILES, name_at
from optimizer.model.transaction import ActionStep, ModuleStep, Step, ValueStep
from optimizer.resources.back import Back, Held


def guarded(steps: Sequence[Step], seen: Observation) -> Back:
    """Hold back what others depend on or configured, and what still has settings of ours.

    What depends on a package comes before it, in the order of the steps.
    """
    kept: list[Step] = []
    held: list[Held] = []
    purged: set[str] = set()
    for step in steps:
        name = name_at(step.path) if isinstance(step, ValueStep) else ""
        why = _obstacle(step, seen, purged, steps) if isinstance(step, ValueStep) and name else ""
        if why and isinstance(step, ValueStep):
            held.append(Held(step, advice=why))
            continue
        kept.append(step)
        purged.add(name)
    return Back(tuple(kept), tuple(held))


def _obstacle(
    step: ValueStep, seen: Observation, purged: Collection[str], steps: Iterable[Step]
) -> str:
    value = seen.values.get(step.path)
    if value is None:
        return ""
    if step.before == CONFIG_FILES:
        return "somebody removed it and kept its configuration: purge it by hand"
    return _obstacle_to_purge(step, value, purged, steps) if step.after == ABSENT else ""


def _obstacle_to_purge(
    step: ValueStep, value: LiveValue, purged: Collection[str], steps: Iterable[Step]
) -> str:
    name = name_at(step.path)
    if any(_is_setting_of(name, other) for other in steps):
        # Undone together, neither could be brought back: the one needs files of the other.
        return "its settings go back first: roll back once more for the package"
    if value.edited:
        return f"somebody configured it since, in {value.edited}: purge it by hand"
    needed = [one for one in value.dependents.split(", ") if one and one not in purged]
    return f"needed by {', '.join(needed)}: remove that first" if needed else ""


def _is_setting_of(name: str, step: Step) -> bool:
    if isinstance(step, ActionStep | ModuleStep):
        return False
    return step.path.startswith((f"{name}:", f"/etc/{name}/"))
