"""`optimizer history`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from optimizer.cli import complete, exits
from optimizer.cli.options import ALL, OUTPUT, REACH, Output
from optimizer.cli.verb import Answer, progress_of, verb
from optimizer.views.text import Asked

if TYPE_CHECKING:
    from optimizer.model.result import HistoryResult


@dataclass(frozen=True, kw_only=True)
class HistoryArguments(Output):
    """The command line of `history`."""

    inventory: str | None = None
    id: str | None = None
    limit: tuple[str, ...] = ()
    connect_timeout: int = 10


@verb(
    "history",
    HistoryArguments,
    (
        click.Argument(["inventory"], required=False, shell_complete=complete.inventories),
        click.Argument(["id"], required=False),
        *REACH,
        ALL,
        *OUTPUT,
    ),
    (
        "optimizer history",
        "optimizer history RUN",
        "optimizer history inventories/example.py 4f1c9a27d3b0",
    ),
)
def command(arguments: HistoryArguments) -> Answer:
    """List runs, and the snapshots of hosts.

    Without INVENTORY the runs that this controller recorded, with it the snapshots that
    the hosts keep. With the ID of a run or a snapshot, everything recorded about it.
    """
    from optimizer.views import history as view

    result = _result(arguments)
    asked = Asked(arguments.inventory or "INVENTORY", limits=arguments.limit)
    return Answer(
        text=lambda look: view.render(result, look, asked),
        document=lambda: result,
        code=exits.history_code(result),
    )


def _result(arguments: HistoryArguments) -> HistoryResult:
    from optimizer.app.history import runs, show, snapshots

    inventory = arguments.inventory
    if inventory is None:
        return runs()
    if arguments.id is None and _is_run(inventory, runs()):
        return show(None, inventory)
    from optimizer.engine.fleet import open_fleet

    fleet = open_fleet(inventory, arguments.limit, arguments.connect_timeout)
    with progress_of(arguments) as progress:
        if arguments.id is not None:
            return show(fleet, arguments.id, progress)
        return snapshots(fleet, progress)


def _is_run(word: str, known: HistoryResult) -> bool:
    """Whether a single word begins the id of a run, which needs no host to be looked up."""
    return word.startswith("r-") and any(run.id.startswith(word) for run in known.runs)
