"""What a way back takes a restart for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optimizer.model.node import value_path
from optimizer.model.observation import Observation, ValueState
from optimizer.model.postgresql import setting_path
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import ActionStep, FileStep, LineStep, Step, ValueStep
from optimizer.model.tunable import Permission
from optimizer.planning.foreign import Foreign


def only_restarts(snapshot: Snapshot) -> bool:
    """Whether a change brought what earlier ones had written, and goes back with those."""
    return bool(snapshot.steps) and all(
        isinstance(step, ActionStep)
        or (isinstance(step, ValueStep) and step.is_from_file and step.waited == step.after)
        for step in snapshot.steps
    )


def still_waits(step: Step, observation: Observation) -> bool:
    """Whether what a change left is in force, and a restart would bring what was before."""
    if not isinstance(step, ValueStep) or not step.takes_restart:
        return False
    value = observation.values.get(step.path)
    return value is not None and value.text == step.after != (step.waited or step.before)


def value_back_with_files(
    last: ValueStep, original: str, observation: Observation
) -> tuple[Step | None, Foreign | None]:
    """Have a value come back with its files; which may wait for a restart, then or by now.

    One that a reboot brings waits for another one in any case.
    """
    value = observation.values.get(last.path)
    # A server that does not run starts with what its files say, and those go back.
    if value is None or value.state is ValueState.UNREADABLE or value.text == original:
        return None, None
    left = (last.before, last.after) if last.write == "pend" else (last.after,)
    other = None
    if value.text not in left:
        other = Foreign(last.tunable, last.after, value.text, original)
    needs = (Permission.RESTART,) if last.takes_restart else ()
    step = last.model_copy(
        update={
            "before": value.text,
            "after": original,
            "write": "pend" if last.takes_reboot else "file",
            "needs": needs,
            "waited": "",
        }
    )
    return step, other


def action_back(last: ActionStep) -> ActionStep | None:
    """Return what makes the files of before count; None for what was only looked at."""
    if last.action == "restart-later":
        needs = (Permission.RESTART,)
        if " " not in last.argument:
            return ActionStep(action="restart-node", argument=last.argument, needs=needs)
        return ActionStep(action="restart-postgresql", argument=last.argument, needs=needs)
    return None if last.action.startswith("check-") else last


def with_due_restarts(
    steps: Mapping[str, Step], changes: Sequence[tuple[str, Snapshot]]
) -> dict[str, Step]:
    """Leave out restarts that bring nothing back, and say where a restart is all that it takes."""
    has_files = any(isinstance(step, FileStep | LineStep) for step in steps.values())
    made = {step for _, one in changes for step in one.steps if isinstance(step, ActionStep)}
    kept: dict[str, Step] = {}
    for key, step in steps.items():
        match step:
            case ValueStep() if step.takes_restart and not has_files:
                kept[key] = step.model_copy(update={"waited": step.after})
            case ActionStep(action="restart-postgresql" | "restart-node", argument=argument):
                unit, _, server = argument.partition(" ")
                address = setting_path(server, "") if server else value_path(unit, "")
                if (has_files and step in made) or any(
                    _takes_restart_at(address, one) for one in steps.values()
                ):
                    kept[key] = step
            case _:
                kept[key] = step
    return kept


def _takes_restart_at(address: str, step: Step) -> bool:
    return isinstance(step, ValueStep) and step.takes_restart and step.path.startswith(address)
