"""apply: carry a plan out, guarded; check it over a new connection; confirm or restore."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from optimizer.app.guarded import GuardedHost, take_applied, take_cancelled, take_confirmed
from optimizer.app.probing import logins_of_each
from optimizer.app.recording import recorded
from optimizer.app.requests import SILENCE, ApplyOptions, Progress
from optimizer.host.wire import apply_program, cancel_program, confirm_program, encode_manifest
from optimizer.model.fleet import Fleet, Reply
from optimizer.model.plan import HostPlan, Plan
from optimizer.model.request import ProbeRequest
from optimizer.model.result import ApplyResult, HostOutcome, Problem, RollbackResult
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import FileStep, LinkStep, Step, ValueStep, only_allowed
from optimizer.model.tunable import Permission
from optimizer.resources.base import decode_blobs
from optimizer.store import runs, snapshots

# What a change may take besides the confirm timeout: many values, a slow disk, restarts.
_COMMAND_TIMEOUT = 300.0
_RETRY_PAUSE = 2.0


def apply(
    fleet: Fleet, plan: Plan, options: ApplyOptions, progress: Progress = SILENCE
) -> ApplyResult | RollbackResult:
    """Carry a plan out on all its hosts: two remote commands each, and no more."""
    started = datetime.now(UTC)
    run = runs.new_id(started)
    known = logins_of_each(fleet)
    allow = options.allow | set(plan.allow)
    outcomes = {host.name: _untouched(host, known) for host in plan.hosts}
    work = {
        host.name: replace(
            _prepared(host, plan, run, started, options, allow), logins=known[host.name]
        )
        for host in plan.hosts
        if host.state == "planned" and host.steps and host.name in known
    }
    _carry_out(fleet, work, options, progress)
    for name, host in work.items():
        outcomes[name] = _outcome(host, fleet.commands(name))
    return recorded(plan, run, started, options, tuple(outcomes.values()))


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
    if host.waiting and not host.steps:
        # What it has now is a change that may go back at any time.
        return HostOutcome(name=host.name, state="refused", problems=(Problem(what=host.waiting),))
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
    allow: Iterable[Permission],
) -> GuardedHost:
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
        steps=tuple(only_allowed(host.steps, allowed)),
        undoes=host.undoes,
        blobs=decode_blobs(host.blobs),
    )
    name = snapshots.save(host.machine_id, encode_manifest(snapshot), snapshot.blobs)
    return GuardedHost(host, snapshot, id=name)


def _carry_out(
    fleet: Fleet, work: Mapping[str, GuardedHost], options: ApplyOptions, progress: Progress
) -> None:
    patience = max((_patience(host) for host in work.values()), default=0)
    deadline = time.monotonic() + options.confirm_timeout + patience
    progress.phase("applying", len(work))
    programs = {
        name: apply_program(host.snapshot, options.confirm_timeout, host.logins)
        for name, host in work.items()
    }
    for name, reply in fleet.run(programs, _COMMAND_TIMEOUT + patience).items():
        take_applied(work[name], reply)
        progress.host(name, work[name].state)
    lost = {name: host for name, host in work.items() if host.state == "lost"}
    _settle(fleet, lost, deadline, _cancellation, take_cancelled)
    if not options.confirm:
        return
    waiting = {name: host for name, host in work.items() if host.state == "waiting"}
    progress.phase("checking over a new connection", len(waiting))
    _settle(fleet, waiting, deadline, _confirmation, take_confirmed)
    lost = {name: host for name, host in waiting.items() if host.state == "lost"}
    _settle(fleet, lost, deadline, _cancellation, take_cancelled)
    for name, host in waiting.items():
        progress.host(name, host.state)


def _patience(host: GuardedHost) -> int:
    """Seconds that single writes may take on a host, besides what every change takes."""
    return sum(step.patience for step in host.snapshot.steps if isinstance(step, ValueStep))


def _confirmation(host: GuardedHost) -> str:
    request = _request(host.snapshot.steps)
    return confirm_program(host.snapshot.run, request, host.id, host.logins)


def _cancellation(host: GuardedHost) -> str:
    return cancel_program(host.snapshot.run, host.logins, host.snapshot)


def _request(steps: Iterable[Step]) -> ProbeRequest:
    """Read again everything that the steps touched."""
    steps = tuple(steps)
    return ProbeRequest(
        values=frozenset(step.path for step in steps if isinstance(step, ValueStep)),
        files=frozenset(step.path for step in steps if isinstance(step, (FileStep, LinkStep))),
    )


def _settle(
    fleet: Fleet,
    hosts: Mapping[str, GuardedHost],
    deadline: float,
    program: Callable[[GuardedHost], str],
    take: Callable[[GuardedHost, Reply], bool],
) -> None:
    """Ask until every host has given an answer, or its safety timer has surely fired.

    take: reads a reply into the host; False asks again.
    """
    open_hosts = dict(hosts)
    timeout = _COMMAND_TIMEOUT + max(map(_patience, hosts.values()), default=0)
    grace = deadline + 30.0
    while open_hosts:
        programs = {name: program(host) for name, host in open_hosts.items()}
        for name, reply in fleet.run(programs, timeout).items():
            if take(open_hosts[name], reply):
                del open_hosts[name]
        if not open_hosts:
            return
        if time.monotonic() > grace:
            for host in open_hosts.values():
                host.state = "failed"
                unseen = Problem(what="it cannot be reached to see what became of it")
                host.problems += host.hindrances or (unseen,)
            return
        time.sleep(_RETRY_PAUSE)


def _outcome(host: GuardedHost, commands: int) -> HostOutcome:
    plan = host.plan
    is_done = host.state in ("applied", "waiting")
    changes = plan.changes if is_done else ()
    pending = tuple(change for change in changes if change.is_pending)
    held = tuple(change for change in changes if not change.allowed and not change.is_pending)
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
