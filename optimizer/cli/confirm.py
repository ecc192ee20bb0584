"""`optimizer confirm`."""

from __future__ import annotations

from dataclasses import dataclass

import click

from optimizer.cli import exits
from optimizer.cli.options import ALL, INVENTORY, OUTPUT, REACH, FleetArguments
from optimizer.cli.verb import Answer, progress_of, verb


@dataclass(frozen=True, kw_only=True)
class ConfirmArguments(FleetArguments):
    """The command line of `confirm`. run: None means the one that waits."""

    run: str | None = None


@verb(
    "confirm",
    ConfirmArguments,
    (INVENTORY, click.Argument(["run"], required=False), *REACH, ALL, *OUTPUT),
    (
        "optimizer confirm inventories/example.py",
        "optimizer confirm inventories/example.py RUN --limit db-1",
    ),
)
def command(arguments: ConfirmArguments) -> Answer:
    """Keep what `apply --no-confirm` changed.

    Hosts that wait are checked, their safety timer is stopped, and the change lasts. A host
    whose time is over has restored itself.
    """
    from optimizer.app.confirm import confirm
    from optimizer.cli.consent import changing
    from optimizer.engine.fleet import open_fleet
    from optimizer.views import apply as view

    fleet = open_fleet(arguments.inventory, arguments.limit, arguments.connect_timeout)
    with changing(), progress_of(arguments) as progress:
        result = confirm(fleet, arguments.run, progress)
    return Answer(
        text=lambda look: view.render(result, look, arguments.asked),
        document=lambda: result,
        code=exits.apply_code(result),
        has_changed=True,
    )
