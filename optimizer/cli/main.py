"""The entry point `optimizer`: verbs are imported when they are named."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import click

from optimizer import __version__
from optimizer.cli import failures
from optimizer.cli.verb import VerbGroup
from optimizer.model.errors import ExitCode
from optimizer.views import console

_PROGRAM = "optimizer"
# What each verb does, as the help of the verb begins, in the order of a working day. Asking all
# verbs themselves would import them, which takes a third of `optimizer --help`.
VERBS: Mapping[str, str] = MappingProxyType(
    {
        "plan": "Show what a profile would change, and why.",
        "apply": "Plan, ask, change, check, and keep or restore.",
        "confirm": "Keep what `apply --no-confirm` changed.",
        "verify": "Tell whether hosts still are what was applied.",
        "score": "Score how closely hosts follow a profile.",
        "rollback": "Go back to a snapshot, guarded like apply.",
        "history": "List runs, and the snapshots of hosts.",
        "snapshot": "Record what hosts have now, without a change.",
        "profile": "List, show and check profiles.",
        "tunable": "List and show the settings understood.",
        "doctor": "Tell whether hosts can be reached, changed and undone.",
        "completion": "Print the script that completes words in a shell.",
    }
)


class Root(VerbGroup):
    """The command above all verbs. Importing a verb waits until it is asked for."""

    examples = (
        "optimizer doctor @local",
        "optimizer plan @local --profile development",
        "optimizer apply inventories/example.py --profile hft",
        "optimizer rollback inventories/example.py --dry-run",
    )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of a working day."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb; None when there is no such verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"optimizer.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each verb does, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


root = Root(
    _PROGRAM,
    help="Tune the hosts that trading systems run on: plan, apply, verify, score, roll back.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=lambda context, _, is_asked: _version(context) if is_asked else None,
            help="Show the version and exit.",
        )
    ],
)


def _version(context: click.Context) -> None:
    click.echo(f"{_PROGRAM} {__version__}")
    context.exit()


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line, and return the exit code; the console script ends with it."""
    words = list(sys.argv[1:] if words is None else words)
    _open_closed_streams()
    # Importing makes objects and no garbage. Before hosts are asked it is searched for again.
    gc.disable()
    try:
        code = root.main(
            words,
            prog_name=_PROGRAM,
            standalone_mode=False,
            auto_envvar_prefix=_PROGRAM.upper(),
        )
        return int(code or ExitCode.OK)
    except click.exceptions.NoArgsIsHelpError as error:
        console.write(error.message.splitlines(), sys.stderr, os.environ)
        return int(ExitCode.USAGE)
    except (Exception, KeyboardInterrupt) as error:
        return int(failures.fail(error, _told(words)))
    finally:
        gc.enable()


def _open_closed_streams() -> None:
    """Make `>&-` mean what `>/dev/null` means; the exit code is still worth something."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115


def _told(words: Sequence[str]) -> failures.Told:
    """Find out how to tell about a command line that could not be parsed."""
    verb = next((word for word in words if word in VERBS), "")
    variable = f"{_PROGRAM}_{verb}_FORMAT".upper()
    is_json = _value(words, "--format") or os.environ.get(variable)
    into = _value(words, "--json-into")
    return failures.Told(is_json == "json", Path(into) if into else None, "-v" in words)


def _value(words: Sequence[str], option: str) -> str | None:
    """Return the last value of an option; None when it is not there."""
    found = None
    for at, word in enumerate(words):
        if word == "--":
            break
        if word == option and at + 1 < len(words):
            found = words[at + 1]
        elif word.startswith(f"{option}="):
            found = word.partition("=")[2]
    return found


if __name__ == "__main__":
    sys.exit(main())
