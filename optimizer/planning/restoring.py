"""The plan back: from snapshots, what was applied, and what is there now. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from optimizer.model.observation import ABSENT, Observation, ValueState
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import ActionStep, FileRef, FileStep, Step, ValueStep, in_order
from optimizer.planning.foreign import Foreign
from optimizer.planning.merging import merged
from optimizer.planning.restarts import with_due_restarts
from optimizer.planning.step_back import Span, back_of, is_held, is_last, key_of


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
    spans: dict[str, Span] = {}
    for _, snapshot in changes:
        for step in snapshot.steps:
            # The newest order holds: a value stands behind those that reset it, and only with some
            # I/O schedulers may a queue be as long as it was.
            span = spans.pop(key_of(step), Span(step, step))
            span.add(step)
            spans[key_of(step)] = span
    ours = _written(changes) - _only_in_between(changes, spans)
    backs = {key: back_of(span, observation) for key, span in spans.items() if key in ours}
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
    spans: Mapping[str, Span],
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
    last = {key: step for key, step in steps.items() if is_last(step)}
    rest = {key: step for key, step in steps.items() if key not in last}
    return rest | dict(reversed(last.items()))


def _is_kept_with(step: Step, kept: Collection[str]) -> bool:
    """Whether a service was started with this by a drop-in that is somebody else's by now."""
    if not isinstance(step, ValueStep) or not step.path.startswith("node:"):
        return False
    unit = step.path.removeprefix("node:").rpartition("/")[0]
    return any(key.startswith(f"file /etc/systemd/system/{unit}.d/") for key in kept)


def _written(changes: Sequence[tuple[str, Snapshot]]) -> set[str]:
    """Name what the changes made or kept; a value that was only held is not ours to put back."""
    return {
        key_of(step)
        for _, snapshot in changes
        for step in snapshot.steps
        if snapshot.kind == "snapshot" or not is_held(step)
    }


def _only_in_between(
    changes: Sequence[tuple[str, Snapshot]], spans: Mapping[str, Span]
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
                first = spans[key_of(cause)].first
                is_first = isinstance(first, ValueStep) and first.before == cause.before
                was_there[key_of(step)] = was_there.get(key_of(step), False) or is_first
    return {key for key, is_there in was_there.items() if not is_there}


def _groups(changes: Sequence[tuple[str, Snapshot]]) -> dict[str, set[str]]:
    """Return for each value the values that the kernel changes together with it."""
    groups: dict[str, set[str]] = {}
    for _, snapshot in changes:
        group: set[str] = set()
        for step in snapshot.steps:
            if isinstance(step, ValueStep):
                group = {key_of(step)} if step.write != "follow" else group | {key_of(step)}
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
    stays = step.after == "0" or step.is_from_file or is_last(step)
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
            if not isinstance(step, ValueStep) or step.is_from_file or is_last(step):
                continue
            if key_of(step) not in written:
                touched.setdefault(step.path, (step, is_booted))
    held = []
    for path, (step, is_booted) in touched.items():
        value = observation.values.get(path)
        if value and value.state is ValueState.WRITABLE:
            is_moved = is_booted and value.text != step.before and is_held(step)
            if value.text == step.after != step.before and is_held(step):
                held.append(step.model_copy(update={"before": step.after, "after": step.before}))
            else:
                held.append(_hold(step, value.text, step.before if is_moved else value.text))
    return held


def hold(step: ValueStep, observation: Observation) -> ValueStep | None:
    """Keep the value of a step as it is; None where it cannot be written."""
    value = observation.values.get(step.path)
    is_plain = not step.is_from_file and not is_last(step)
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
