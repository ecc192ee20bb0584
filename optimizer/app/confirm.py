"""confirm: keep what `apply --no-confirm` left waiting."""

from __future__ import annotations

from optimizer.app.guarded import answers_of
from optimizer.app.outcomes import notes_of, problems_of, said, verdict_of
from optimizer.app.probing import logins_of_each
from optimizer.app.requests import SILENCE, Progress
from optimizer.host.wire import confirm_program
from optimizer.model.fleet import Fleet, Reply
from optimizer.model.plan import ProfileRef
from optimizer.model.request import ProbeRequest
from optimizer.model.result import ApplyResult, HostOutcome, Problem

# Restarts of services are part of a confirmation; seconds.
_TIMEOUT = 300.0

_STATES = {
    "confirmed": "applied",
    "restored": "restored",
    "incomplete": "failed",
    # What it left is in force.
    "damaged": "failed",
}


def confirm(fleet: Fleet, run: str | None, progress: Progress = SILENCE) -> ApplyResult:
    """Confirm the run named, or whichever waits; one remote command per host."""
    names = [target.name for target in fleet.targets()]
    progress.phase("confirming", len(names))
    programs = {
        name: confirm_program(run or "", ProbeRequest(), logins=logins)
        for name, logins in logins_of_each(fleet).items()
    }
    replies = fleet.run(programs, _TIMEOUT)
    outcomes = []
    for name, reply in replies.items():
        outcomes.append(_outcome(name, reply, fleet.commands(name)))
        progress.host(name, outcomes[-1].state)
    waited = {word for reply in replies.values() for word in said("run", answers_of(reply))}
    label = run or ", ".join(sorted(waited)) or "none"
    return ApplyResult(run=label, profile=ProfileRef(name=""), hosts=tuple(outcomes))


def _outcome(name: str, reply: Reply, commands: int) -> HostOutcome:
    answers = answers_of(reply)
    word = verdict_of(answers)
    problems = list(problems_of(answers))
    if not word:
        problems.append(Problem(what=reply.error or "the answer was cut off"))
    elif word == "gone":
        problems.append(Problem(what="nothing waits for a confirmation here"))
    state = _STATES.get(word, "refused") if reply.is_reached else "unreachable"
    if word == "damaged":
        problems.append(Problem(what="it was not kept; optimizer rollback takes it back"))
    return HostOutcome(
        name=name,
        state=state,
        snapshot="".join(said("snapshot", answers)),
        problems=tuple(problems),
        notes=notes_of(answers),
        commands=commands,
    )
