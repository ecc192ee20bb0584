"""`optimizer tunable`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from optimizer.cli import complete
from optimizer.cli.options import ONLY, OUTPUT, SKIP, Output
from optimizer.cli.verb import Answer, group, verb
from optimizer.model.errors import UnknownTunable

if TYPE_CHECKING:
    from pydantic import BaseModel

    from optimizer.model.tunable import Tunable


@dataclass(frozen=True, kw_only=True)
class ListArguments(Output):
    """The command line of `tunable list`."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    def is_listed(self, name: str) -> bool:
        """Whether the globs let a tunable through."""
        is_wanted = not self.only or any(fnmatchcase(name, glob) for glob in self.only)
        return is_wanted and not any(fnmatchcase(name, glob) for glob in self.skip)


@dataclass(frozen=True, kw_only=True)
class IdArguments(Output):
    """The command line of `tunable show`."""

    id: str


@verb(
    "list",
    ListArguments,
    (ONLY, SKIP, *OUTPUT),
    ("optimizer tunable list", "optimizer tunable list --only 'system.sysctl.vm.*'"),
)
def list_tunables(arguments: ListArguments) -> Answer:
    """List the settings that the optimizer understands, and what each does."""
    from optimizer.catalog import TUNABLES
    from optimizer.views import tunable as view

    found = [one for name, one in TUNABLES.items() if arguments.is_listed(name)]
    return Answer(
        text=lambda look: view.render_list(found, look), document=lambda: _document(found)
    )


@verb(
    "show",
    IdArguments,
    (click.Argument(["id"], shell_complete=complete.tunables), *OUTPUT),
    ("optimizer tunable show system.sysctl.vm.swappiness",),
)
def show(arguments: IdArguments) -> Answer:
    """Show everything about one setting: values, effect, risk, coupling, link."""
    from optimizer.catalog import find, nearest
    from optimizer.views import tunable as view

    found = find(arguments.id)
    if found is None:
        match = nearest(arguments.id)
        hint = f"Did you mean {match}?" if match else "optimizer tunable list names them all."
        raise UnknownTunable(where="tunable show", name=arguments.id, hint=hint)

    meant = None if found.is_known else nearest(arguments.id)
    return Answer(
        text=lambda look: view.render(found, look, meant), document=lambda: _document([found])
    )


def _document(found: Sequence[Tunable]) -> BaseModel:
    from optimizer.views.documents import tunable_result

    return tunable_result(found)


command = group("tunable", (list_tunables, show), "List and show the settings understood.")
