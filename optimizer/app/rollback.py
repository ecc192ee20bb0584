"""rollback: a plan whose target is a snapshot; it is applied like any other plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from optimizer import catalog
from optimizer.app.plan import unusable
from optimizer.app.probing import Failure
from optimizer.app.requests import SILENCE, Progress
from optimizer.app.taken import probe_taken, refuse_damaged, snapshots_of
from optimizer.app.waiting import waiting_notes
from optimizer.model.errors import OptimizerError
from optimizer.model.fleet import Fleet
from optimizer.model.observation import ABSENT, Observation
from optimizer.model.plan import Change, FileChange, HostPlan, Plan, ProfileRef
from optimizer.model.request import join
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import (
    ActionStep,
    FileStep,
    LineStep,
    LinkStep,
    ModuleStep,
    MoveStep,
    Step,
    ValueStep,
    only_allowed,
)
from optimizer.model.tunable import Effect, Permission
from optimizer.modules.applied import contents_of
from optimizer.modules.coupling import REACHED, Coupler
from optimizer.modules.host_plan import refused, summary
from optimizer.planning.changes import chain, in_effect, ordered, unfinished
from optimizer.planning.foreign import Foreign
from optimizer.planning.restoring import Undo, hold, undo
from optimizer.resources import (
    grub_back,
    huge_pages_back,
    node_back,
    package_back,
    postgresql_back,
    redis_back,
)
from optimizer.resources.back import Held
from optimizer.resources.base import encode_blobs
from optimizer.store import snapshots


def plan_rollback(
    fleet: Fleet,
    to: str = "last",
    include_foreign: bool = False,
    allow: frozenset[Permission] = frozenset(),
    progress: Progress = SILENCE,
) -> Plan:
    """Make the plan back to where snapshot `to` was taken; one remote command per host."""
    names = [target.name for target in fleet.targets()]
    request = join((redis_back.REQUEST, huge_pages_back.REQUEST, grub_back.REQUEST, REACHED))
    seen = probe_taken(fleet, request, progress)
    hosts = tuple(_host(name, seen[name], to, include_foreign, allow) for name in names)
    reference = ProfileRef(name=f"rollback to {to}")
    return Plan(kind="rollback", profile=reference, hosts=hosts).sealed()


def _host(
    name: str,
    seen: Observation | Failure,
    to: str,
    include_foreign: bool,
    allow: frozenset[Permission],
) -> HostPlan:
    if isinstance(seen, Failure):
        return unusable(name, seen)
    if seen.pending:
        # What is there now is neither what was confirmed last nor somebody else's change.
        note = f"nothing can be taken back now: {seen.pending}"
        return HostPlan(name=name, state="planned", waiting=str(seen.pending), notes=(note,))
    try:
        taken = snapshots_of(seen)
        _refuse_lost(seen, to)
        if seen.broken:
            # It is the newest of all, so every way back leads over it.
            refuse_damaged(seen, taken, [])
        waiting = unfinished(taken, seen)
        begin = _begin(to, waiting, taken, allow)
        back = chain(taken, begin, name)
        refuse_damaged(seen, taken, [identity for identity, _ in back])
        known = _contents(seen, back)
        way = undo(back, seen, include_foreign=include_foreign, contents=known)
        menu = grub_back.with_menu(way, seen, known.get)
        way = replace(menu.way, steps=Coupler(catalog.find, seen).reached(menu.way.steps))
        safe = redis_back.guarded(way.steps, seen, allow)
        free = postgresql_back.guarded(safe.steps, seen)
        alone = package_back.guarded(free.steps, seen)
        housed = huge_pages_back.guarded(alone.steps, seen, allow)
        held = (*safe.held, *free.held, *alone.held, *housed.held)
        # What is held back can still be brought back, so the change is not undone yet.
        loaded = node_back.guarded(housed.steps, seen, allow)
        undoes = () if held or loaded.kept_by else way.undoes
        way = _as_allowed(replace(way, steps=loaded.steps, undoes=undoes), allow)
        way = _cleared(seen, way, taken)
        plan = _planned(name, seen, way, include_foreign, {**known, **way.blobs, **menu.blobs})
        since = f"back to how it was before {back[0][1].created[:19].replace('T', ' ')} UTC"
        changes = (*plan.changes, *map(_held_back, held))
        told = {change.tunable for change in changes}
        staying = huge_pages_back.staying(housed.steps, seen, allow)
        since = f"{since}; {loaded.note}" if loaded.kept_by else since
        left = (menu.note,) if menu.note else ()
        notes = (
            since,
            *plan.notes,
            *left,
            *staying,
            *waiting_notes(taken, seen, told),
            *_leftover(seen, way.steps),
        )
        return plan.model_copy(update={"changes": changes, "notes": notes})
    except OptimizerError as error:
        return refused(name, str(error), error.hint)


def _cleared(seen: Observation, way: Undo, taken: Mapping[str, Snapshot]) -> Undo:
    """A damaged change that is back by now would keep every other one out: any change clears it."""
    if not seen.broken or way.steps:
        return way
    steps = (step for name in seen.damaged if name in taken for step in taken[name].steps)
    held = (hold(step, seen) for step in steps if isinstance(step, ValueStep))
    return replace(way, steps=tuple(step for step in held if step)[:1])


def _leftover(seen: Observation, steps: tuple[Step, ...]) -> list[str]:
    """Say what becomes of a change that could not go back by itself."""
    if not seen.broken:
        return []
    if steps:
        return [f"what is kept of a change that was not confirmed goes with this: {seen.broken}"]
    return [f"remove it by hand, with rm -r /var/lib/optimizer/journal: {seen.broken}"]


def _begin(
    to: str, waiting: str, taken: Mapping[str, Snapshot], allow: frozenset[Permission]
) -> str:
    """Return where to go back to: an earlier way back is gone to its end first, where it may be."""
    is_all = not any(one.kind == "apply" for _, one in in_effect(taken))
    return waiting if to == "last" and waiting and (Permission.RESTART in allow or is_all) else to


def _as_allowed(way: Undo, allow: frozenset[Permission]) -> Undo:
    """Leave out what is not allowed; nothing is undone where that is all there was."""
    steps = tuple(only_allowed(way.steps, allow))
    is_work = any(
        not isinstance(step, ActionStep)
        and not (isinstance(step, ValueStep) and step.write in ("pend", "hold"))
        for step in steps
    )
    return replace(way, steps=steps) if is_work else Undo(foreign=way.foreign, waiting=steps)


def _refuse_lost(seen: Observation, to: str) -> None:
    """A snapshot that is damaged on both sides is named as such, not as unknown."""
    whole = snapshots_of(seen)
    for name in seen.damaged:
        if name.startswith(to) and name not in whole:
            refuse_damaged(seen, whole, [name])


def _planned(
    name: str, seen: Observation, way: Undo, include_foreign: bool, known: Mapping[str, bytes]
) -> HostPlan:
    blobs = {sha: known[sha] for sha in contents_of(way.steps) if sha in known}
    return HostPlan(
        name=name,
        state="planned",
        machine_id=seen.facts.machine_id,
        boot_id=seen.facts.boot_id,
        kernel=seen.facts.kernel,
        summary=summary(seen.facts),
        changes=tuple(change for step in (*way.steps, *way.waiting) for change in _changes(step)),
        files=tuple(change for step in way.steps for change in _files(step)),
        foreign=() if include_foreign else tuple(_foreign(other) for other in way.foreign),
        notes=(
            *(_taken_back(other) for other in way.foreign if include_foreign),
            *_kernel_note(seen, way),
        ),
        undoes=way.undoes,
        steps=way.steps,
        blobs=encode_blobs(blobs),
    )


def _kernel_note(seen: Observation, way: Undo) -> list[str]:
    """Values of another kernel may mean something else on this one."""
    taken = dict(ordered(snapshots_of(seen)))
    others = {taken[name].kernel for name in way.undoes if name in taken} - {seen.facts.kernel, ""}
    return [
        f"taken on kernel {other}, the host runs {seen.facts.kernel}" for other in sorted(others)
    ]


def _held_back(held: Held) -> Change:
    (change,) = _changes(held.step)
    more = {"allowed": False, "at_stake": held.at_stake, "advice": held.advice}
    return change.model_copy(update={**more, "effect": held.effect})


def _changes(step: Step) -> list[Change]:
    if isinstance(step, ModuleStep):
        words = ("unloaded", "loaded") if step.is_loaded else ("loaded", "unloaded")
        return [
            Change(
                tunable=f"system.module.{step.name}",
                module="system",
                kind="module",
                before=words[0],
                after=words[1],
            )
        ]
    if not isinstance(step, ValueStep) or (step.write == "hold" and step.before == step.after):
        return []
    tunable = catalog.find(step.tunable.partition("[")[0])
    # Its files go back now, whoever restarts the server then.
    is_written = (step.takes_restart and not step.waited) or step.takes_reboot
    return [
        Change(
            tunable=step.tunable,
            module=step.tunable.partition(".")[0],
            kind=tunable.kind if tunable else _kind_of(step),
            before=_shown(step.before),
            after=_shown(step.after),
            boot_before=_shown(step.before) if is_written else None,
            boot_after=_shown(step.after) if is_written else None,
            effect=_effect(step),
            allowed=step.write != "pend" or step.takes_reboot,
            unit=tunable.unit if tunable else "",
            docs=tunable.docs if tunable else "",
        )
    ]


def _effect(step: ValueStep) -> Effect:
    if step.takes_reboot:
        return Effect.REBOOT
    return Effect.RESTART if step.takes_restart else Effect.LIVE


def _kind_of(step: ValueStep) -> str:
    """Return the kind of a value that belongs to several tunables, or to one that is not known."""
    kind, colon, _ = step.path.partition(":")
    return kind if colon else "sysfs" if step.path.startswith("/sys/") else "sysctl"


def _shown(text: str) -> str | None:
    return None if text == ABSENT else text


def _files(step: Step) -> list[FileChange]:
    if isinstance(step, MoveStep):
        return [FileChange(path=step.path, action="modify", diff=f"set aside as {step.to}")]
    if isinstance(step, LineStep):
        sign = "+" if step.is_present else "-"
        return [FileChange(path=step.path, action="modify", diff=f"{sign}{step.line}\n")]
    if not isinstance(step, (FileStep, LinkStep)):
        return []
    action = "delete" if step.after is None else "modify" if step.before is not None else "create"
    return [FileChange(path=step.path, action=action)]


def _taken_back(other: Foreign) -> str:
    return f"{other.name}: we set {other.applied}, somebody set {other.found} later; taken back too"


def _contents(seen: Observation, back: Sequence[tuple[str, Snapshot]]) -> dict[str, bytes]:
    """Return the bytes that the controller has of the files of some changes."""
    refs = (
        ref
        for _, one in back
        for step in one.steps
        if isinstance(step, FileStep)
        for ref in (step.before, step.after)
    )
    return snapshots.find_blobs(seen.facts.machine_id, {ref.sha256 for ref in refs if ref})


def _why(other: Foreign) -> str:
    if other.is_merged:
        return "somebody edited it later: what is ours in it goes, what is theirs stays"
    if other.name.startswith("/"):
        return (
            f"we left {other.applied}, somebody made it {other.found}; what is ours in it stays too"
        )
    return f"we set {other.applied}, somebody set {other.found} later"


def _foreign(other: Foreign) -> Change:
    return Change(
        tunable=other.name,
        module=other.name.partition(".")[0] if not other.name.startswith("/") else "system",
        kind="file" if other.name.startswith("/") else "sysctl",
        before=other.found,
        after=other.original,
        why=_why(other),
    )
