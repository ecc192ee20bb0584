"""What makes a function a verb: its options, its help, its answer, its failures."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from optimizer.cli import failures
from optimizer.cli.errors import OutputFailed
from optimizer.cli.exits import MEANINGS
from optimizer.cli.files import write_private
from optimizer.cli.options import Output
from optimizer.model.errors import ExitCode
from optimizer.model.nearest import nearest
from optimizer.views import console
from optimizer.views.progress import Quiet, progress
from optimizer.views.text import Look

if TYPE_CHECKING:
    from pydantic import BaseModel

_Arguments = TypeVar("_Arguments", bound=Output)


@dataclass(frozen=True)
class Answer:
    """What a verb answers: lines for a person, a document for a program, and the exit code.

    has_changed: hosts may have been changed, so the code stays even if output fails.
    """

    text: Callable[[Look], list[str]]
    document: Callable[[], BaseModel]
    code: ExitCode = ExitCode.OK
    has_changed: bool = False


class _HelpMixin(click.Command):
    """Examples and the exit status at the end of the help."""

    examples: tuple[str, ...] = ()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and the table of exit codes."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
        with formatter.section("Exit status"):
            formatter.write_dl([(str(int(code)), text) for code, text in MEANINGS.items()])


class Verb(_HelpMixin):
    """A command with examples."""


class UnknownCommand(click.UsageError):
    """A command that does not exist, and those that may have been meant."""

    def __init__(self, context: click.Context, name: str, known: list[str]) -> None:
        """Say which command is missing, and find the nearest of those that are known."""
        super().__init__(f"No such command {name!r}.", context)
        match = nearest(name, known)
        self.possibilities = [f"{context.command_path} {match}"] if match else []


class VerbGroup(_HelpMixin, click.Group):
    """A command with commands below it, which offers the nearest for a mistyped one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; UsageError with the nearest name when there is none."""
        name = args[0]
        known = self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            raise UnknownCommand(ctx, name, known)
        return super().resolve_command(ctx, args)


def verb(
    name: str,
    arguments: type[_Arguments],
    options: Sequence[click.Parameter],
    examples: tuple[str, ...],
) -> Callable[[Callable[[_Arguments], Answer]], Verb]:
    """Make a command of a function that takes its parsed arguments and returns an answer."""

    def decorate(function: Callable[[_Arguments], Answer]) -> Verb:
        def callback(**values: Any) -> ExitCode:
            return _run(function, arguments(**values))

        command = Verb(name, callback=callback, params=list(options), help=function.__doc__)
        command.examples = examples
        return command

    return decorate


def group(name: str, commands: Sequence[click.Command], help_text: str) -> VerbGroup:
    """Make a command of several."""
    made = VerbGroup(name, commands=list(commands), help=help_text)
    made.examples = tuple(
        example for command in commands if isinstance(command, Verb) for example in command.examples
    )
    return made


def _run(function: Callable[[_Arguments], Answer], arguments: _Arguments) -> ExitCode:
    try:
        answer = function(arguments)
        return _show(answer, arguments)
    except click.ClickException:
        raise
    except (Exception, KeyboardInterrupt) as error:
        told = failures.Told(arguments.is_json, arguments.json_into, arguments.verbose)
        return failures.fail(error, told)


def _show(answer: Answer, arguments: Output) -> ExitCode:
    """Write the answer; a file that cannot be written must not hide what hosts went through."""
    errors = [*_write_file(answer, arguments), *_write_stdout(answer, arguments)]
    for error in errors:
        failures.tell(error)
    if not errors or answer.has_changed or answer.code:
        return answer.code
    return errors[0].exit_code


def _write_file(answer: Answer, arguments: Output) -> list[OutputFailed]:
    if arguments.json_into is None:
        return []
    from optimizer.views import json

    try:
        write_private(arguments.json_into, json.text(answer.document()))
    except OutputFailed as error:
        return [error]
    return []


def _write_stdout(answer: Answer, arguments: Output) -> list[OutputFailed]:
    try:
        if arguments.is_json:
            from optimizer.views import json

            console.write_text(json.text(answer.document()), sys.stdout)
        else:
            console.write(answer.text(look(arguments)), sys.stdout, os.environ)
    except OSError as error:
        return [OutputFailed(path="standard output", why=error.strerror or error)]
    return []


def look(arguments: Output) -> Look:
    """Return how text is laid out for the arguments and for what stdout is."""
    return Look(
        width=console.width(sys.stdout),
        symbols=console.symbols(sys.stdout),
        show_all=arguments.all,
        show_why=arguments.explain,
        show_diff=arguments.diff or arguments.verbose,
        is_quiet=arguments.quiet,
    )


def show_now(
    lines: Callable[[Look], list[str]], arguments: Output, stream: TextIO | None = None
) -> None:
    """Write lines before the answer, to stdout, without advice on what to do next."""
    quiet = replace(look(arguments), is_quiet=True)
    console.write(lines(quiet), stream or sys.stdout, os.environ)


def progress_of(arguments: Output) -> Quiet:
    """Return the progress on stderr that the arguments ask for; open the fleet before."""
    return progress(sys.stderr, os.environ, arguments.quiet, arguments.verbose)
