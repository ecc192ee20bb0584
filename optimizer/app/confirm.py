"""confirm: keep what `apply --no-confirm` left waiting."""

from __future__ import annotations

from optimizer.app.guarded import answers_of
from optimizer.app.outcomes import ended_of, notes_of, problems_of, said, verdict_of
from optimizer.app.probing import logins_of_each
from optimizer.app.requests import SILENCE, Progress
from optimizer.host.wire import confirm_program
from optimizer.model.fleet import Fleet, Reply
from optimizer.model.pending import moment
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
        outcomes.append(_outcome(name, run, reply, fleet.commands(name)))
        progress.host(name, outcomes[-1].state)
    waited = {word for reply in replies.values() for word in said("run", answers_of(reply))}
    label = run or ", ".join(sorted(waited)) or "none"
    return ApplyResult(run=label, profile=ProfileRef(name=""), hosts=tuple(outcomes))


def _outcome(name: str, run: str | None, reply: Reply, commands: int) -> HostOutcome:
    """Read what became of a host. run: the one that was named; else the host names what waited."""
    answers = answers_of(reply)
    word = verdict_of(answers)
    asked = run or "".join(said("run", answers))
    ended, event, at = ended_of(answers)
    if word == "gone" and asked and (ended, event) == (asked, "confirmed"):
        note = f"run {asked} was confirmed already, {moment(at)}"
        return HostOutcome(name=name, state="unchanged", notes=(note,), commands=commands)
    problems = list(problems_of(answers))
    if not word:
        problems.append(Problem(what=reply.error or "the answer was cut off"))
    elif word == "gone":
        problems.append(Problem(what=_gone(asked, ended, event, at)))
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


def _gone(asked: str, run: str, event: str, at: str) -> str:
    """Say that a change does not wait, and what became of it, or of the last one that did."""
    what = f"run {asked} does not wait" if asked else "nothing waits"
    became = {"confirmed": "was confirmed", "restored": "was put back"}.get(event, "")
    fate = f": run {run} {became} {moment(at)}" if became else ""
    return f"{what} for a confirmation here{fate}"
