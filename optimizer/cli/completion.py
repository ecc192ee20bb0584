"""`optimizer completion`."""

from __future__ import annotations

import sys

import click

from optimizer.cli.verb import Verb
from optimizer.model.errors import ExitCode
from optimizer.views import console

_PROGRAM = "optimizer"
_VARIABLE = "_OPTIMIZER_COMPLETE"


def _print_script(shell: str) -> ExitCode:
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    root = click.get_current_context().find_root().command
    console.write_text(made(root, {}, _PROGRAM, _VARIABLE).source() + "\n", sys.stdout)
    return ExitCode.OK


command = Verb(
    "completion",
    callback=_print_script,
    params=[click.Argument(["shell"], type=click.Choice(["bash", "zsh", "fish"]))],
    help="Print the script that completes words in a shell.",
)
command.examples = (
    "optimizer completion bash > ~/.local/share/bash-completion/completions/optimizer",
    "optimizer completion zsh > ~/.zfunc/_optimizer",
    "optimizer completion fish > ~/.config/fish/completions/optimizer.fish",
)
