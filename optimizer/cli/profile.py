"""`optimizer profile`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from optimizer.cli import complete, exits
from optimizer.cli.options import EXPLAIN, OUTPUT, Output
from optimizer.cli.verb import Answer, group, verb
from optimizer.model.errors import OptimizerError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from optimizer.model.profile import Profile


@dataclass(frozen=True, kw_only=True)
class NameArguments(Output):
    """The command line of `profile show`."""

    name: str


@dataclass(frozen=True, kw_only=True)
class FileArguments(Output):
    """The command line of `profile lint`."""

    file: Path


@verb("list", Output, OUTPUT, ("optimizer profile list",))
def list_profiles(arguments: Output) -> Answer:
    """List the profiles that can be named, with what each is for."""
    from optimizer import profiles
    from optimizer.views import profile as view

    found: list[Profile] = []
    problems: list[str] = []
    for name, _ in profiles.names():
        try:
            found.append(profiles.load(name))
        except OptimizerError as error:
            problems.append(f"{name}: {error}")
    return Answer(
        text=lambda look: view.render_list(found, problems, look),
        document=lambda: _document(found, problems, is_whole=False),
        code=exits.lint_code(problems),
    )


@verb(
    "show",
    NameArguments,
    (click.Argument(["name"], shell_complete=complete.profiles), EXPLAIN, *OUTPUT),
    ("optimizer profile show hft", "optimizer profile show ./mine.yaml --explain"),
)
def show(arguments: NameArguments) -> Answer:
    """Show everything a profile wants, with what it extends merged in."""
    from optimizer import profiles
    from optimizer.views import profile as view

    found = profiles.load(arguments.name)

    return Answer(
        text=lambda look: view.render(found, look),
        document=lambda: _document([found], [], is_whole=True),
    )


@verb(
    "lint",
    FileArguments,
    (click.Argument(["file"], type=click.Path(path_type=Path)), *OUTPUT),
    ("optimizer profile lint profiles/mine.yaml",),
)
def lint(arguments: FileArguments) -> Answer:
    """Check a profile file: names, values, ranges, conditions."""
    from optimizer import profiles
    from optimizer.views import profile as view

    path = click.format_filename(arguments.file)
    problems = [_told(problem) for problem in profiles.lint(str(arguments.file))]

    return Answer(
        text=lambda look: view.render_lint(path, problems, look),
        document=lambda: _document([], problems),
        code=exits.lint_code(problems),
    )


def _document(
    found: Sequence[Profile], problems: Sequence[str], is_whole: bool = False
) -> BaseModel:
    from optimizer.views.documents import profile_result

    return profile_result(found, problems, is_whole=is_whole)


def _told(problem: Exception) -> str:
    hint = getattr(problem, "hint", "")
    return f"{problem} {hint}".strip()


command = group("profile", (list_profiles, show, lint), "List, show and check profiles.")
