"""Generated parts of the documentation: `python -m optimizer.cli.reference [DOCS]`.

docs/errors.md is written whole; in docs/commands.md what stands between
`<!-- help: VERB -->` and `<!-- end -->` is replaced by the verb's help.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click

import optimizer
from optimizer.cli.main import root
from optimizer.model.errors import OptimizerError
from optimizer.views.errors import catalogue

_BLOCK = re.compile(r"<!-- help: (?P<words>[a-z ]+) -->\n.*?<!-- end -->", re.DOTALL)
_PACKAGE = Path(optimizer.__file__).parent


def error_types() -> list[type[OptimizerError]]:
    """Return every error class of the package that a person can meet."""
    defined = list(_classes())
    names = {"OptimizerError"}
    # A class may be defined before the file of its base is read.
    while more := {name for _, name, bases in defined if bases & names} - names:
        names |= more
    found = [getattr(import_module(module), name) for module, name, _ in defined if name in names]
    return [one for one in found if one is not OptimizerError]


def _classes() -> Iterator[tuple[str, str, set[str]]]:
    """Yield module, name and base names of each class, without importing anything."""
    for path in sorted(_PACKAGE.rglob("*.py")):
        module = ".".join(("optimizer", *path.relative_to(_PACKAGE).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                yield module, node.name, bases


def help_of(words: str) -> str:
    """Return the help of a verb (`plan`, `profile show`) as it is in 80 columns."""
    context = click.Context(root, info_name="optimizer", terminal_width=80)
    context.help_option_names = ["-h", "--help"]
    command: click.Command = root
    for word in words.split():
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            raise LookupError(f"docs name a verb that does not exist: {words}")
        command = found
        context = click.Context(command, info_name=word, parent=context)
    return command.get_help(context)


def with_help(page: str) -> str:
    """Return a page with the help of each verb it names brought up to date."""

    def block(match: re.Match[str]) -> str:
        words = match["words"]
        return f"<!-- help: {words} -->\n```text\n{help_of(words)}\n```\n<!-- end -->"

    return _BLOCK.sub(block, page)


def pages(docs: Path) -> dict[Path, str]:
    """Return what the generated pages should hold."""
    commands = docs / "commands.md"
    return {
        docs / "errors.md": catalogue(error_types()),
        commands: with_help(commands.read_text(encoding="utf-8")),
    }


if __name__ == "__main__":
    for path, text in pages(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")).items():
        path.write_text(text, encoding="utf-8")
