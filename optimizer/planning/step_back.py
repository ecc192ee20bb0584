"""One resource back: from what it was first, what we left, and what is there now. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from optimizer.model.observation import ABSENT, Observation, ValueState
from optimizer.model.transaction import (
    ActionStep,
    DirectoryStep,
    FileRef,
    FileStep,
    LineStep,
    LinkStep,
    ModuleStep,
    MoveStep,
    Step,
    ValueStep,
)
from optimizer.planning.foreign import Foreign
from optimizer.planning.restarts import action_back, value_back_with_files


@dataclass
class Span:
    """One resource over a chain of changes: what it was first, and what we left last.

    by_partner: texts of a value that came, or come back, with another value's write.
    original: what the files brought before the chain, of a value that comes with files; else None.
    """

    first: Step
    last: Step
    by_partner: set[str] = field(default_factory=set)
    original: str | None = None

    def add(self, step: Step) -> None:
        """Add a later step on the same resource."""
        self.last = step
        if not isinstance(step, ValueStep):
            return
        if step.is_from_file and self.original is None:
            self.original = step.waited or step.before
        # A value that stayed as it was did not come with anything; zero of a pair always does.
        if step.write == "follow" and (step.before != step.after or step.after == "0"):
            self.by_partner.add(step.after)
        if step.restore == "skip":
            self.by_partner.add(step.before)


def key_of(step: Step) -> str:
    """Name the resource of a step, the same for every step on it."""
    match step:
        case ModuleStep():
            return f"module {step.name}"
        case ActionStep():
            # Whether it was allowed or not, it is one restart.
            is_restart = step.action in ("restart-later", "restart-postgresql", "restart-node")
            return f"action {'restart' if is_restart else step.action} {step.argument}"
        case MoveStep():
            # Under whichever of its two names, it is one file.
            return f"move {min(step.path, step.to)} {max(step.path, step.to)}"
        case LineStep():
            # Of one file several settings may have lines of ours.
            return f"line {step.path} {step.line.partition('=')[0].strip()}"
        case ValueStep() | FileStep() | LinkStep() | DirectoryStep():
            return f"{step.step} {step.path}"


def back_of(span: Span, observation: Observation) -> tuple[Step | None, Foreign | None]:
    """Return the step back, where it takes one, and what somebody else has made of it."""
    first, last = span.first, span.last
    if isinstance(first, ValueStep) and isinstance(last, ValueStep) and first.is_from_file:
        return value_back_with_files(last, span.original or "", observation)
    if isinstance(first, ValueStep) and isinstance(last, ValueStep):
        return _value_back(first, last, span.by_partner, observation)
    if isinstance(first, FileStep) and isinstance(last, FileStep):
        return _file_back(first, last, observation)
    if isinstance(first, LinkStep) and isinstance(last, LinkStep):
        return _link_back(first, last, observation)
    if isinstance(first, LineStep) and isinstance(last, LineStep):
        return _line_back(first, last, observation)
    if isinstance(first, MoveStep) and isinstance(last, MoveStep):
        is_aside = first.path == last.path
        return (MoveStep(path=first.to, to=first.path) if is_aside else None), None
    if isinstance(first, DirectoryStep) and isinstance(last, DirectoryStep):
        is_there = first.path in observation.directories
        wanted = not first.is_present
        step = DirectoryStep(path=first.path, is_present=wanted)
        return (step if is_there != wanted else None), None
    if isinstance(first, ModuleStep) and isinstance(last, ModuleStep):
        step_back = ModuleStep(name=first.name, is_loaded=not first.is_loaded)
        return (step_back if last.is_loaded == first.is_loaded else None), None
    if isinstance(last, ActionStep):
        return action_back(last), None
    return None, None


def _value_back(
    first: ValueStep, last: ValueStep, by_partner: set[str], observation: Observation
) -> tuple[Step | None, Foreign | None]:
    value = observation.values.get(first.path)
    found = observation.text_at(first.path)
    if found == first.before:
        return None, None
    if value is None and last.write == "follow" and last.after != ABSENT:
        # It went with its network card; that the card is gone is nobody's change of a setting.
        return None, None
    if value and value.state is ValueState.UNREADABLE:
        # A server that does not run starts with what its files say, and those go back; what is
        # in its databases does not.
        return (_undone(first, last, last.after, by_partner) if is_last(first) else None), None
    other = None
    if found != last.after:
        other = Foreign(first.tunable, last.after, value.text if value else None, first.before)
    if found is None or (value is None and last.after != ABSENT):
        return None, other
    return _undone(first, last, found, by_partner), other


def _undone(first: ValueStep, last: ValueStep, found: str, by_partner: set[str]) -> ValueStep:
    # What could not be written back comes back with its partner, and the other way round.
    with_partner = "follow" if first.before in by_partner else "set"
    write = "last" if is_last(first) else with_partner
    return ValueStep(
        tunable=first.tunable,
        path=first.path,
        before=found,
        after=first.before,
        write=write,
        restore="skip" if found in by_partner else "set",
        patience=max(first.patience, last.patience),
    )


def _file_back(
    first: FileStep, last: FileStep, observation: Observation
) -> tuple[Step | None, Foreign | None]:
    state = observation.files.get(first.path)
    found = FileRef.of(state) if state else None
    if found == first.before:
        return None, None
    other = None
    if found != last.after:
        left, now, old = (str(ref) if ref else None for ref in (last.after, found, first.before))
        other = Foreign(first.path, left, now, old)
    return FileStep(path=first.path, before=found, after=first.before), other


def _line_back(
    first: LineStep, last: LineStep, observation: Observation
) -> tuple[Step | None, Foreign | None]:
    """Take a line out, or put it back; what else the file has by now stays as it is."""
    found = observation.lined.get(first.path)
    line = last.line if last.is_present else first.line
    if found is None or (line in found.lines) != first.is_present:
        return None, None
    step = LineStep(
        path=first.path,
        line=line,
        before=FileRef.of(found),
        is_present=not first.is_present,
        original=first.before if first.is_present else None,
        size=first.size,
        replaces=first.replaces,
    )
    return step, None


def _link_back(
    first: LinkStep, last: LinkStep, observation: Observation
) -> tuple[Step | None, Foreign | None]:
    found = observation.links.get(first.path)
    if found == first.before:
        return None, None
    other = None if found == last.after else Foreign(first.path, last.after, found, first.before)
    return LinkStep(path=first.path, before=found, after=first.before), other


def is_held(step: Step) -> bool:
    """Whether a value was only kept as it was, while others were written."""
    return isinstance(step, ValueStep) and step.write == "hold"


def is_last(step: Step) -> bool:
    """Whether the confirmation makes this behind all else: an object in a database, a package."""
    return isinstance(step, ValueStep) and step.write == "last"
