"""One host on its way through a guarded change: what its answers mean."""

from __future__ import annotations

from dataclasses import dataclass, field

from optimizer.app.outcomes import ended_of, notes_of, problems_of, verdict_of
from optimizer.app.probing import Failure, read_observation
from optimizer.host.wire import Answer, Logins, parse_answer
from optimizer.model.fleet import Reply
from optimizer.model.observation import Observation
from optimizer.model.plan import HostPlan
from optimizer.model.result import Problem
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import FileStep, ValueStep


def answers_of(reply: Reply) -> tuple[Answer, ...]:
    """Split a reply into its lines; none where the host could not be asked."""
    return () if reply.error else parse_answer(reply.text)


@dataclass
class GuardedHost:
    """One host on its way through a change, and what it said so far."""

    plan: HostPlan
    snapshot: Snapshot
    id: str = ""
    logins: Logins = field(default_factory=dict)
    state: str = "waiting"
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # Why the host could not do as it was told the last time, where it has said so.
    hindrances: tuple[Problem, ...] = ()


def take_applied(host: GuardedHost, reply: Reply) -> None:
    """Read what the host said to the change itself."""
    answers = answers_of(reply)
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


def take_cancelled(host: GuardedHost, reply: Reply) -> bool:
    """Read whether a change was put back; False when the host has to be asked again."""
    answers = answers_of(reply)
    word = verdict_of(answers)
    if word in ("", "busy"):
        host.hindrances = problems_of(answers)
        return False
    if ended_of(answers)[1] == "confirmed":
        host.state = "applied"
        host.notes.append("somebody else has confirmed it meanwhile")
        return True
    host.problems += problems_of(answers)
    host.notes += notes_of(answers)
    host.state = "restored" if word in ("restored", "gone") else "failed"
    return True


def take_confirmed(host: GuardedHost, reply: Reply) -> bool:
    """Read whether a change was confirmed; False when the host has to be asked again."""
    answers = answers_of(reply)
    word = verdict_of(answers)
    if word in ("", "busy"):
        host.hindrances = problems_of(answers)
        return False
    host.problems += problems_of(answers)
    host.notes += notes_of(answers)
    if word == "damaged":
        # Neither kept nor put back: our own copy of the change mends it.
        host.state = "lost"
        return True
    host.state = {"confirmed": "applied", "restored": "restored", "gone": "restored"}.get(
        word, "failed"
    )
    if word == "gone":
        host.problems.append(Problem(what="it was not confirmed in time and restored itself"))
    seen = read_observation(host.plan.name, reply)
    if isinstance(seen, Observation) and _is_anothers(seen, host.snapshot.run):
        # What is there now is not ours to be judged by.
        whose = f": {seen.pending}" if seen.pending else ""
        host.notes.append(f"the next change has begun already{whose}")
        return True
    wrong = _deviations(host, seen)
    host.problems += wrong
    if host.state == "applied" and wrong:
        host.state = "failed"
    return True


def _is_anothers(seen: Observation, run: str) -> bool:
    return seen.is_torn or (seen.pending is not None and seen.pending.run != run)


def _deviations(host: GuardedHost, seen: Observation | Failure) -> list[Problem]:
    """Hold what is there now against what should be: after the change, or as before it."""
    if isinstance(seen, Failure):
        return [Problem(what=seen.error)]
    is_applied = host.state == "applied"
    wrong = []
    for step in host.snapshot.steps:
        if isinstance(step, ValueStep):
            if step.write in ("hold", "pend"):
                continue
            found = seen.text_at(step.path)
            wanted = step.after if is_applied else step.before
            # What the old files had waiting came with the restart back.
            if not is_applied and step.waited and found == step.waited:
                continue
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
