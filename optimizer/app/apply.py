"""apply: carry a plan out, guarded; check it over a new connection; confirm or restore."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from optimizer.app.outcomes import notes_of, problems_of, verdict_of
from optimizer.app.probing import Failure, read_observation
from optimizer.app.requests import SILENCE, ApplyOptions, Progress
from optimizer.host.wire import (
    Answer,
    apply_program,
    cancel_program,
    confirm_program,
    encode_manifest,
    parse_answer,
)
from optimizer.model.errors import OptimizerError, PlanFileError
from optimizer.model.fleet import Fleet, Reply
from optimizer.model.observation import Observation
from optimizer.model.plan import Change, HostPlan, Plan, ProfileRef
from optimizer.model.request import ProbeRequest
from optimizer.model.result import ApplyResult, HostOutcome, Problem, RollbackResult, RunInfo
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import ActionStep, FileStep, LinkStep, Step, ValueStep
from optimizer.model.tunable import Effect
from optimizer.resources.base import decode_blobs
from optimizer.store import runs, snapshots

# What a change may take besides the confirm timeout: many values, a slow disk, restarts.
_COMMAND_TIMEOUT = 300.0
_RETRY_PAUSE = 2.0


def load_plan(path: Path) -> Plan:
    """Read a saved plan. PlanFileError: it cannot be read, or was edited."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanFileError(path=path, what=f"cannot be read: {error}") from error
    try:
        plan = Plan.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise PlanFileError(path=path, what=f"is not a plan: {place}: {first['msg']}") from error
    if plan.id != plan.content_id():
        raise PlanFileError(
            path=path,
            what="was changed after it was made, its content does not fit its id",
            hint="Make a new plan; to change what it does, use --set, --only or --skip.",
        )
    return plan


@dataclass
class _Host:
    """One host on its way through a change."""

    plan: HostPlan
    snapshot: Snapshot
    id: str = ""
    state: str = "waiting"
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def apply(
    fleet: Fleet, plan: Plan, options: ApplyOptions, progress: Progress = SILENCE
) -> ApplyResult | RollbackResult:
    """Carry a plan out on all its hosts: two remote commands each, and no more."""
    started = datetime.now(UTC)
    run = runs.new_id(started)
    known = {target.name for target in fleet.targets()}
    allow = options.allow | set(plan.allow)
    outcomes = {host.name: _untouched(host, known) for host in plan.hosts}
    work = {
        host.name: _prepared(host, plan, run, started, options, allow)
        for host in plan.hosts
        if host.state == "planned" and host.steps and host.name in known
    }
    _carry_out(fleet, work, options, progress)
    for name, host in work.items():
        outcomes[name] = _outcome(host, allow, fleet.commands(name))
    return _recorded(plan, run, started, options, tuple(outcomes.values()))


def _untouched(host: HostPlan, known: Iterable[str]) -> HostOutcome:
    """The outcome of a host that there is nothing to do on."""
    if host.state == "unreachable":
        return HostOutcome(
            name=host.name, state="unreachable", problems=(Problem(what=host.error),)
        )
    if host.state == "refused":
        return HostOutcome(name=host.name, state="refused", problems=(Problem(what=host.error),))
    if host.name not in known:
        what = "the plan has this host, the inventory does not"
        return HostOutcome(name=host.name, state="unreachable", problems=(Problem(what=what),))
    points = host.score.now if host.score else None
    return HostOutcome(
        name=host.name,
        state="unchanged",
        held_back=host.held_back,
        foreign=host.foreign,
        score_before=points,
        score_after=points,
    )


def _prepared(  # noqa: PLR0913 - a snapshot records all of these
    host: HostPlan,
    plan: Plan,
    run: str,
    started: datetime,
    options: ApplyOptions,
    allow: Iterable[Effect],
) -> _Host:
    """Make the snapshot of a host, and keep and read back our copy before anything is sent."""
    allowed = frozenset(allow)
    snapshot = Snapshot(
        run=run,
        kind=plan.kind,
        created=started.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        profile=plan.profile.name,
        version=plan.profile.version,
        by=options.by or "unknown",
        machine_id=host.machine_id,
        boot_id=host.boot_id,
        kernel=host.kernel,
        steps=tuple(step for step in host.steps if _is_allowed(step, allowed)),
        undoes=host.undoes,
        blobs=decode_blobs(host.blobs),
    )
    name = snapshots.save(host.machine_id, encode_manifest(snapshot), snapshot.blobs)
    return _Host(host, snapshot, id=name)


def _is_allowed(step: Step, allow: frozenset[Effect]) -> bool:
    return not isinstance(step, ActionStep) or step.needs is None or step.needs in allow


def _carry_out(
    fleet: Fleet, work: Mapping[str, _Host], options: ApplyOptions, progress: Progress
) -> None:
    deadline = time.monotonic() + options.confirm_timeout
    progress.phase("applying", len(work))
    programs = {
        name: apply_program(host.snapshot, options.confirm_timeout) for name, host in work.items()
    }
    for name, reply in fleet.run(programs, _COMMAND_TIMEOUT).items():
        _take_applied(work[name], reply)
        progress.host(name, work[name].state)
    lost = {name: host for name, host in work.items() if host.state == "lost"}
    _settle(fleet, lost, deadline, lambda host: cancel_program(host.snapshot.run), _take_cancelled)
    if not options.confirm:
        return
    waiting = {name: host for name, host in work.items() if host.state == "waiting"}
    progress.phase("checking over a new connection", len(waiting))
    _settle(fleet, waiting, deadline, _confirmation, _take_confirmed)
    for name, host in waiting.items():
        progress.host(name, host.state)


def _confirmation(host: _Host) -> str:
    return confirm_program(host.snapshot.run, _request(host.snapshot.steps), host.id)


def _request(steps: Iterable[Step]) -> ProbeRequest:
    """Read again everything that the steps touched."""
    steps = tuple(steps)
    return ProbeRequest(
        values=frozenset(step.path for step in steps if isinstance(step, ValueStep)),
        files=frozenset(step.path for step in steps if isinstance(step, (FileStep, LinkStep))),
    )


def _settle(
    fleet: Fleet,
    hosts: Mapping[str, _Host],
    deadline: float,
    program: Callable[[_Host], str],
    take: Callable[[_Host, Reply], bool],
) -> None:
    """Ask until every host has given an answer, or its safety timer has surely fired.

    take: reads a reply into the host; False asks again.
    """
    open_hosts = dict(hosts)
    grace = deadline + 30.0
    while open_hosts:
        programs = {name: program(host) for name, host in open_hosts.items()}
        for name, reply in fleet.run(programs, _COMMAND_TIMEOUT).items():
            if take(open_hosts[name], reply):
                del open_hosts[name]
        if not open_hosts:
            return
        if time.monotonic() > grace:
            for host in open_hosts.values():
                host.state = "failed"
                host.problems.append(Problem(what="it cannot be reached to see what became of it"))
            return
        time.sleep(_RETRY_PAUSE)


def _answers(reply: Reply) -> tuple[Answer, ...]:
    return () if reply.error else parse_answer(reply.text)


def _take_applied(host: _Host, reply: Reply) -> None:
    answers = _answers(reply)
    host.problems += problems_of(answers)
    host.notes += notes_of(answers)
    word = verdict_of(answers)
    states = {
        "applied": "waiting",
        "stale": "refused",
        "refused": "refused",
        "restored": "restored",
        "incomplete": "failed",
    }
    host.state = states.get(word, "lost")
    if word == "stale":
        host.notes.append("Nothing was touched. Make a new plan.")
    if not word:
        host.problems.append(Problem(what=reply.error or "the answer was cut off"))
        # Not even connected: then nothing was sent, and nothing can have changed.
        host.state = "lost" if reply.is_reached else "unreachable"


def _take_cancelled(host: _Host, reply: Reply) -> bool:
    word = verdict_of(_answers(reply))
    if word in ("", "busy"):
        return False
    host.problems += problems_of(_answers(reply))
    host.state = "failed" if word == "incomplete" else "restored"
    return True


def _take_confirmed(host: _Host, reply: Reply) -> bool:
    answers = _answers(reply)
    word = verdict_of(answers)
    if word in ("", "busy"):
        return False
    host.problems += problems_of(answers)
    host.notes += notes_of(answers)
    host.state = {"confirmed": "applied", "incomplete": "failed"}.get(word, "restored")
    if word == "gone":
        host.problems.append(Problem(what="it was not confirmed in time and restored itself"))
    seen = read_observation(host.plan.name, reply)
    host.problems += _deviations(host, seen)
    if host.state == "applied" and _deviations(host, seen):
        host.state = "failed"
    return True


def _deviations(host: _Host, seen: Observation | Failure) -> list[Problem]:
    """Hold what is there now against what should be: after the change, or as before it."""
    if isinstance(seen, Failure):
        return [Problem(what=seen.error)]
    is_applied = host.state == "applied"
    wrong = []
    for step in host.snapshot.steps:
        if isinstance(step, ValueStep) and step.write != "hold":
            value = seen.values.get(step.path)
            found = value.text if value else None
            wanted = step.after if is_applied else step.before
        elif isinstance(step, FileStep):
            state = seen.files.get(step.path)
            found = state.sha256 if state else None
            ref = step.after if is_applied else step.before
            wanted = ref.sha256 if ref else None  # type: ignore[assignment]
        else:
            continue
        if found != wanted:
            what = "reads back wrong" if is_applied else "is not back"
            wrong.append(Problem(what=what, path=step.path, expected=wanted, found=found))
    return wrong


def _outcome(host: _Host, allow: Iterable[Effect], commands: int) -> HostOutcome:
    plan = host.plan
    is_done = host.state in ("applied", "waiting")
    changes = plan.changes if is_done else ()
    pending = tuple(change for change in changes if _is_pending(change, frozenset(allow)))
    held = tuple(change for change in changes if change.effect is Effect.REBOOT)
    score = plan.score
    return HostOutcome(
        name=plan.name,
        state=host.state,
        snapshot=host.id if is_done else "",
        applied=tuple(change for change in changes if change not in pending and change not in held),
        pending=pending,
        held_back=held,
        foreign=plan.foreign,
        problems=tuple(host.problems),
        notes=tuple(host.notes),
        score_before=score.now if score else None,
        score_after=(score.after if host.state == "applied" else score.now) if score else None,
        commands=commands,
    )


def _is_pending(change: Change, allow: frozenset[Effect]) -> bool:
    return (
        change.effect is Effect.RESTART and change.is_live_different and Effect.RESTART not in allow
    )


def _recorded(
    plan: Plan,
    run: str,
    started: datetime,
    options: ApplyOptions,
    outcomes: tuple[HostOutcome, ...],
) -> ApplyResult | RollbackResult:
    made: ApplyResult | RollbackResult
    if plan.kind == "rollback":
        made = RollbackResult(run=run, profile=plan.profile, hosts=outcomes)
    else:
        made = ApplyResult(run=run, profile=plan.profile, hosts=outcomes)
    states = [outcome.state for outcome in outcomes]
    info = RunInfo(
        id=run,
        created=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        verb=plan.kind,
        profile=plan.profile.name,
        by=options.by or "unknown",
        hosts=len(outcomes),
        changed=states.count("applied") + states.count("waiting"),
        restored=states.count("restored"),
        failed=states.count("failed"),
    )
    if any(state not in ("unchanged", "unreachable") for state in states):
        _record(info, made.model_dump_json())
    return made


def _record(info: RunInfo, result: str) -> None:
    """Keep the record; a full disk here must not hide what happened on the hosts."""
    try:
        runs.record(info, result)
    except (OSError, OptimizerError):
        return


def confirm(fleet: Fleet, run: str | None, progress: Progress = SILENCE) -> ApplyResult:
    """Confirm what `apply --no-confirm` left waiting: the run named, or whichever waits."""
    names = [target.name for target in fleet.targets()]
    progress.phase("confirming", len(names))
    program = confirm_program(run or "", ProbeRequest())
    replies = fleet.run(dict.fromkeys(names, program), _COMMAND_TIMEOUT)
    outcomes = []
    for name, reply in replies.items():
        outcomes.append(replace_commands(_confirmed(name, reply), fleet.commands(name)))
        progress.host(name, outcomes[-1].state)
    found = {
        answer.fields[0] for r in replies.values() for answer in _answers(r) if answer.word == "run"
    }
    label = run or ", ".join(sorted(found)) or "none"
    return ApplyResult(run=label, profile=ProfileRef(name=""), hosts=tuple(outcomes))


def replace_commands(outcome: HostOutcome, commands: int) -> HostOutcome:
    """Return the outcome with the number of remote commands it took."""
    return outcome.model_copy(update={"commands": commands})


def _confirmed(name: str, reply: Reply) -> HostOutcome:
    if reply.error:
        state = "refused" if reply.is_reached else "unreachable"
        problem = Problem(what=reply.error)
        return HostOutcome(name=name, state=state, problems=(problem,))
    answers = parse_answer(reply.text)
    word = verdict_of(answers)
    snapshot = next((a.fields[0] for a in answers if a.word == "snapshot"), "")
    states = {"confirmed": "applied", "restored": "restored", "incomplete": "failed"}
    problems = list(problems_of(answers))
    if word == "gone":
        problems.append(Problem(what="nothing waits for a confirmation here"))
    return HostOutcome(
        name=name,
        state=states.get(word, "refused"),
        snapshot=snapshot,
        problems=tuple(problems),
        notes=notes_of(answers),
    )
