"""Errors as text, and the catalogue of all errors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from optimizer.model.errors import OptimizerError
from optimizer.views.text import PLAIN, Look, labelled


@dataclass(frozen=True)
class Failure:
    """What a person is told about a failure."""

    code: str
    message: str
    host: str | None = None
    hint: str = ""


def failure(error: OptimizerError) -> Failure:
    """Return what to say about an error."""
    return Failure(error.code, str(error), error.host, error.hint)


def render(failed: Failure, look: Look = PLAIN) -> list[str]:
    """Return `error[CODE]: sentence`, then where it happened and what to do."""
    first, *more = failed.message.strip().splitlines() or [""]
    lines = [f"error[{failed.code}]: {first}", *(f"  {line}" for line in more)]
    if failed.host and failed.host not in failed.message:
        lines += labelled("host", failed.host, look)
    if failed.hint:
        lines += labelled("hint", failed.hint, look)
    return lines


_HEAD = """\
# Errors

Every failure prints `error[CODE]: what happened` on stderr, with a `hint` on what to do. With
`--format json` the same is one document on stdout, schema `optimizer/error/1`. The exit status
is the same for all verbs, see [commands](commands.md#exit-status).

This page is generated from the error classes: `python -m optimizer.cli.reference`.

| code | message | exit status | what to do |
|---|---|---|---|
"""


def catalogue(errors: Iterable[type[OptimizerError]]) -> str:
    """Return the page that lists every error by its code."""
    rows = sorted({(error.code, _row(error)) for error in errors})
    return _HEAD + "".join(row for _, row in rows)


def _row(error: type[OptimizerError]) -> str:
    message = re.sub(r"\{(\w+)\}", r"*\1*", " ".join((error.__doc__ or "").split()))
    if message == "*what*":
        # Such a message is all detail; the name of the class says what it is about.
        words = re.findall("[A-Z][a-z]*", error.__name__)
        message = f"{' '.join(words).capitalize()}: *what*"
    cells = (f"`{error.code}`", message, str(int(error.exit_code)), error.hint)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells).rstrip() + " |\n"
