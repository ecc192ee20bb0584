"""What hosts answered to a change, as data that the rest of a use case can go by."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.host.wire import EMPTY, Answer, decode_pending
from optimizer.model.observation import ABSENT
from optimizer.model.result import Problem


def verdict_of(answers: Sequence[Answer]) -> str:
    """Return the word of the last `result` line; empty when the answer was cut off."""
    words = said("result", answers)
    return words[-1] if words else ""


def said(word: str, answers: Sequence[Answer]) -> list[str]:
    """Return the first field of every line with this word; a line without fields says nothing."""
    return [answer.fields[0] for answer in answers if answer.word == word and answer.fields]


def problems_of(answers: Sequence[Answer]) -> tuple[Problem, ...]:
    """Collect everything that the host complained about."""
    found = []
    for answer in answers:
        fields = (*answer.fields, "", "", "", "", "")
        match answer.word:
            case "stale":
                found.append(_problem("changed since the plan was made", *fields[:4]))
            case "problem":
                found.append(_problem(_WORDS.get(fields[0], fields[0]), *fields[1:5]))
            case "failed":
                found.append(_problem("could not be put back", *fields[:4]))
            case "waiting":
                found.append(Problem(what=str(decode_pending(answer.fields))))
            case "refused":
                found.append(Problem(what=fields[1]))
    return tuple(found)


_WORDS = {
    "write": "the value was refused",
    "read-back": "another value was taken",
    "collateral": "changed as well, which the plan did not say",
    "held": "did not keep its value",
    "module": "the kernel module could not be loaded",
    "unit": "the service failed after the change",
    "file": "the file could not be written",
    "directory": "the directory could not be made or removed",
    "link": "the link could not be made",
    "line": "the line could not be written",
    "menu": "the menu of GRUB could not be made as planned",
    "move": "the file could not be set aside",
    "postgresql": "the cluster would not start with these files",
    "reload-postgresql": "the cluster could not read its files again",
    "redis": "the server would not start with the file",
    "logrotate": "logrotate does not accept the file",
    "restart-unit": "the service did not come back",
    "restart-postgresql": "the cluster did not come back",
    "restart-node": "the service did not come back",
    "node": "the service would not run with these options",
    "restart-timer": "the timer could not be restarted",
    "start-timer": "the timer could not be started",
    "daemon-reload": "systemd could not reload its units",
    "keep": "the snapshot could not be kept",
    "journal": "what the host keeps of the change is damaged",
    "room": "there is no room for what has to be kept of the change",
    "unfinished": "it was cut off before all of it was done",
    "rebooted": "the host was booted again before it was confirmed",
}


def _problem(what: str, tunable: str, path: str, expected: str, found: str) -> Problem:
    return Problem(
        what=what,
        tunable="" if tunable == "-" else tunable,
        path=path,
        expected=_text(expected),
        found=_text(found),
    )


def _text(word: str) -> str | None:
    return None if word == ABSENT else "" if word == EMPTY else word


def ended_of(answers: Sequence[Answer]) -> tuple[str, str, str]:
    """Return run, `confirmed` or `restored`, and when, of the change that waits no more."""
    fields = next((answer.fields for answer in answers if answer.word == "ended"), ())
    run, event, at = (*fields, "", "", "")[:3]
    return run, event, at


def notes_of(answers: Sequence[Answer]) -> tuple[str, ...]:
    """Collect what the host wants to be said: notes, values not held, changes kept."""
    said = []
    for answer in answers:
        fields = (*answer.fields, "", "", "", "")
        match answer.word:
            case "note":
                said.append(fields[0])
            case "unheld":
                said.append(f"{fields[0]} could not be held at {fields[2]}, it is {fields[3]} now")
            case "foreign":
                said.append(f"{fields[0]} was changed by somebody else and is kept")
    return tuple(said)
