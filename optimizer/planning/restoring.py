"""The plan back: from snapshots, what was applied, and what is there now. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from optimizer.model.errors import UnknownSnapshot
from optimizer.model.observation import ABSENT, Observation, ValueState
from optimizer.model.snapshot import Snapshot
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
    in_order,
)
from optimizer.planning.foreign import Foreign
from optimizer.planning.merging import merged
from optimizer.planning.restarts import (
    action_back,
    only_restarts,
    still_waits,
    value_back_with_files,
    with_due_restarts,
)


@dataclass(frozen=True)
class Undo:
    """The way back: steps, what is kept because it is somebody else's, what it takes back.

    waiting: what there would be to do, were a restart allowed.
    blobs: bytes of files that are neither as before nor as we left them, by SHA-256.
    """

    steps: tuple[Step, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    undoes: tuple[str, ...] = ()
    waiting: tuple[Step, ...] = ()
    blobs: Mapping[str, bytes] = field(default_factory=dict)


def ordered(snapshots: Mapping[str, Snapshot]) -> list[tuple[str, Snapshot]]:
    """Sort snapshots by the time they were made, oldest first."""
    return sorted(snapshots.items(), key=lambda item: (item[1].created, item[0]))


def in_effect(snapshots: Mapping[str, Snapshot]) -> list[tuple[str, Snapshot]]:
    """Leave out what was rolled back, also by way of a rollback that was itself rolled back."""
    undone: set[str] = set()
    standing: list[tuple[str, Snapshot]] = []
    for name, snapshot in reversed(ordered(snapshots)):
        if name not in undone and not snapshot.is_undone:
            undone.update(snapshot.undoes)
            standing.append((name, snapshot))
    return standing[::-1]


def chain(snapshots: Mapping[str, Snapshot], to: str, host: str) -> list[tuple[str, Snapshot]]:
    """Return the changes to take back, oldest first, to be where `to` was taken.

    to: an id, the beginning of one, or `last` for the newest apply still in effect.
    UnknownSnapshot: there is none, or several begin like that.
    """
    in_time = ordered(snapshots)
    if to == "last":
        applied = [
            name
            for name, one in in_effect(snapshots)
            if one.kind == "apply" and not only_restarts(one)
        ]
        if not applied:
            raise UnknownSnapshot(
                host=host,
                snapshot="to go back to",
                hint="Nothing is applied. To undo a rollback, name its snapshot with --to.",
            )
        to = applied[-1]
    found = [position for position, (name, _) in enumerate(in_time) if name.startswith(to)]
    if len(found) != 1:
        raise UnknownSnapshot(host=host, snapshot=to if not found else f"{to}, but several of it")
    return in_time[found[0] :]


def unfinished(snapshots: Mapping[str, Snapshot], observation: Observation) -> str:
    """Return where the way back begins that was gone without the restart it takes; else empty.

    The files of the newest apply are back then, and what it left is still in force.
    """
    standing = in_effect(snapshots)
    in_time = ordered(snapshots)
    for name, snapshot in reversed(in_time):
        if snapshot.kind != "apply":
            continue
        if (name, snapshot) in standing:
            return ""
        if any(still_waits(step, observation) for step in snapshot.steps):
            # Several may have gone back at once.
            together = {name}.union(*(one.undoes for _, one in standing if name in one.undoes))
            return next(one for one, _ in in_time if one in together)
    return ""


@dataclass
class _Span:
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


def undo(
    changes: Sequence[tuple[str, Snapshot]],
    observation: Observation,
    *,
    include_foreign: bool,
    contents: Mapping[str, bytes] | None = None,
) -> Undo:
    """Work out the steps back over a chain of changes, given what is there now.

    contents: bytes of files of the changes by SHA-256, those that are known; with them a file
        that somebody has edited since is taken apart.
    """
    spans: dict[str, _Span] = {}
    for _, snapshot in changes:
        for step in snapshot.steps:
            # The newest order holds: a value stands behind those that reset it, and only with some
            # I/O schedulers may a queue be as long as it was.
            span = spans.pop(_key(step), _Span(step, step))
            span.add(step)
            spans[_key(step)] = span
    ours = _written(changes) - _only_in_between(changes, spans)
    backs = {key: _back(span, observation) for key, span in spans.items() if key in ours}
    foreign = {key: other for key, (_, other) in backs.items() if other}
    groups = _groups(changes)
    parts = {} if include_foreign else _taken_apart(spans, foreign, observation, contents or {})
    foreign |= {key: replace(foreign[key], is_merged=True) for key in parts}
    kept = set() if include_foreign else _with_partners(set(foreign) - set(parts), groups)
    steps = {key: step for key, (step, _) in backs.items() if step and key not in kept}
    steps |= {key: step for key, (step, _) in parts.items()}
    steps = {key: step for key, step in steps.items() if not _is_kept_with(step, kept)}
    steps = with_due_restarts(_last_made_first(steps), changes)
    is_needed = any(not isinstance(step, ActionStep) for step in steps.values())
    held = _held(changes, set(steps), observation)
    return Undo(
        in_order([*_behind_causes(steps, groups), *held]) if is_needed else (),
        tuple(foreign.values()),
        tuple(name for name, _ in changes),
        blobs={step.after.sha256: content for step, content in parts.values() if step.after},
    )


def _taken_apart(
    spans: Mapping[str, _Span],
    foreign: Mapping[str, Foreign],
    observation: Observation,
    contents: Mapping[str, bytes],
) -> dict[str, tuple[FileStep, bytes]]:
    """Return the steps, and the bytes, of files that keep only what is somebody else's."""
    apart: dict[str, tuple[FileStep, bytes]] = {}
    for key in foreign:
        first, last = spans[key].first, spans[key].last
        if not isinstance(first, FileStep) or not isinstance(last, FileStep) or not last.after:
            continue
        state = observation.files.get(first.path)
        ours = contents.get(last.after.sha256)
        before = contents.get(first.before.sha256) if first.before else None
        if state is None or ours is None or (first.before and before is None):
            continue
        content = merged(first.path, ours, before, state.content)
        if content is not None:
            sha256 = hashlib.sha256(content).hexdigest()
            after = FileRef.of(state).model_copy(update={"sha256": sha256})
            apart[key] = FileStep(path=first.path, before=FileRef.of(state), after=after), content
    return apart


def _last_made_first(steps: Mapping[str, Step]) -> dict[str, Step]:
    """Turn the order of objects in databases round: what was made later may need the earlier."""
    last = {key: step for key, step in steps.items() if _is_last(step)}
    rest = {key: step for key, step in steps.items() if key not in last}
    return rest | dict(reversed(last.items()))


def _is_last(step: Step) -> bool:
    return isinstance(step, ValueStep) and step.write == "last"


def _is_kept_with(step: Step, kept: Collection[str]) -> bool:
    """Whether a service was started with this by a drop-in that is somebody else's by now."""
    if not isinstance(step, ValueStep) or not step.path.startswith("node:"):
        return False
    unit = step.path.removeprefix("node:").rpartition("/")[0]
    return any(key.startswith(f"file /etc/systemd/system/{unit}.d/") for key in kept)


def _written(changes: Sequence[tuple[str, Snapshot]]) -> set[str]:
    """Name what the changes made or kept; a value that was only held is not ours to put back."""
    return {
        _key(step)
        for _, snapshot in changes
        for step in snapshot.steps
        if snapshot.kind == "snapshot" or not _is_held(step)
    }


def _only_in_between(
    changes: Sequence[tuple[str, Snapshot]], spans: Mapping[str, _Span]
) -> set[str]:
    """Name what was there with a value that these changes brought themselves, and is gone with it.

    The settings of an I/O scheduler, for one, that was neither the first nor is the last.
    """
    was_there: dict[str, bool] = {}
    for _, snapshot in changes:
        cause: ValueStep | None = None
        for step in snapshot.steps:
            if not isinstance(step, ValueStep):
                continue
            if step.write != "follow":
                cause = step
            elif step.after == ABSENT and cause:
                first = spans[_key(cause)].first
                is_first = isinstance(first, ValueStep) and first.before == cause.before
                was_there[_key(step)] = was_there.get(_key(step), False) or is_first
    return {key for key, is_there in was_there.items() if not is_there}


def _is_held(step: Step) -> bool:
    return isinstance(step, ValueStep) and step.write == "hold"


def _groups(changes: Sequence[tuple[str, Snapshot]]) -> dict[str, set[str]]:
    """Return for each value the values that the kernel changes together with it."""
    groups: dict[str, set[str]] = {}
    for _, snapshot in changes:
        group: set[str] = set()
        for step in snapshot.steps:
            if isinstance(step, ValueStep):
                group = {_key(step)} if step.write != "follow" else group | {_key(step)}
                for member in group:
                    groups.setdefault(member, set()).update(group)
    return groups


def _with_partners(keys: set[str], groups: Mapping[str, set[str]]) -> set[str]:
    """Add what the kernel changes together with a value: half of a pair is not put back."""
    return keys.union(*(groups.get(key, set()) for key in keys))


def _behind_causes(steps: Mapping[str, Step], groups: Mapping[str, set[str]]) -> list[Step]:
    """Put what follows by itself right behind its cause, where whoever undoes this finds it."""
    placed: dict[str, Step] = {}
    for key, step in steps.items():
        mates = [mate for mate in sorted(groups.get(key, ())) if mate != key and mate in steps]
        if not isinstance(step, ValueStep):
            placed[key] = step
        elif not mates:
            placed[key] = _alone(step)
        elif step.write == "set" and not _comes_with(step):
            placed[key] = step
            placed.update({mate: steps[mate] for mate in mates if _comes_with(steps[mate])})
    return list({**placed, **steps, **placed}.values())


def _alone(step: ValueStep) -> ValueStep:
    """Nobody brings this value along, whatever it came with the last time; zero still cannot."""
    stays = step.after == "0" or step.is_from_file or _is_last(step)
    write = step.write if stays else "set"
    restore = step.restore if step.before == "0" else "set"
    return step.model_copy(update={"write": write, "restore": restore})


def _comes_with(step: Step) -> bool:
    """Whether a cause brings this along: its text, or its very file."""
    return isinstance(step, ValueStep) and (step.write == "follow" or step.before == ABSENT)


def _held(
    changes: Sequence[tuple[str, Snapshot]], written: set[str], observation: Observation
) -> list[ValueStep]:
    """Hold the values of the changes that are not written: a write back may reset them.

    A boot with the changed values may have had the kernel choose another value for them
    (vm.min_free_kbytes by huge pages), or they could not be held when something else was written
    (the length of a queue); then what there was before goes back too.
    """
    touched: dict[str, tuple[ValueStep, bool]] = {}
    for _, snapshot in changes:
        is_booted = snapshot.boot_id != observation.facts.boot_id
        for step in snapshot.steps if snapshot.kind != "snapshot" else ():
            if not isinstance(step, ValueStep) or step.is_from_file or _is_last(step):
                continue
            if _key(step) not in written:
                touched.setdefault(step.path, (step, is_booted))
    held = []
    for path, (step, is_booted) in touched.items():
        value = observation.values.get(path)
        if value and value.state is ValueState.WRITABLE:
            is_moved = is_booted and value.text != step.before and _is_held(step)
            if value.text == step.after != step.before and _is_held(step):
                held.append(step.model_copy(update={"before": step.after, "after": step.before}))
            else:
                held.append(_hold(step, value.text, step.before if is_moved else value.text))
    return held


def hold(step: ValueStep, observation: Observation) -> ValueStep | None:
    """Keep the value of a step as it is; None where it cannot be written."""
    value = observation.values.get(step.path)
    is_plain = not step.is_from_file and not _is_last(step)
    if not is_plain or not value or value.state is not ValueState.WRITABLE:
        return None
    return _hold(step, value.text, value.text)


def _hold(step: ValueStep, found: str, after: str) -> ValueStep:
    return ValueStep(
        tunable=step.tunable,
        path=step.path,
        before=found,
        after=after,
        write="hold" if after == found else "set",
    )


def _key(step: Step) -> str:
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


def _back(span: _Span, observation: Observation) -> tuple[Step | None, Foreign | None]:
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
        return (_undone(first, last, last.after, by_partner) if _is_last(first) else None), None
    other = None
    if found != last.after:
        other = Foreign(first.tunable, last.after, value.text if value else None, first.before)
    if found is None or (value is None and last.after != ABSENT):
        return None, other
    return _undone(first, last, found, by_partner), other


def _undone(first: ValueStep, last: ValueStep, found: str, by_partner: set[str]) -> ValueStep:
    # What could not be written back comes back with its partner, and the other way round.
    with_partner = "follow" if first.before in by_partner else "set"
    write = "last" if _is_last(first) else with_partner
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


def expected(snapshots: Mapping[str, Snapshot]) -> dict[str, Step]:
    """Return what the changes still in effect left behind, by resource; the newest counts."""
    left: dict[str, Step] = {}
    for _, snapshot in in_effect(snapshots):
        if snapshot.kind == "apply":
            left.update({_key(step): step for step in snapshot.steps if not _is_held(step)})
    return left
