"""`optimizer rollback`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import click

from optimizer.cli import consent, exits
from optimizer.cli.options import ALL, CONSENT, DIFF, EXPLAIN, FLEET, OUTPUT, ChangeArguments, flag
from optimizer.cli.verb import Answer, progress_of, verb
from optimizer.views.text import Asked


@dataclass(frozen=True, kw_only=True)
class RollbackArguments(ChangeArguments):
    """The command line of `rollback`."""

    to: str = "last"
    dry_run: bool = False
    include_foreign: bool = False

    @property
    def repeated(self) -> Asked:
        """What the next useful command repeats: the snapshot, too."""
        foreign = ("--include-foreign",) if self.include_foreign else ()
        return replace(self.asked, narrowing=("--to", self.to, *foreign))


@verb(
    "rollback",
    RollbackArguments,
    (
        *FLEET,
        click.Option(
            ["--to"],
            default="last",
            show_default=True,
            metavar="SNAPSHOT",
            help="Snapshot to go back to, by the beginning of its id.",
        ),
        flag(["--dry-run"], "Show the plan, change nothing."),
        flag(
            ["--include-foreign"],
            "Restore also what somebody else changed after us.",
            is_from_environment=False,
        ),
        *CONSENT,
        ALL,
        EXPLAIN,
        DIFF,
        *OUTPUT,
    ),
    (
        "optimizer rollback inventories/example.py --dry-run",
        "optimizer rollback inventories/example.py --limit db-1 --to 4f1c9a27d3b0",
    ),
)
def command(arguments: RollbackArguments) -> Answer:
    """Go back to a snapshot, guarded like apply.

    What somebody else changed since is kept and named; --include-foreign restores it too.
    A rollback keeps a snapshot as well, and can itself be rolled back.
    """
    if not arguments.dry_run:
        consent.require(arguments, "rollback")
    from optimizer.app.rollback import plan_rollback
    from optimizer.engine.fleet import open_fleet
    from optimizer.views import plan as view

    fleet = open_fleet(arguments.inventory, arguments.limit, arguments.connect_timeout)
    with progress_of(arguments) as progress:
        plan = plan_rollback(
            fleet, arguments.to, arguments.include_foreign, arguments.permissions, progress
        )
    if not arguments.dry_run:
        return consent.carry_out(fleet, plan, arguments, arguments.asked)
    return Answer(
        text=lambda look: view.render(plan, look, arguments.repeated),
        document=lambda: plan,
        code=exits.plan_code(plan, is_detailed=False),
    )
