"""`optimizer snapshot`."""

from __future__ import annotations

from dataclasses import dataclass

import click

from optimizer.cli import exits
from optimizer.cli.options import FLEET, OUTPUT, FleetArguments
from optimizer.cli.verb import Answer, progress_of, verb


@dataclass(frozen=True, kw_only=True)
class SnapshotArguments(FleetArguments):
    """The command line of `snapshot`."""

    label: str = ""


@verb(
    "snapshot",
    SnapshotArguments,
    (
        *FLEET,
        click.Option(
            ["--label"], default="", metavar="TEXT", help="A word to find the snapshot again by."
        ),
        *OUTPUT,
    ),
    ("optimizer snapshot inventories/example.py --label before-upgrade",),
)
def command(arguments: SnapshotArguments) -> Answer:
    """Record what hosts have now, without a change."""
    from optimizer.app.snapshot import take_snapshot
    from optimizer.cli.consent import author, changing
    from optimizer.engine.fleet import open_fleet
    from optimizer.views import apply as view

    fleet = open_fleet(arguments.inventory, arguments.limit, arguments.connect_timeout)
    with changing(), progress_of(arguments) as progress:
        result = take_snapshot(fleet, arguments.label, author(), progress)
    return Answer(
        text=lambda look: view.render_snapshots(result, look, arguments.asked),
        document=lambda: result,
        code=exits.apply_code(result),
        has_changed=True,
    )
