"""`optimizer apply`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from optimizer.cli import complete, consent
from optimizer.cli.options import (
    ALL,
    CONSENT,
    DIFF,
    EXPLAIN,
    OUTPUT,
    REACH,
    WISHES,
    ChangeArguments,
    ProfileArguments,
)
from optimizer.cli.verb import Answer, progress_of, verb
from optimizer.model.errors import UsageError
from optimizer.views.text import Asked


@dataclass(frozen=True, kw_only=True)
class ApplyArguments(ProfileArguments, ChangeArguments):
    """The command line of `apply`. inventory: an inventory, or a saved plan."""

    plan_inventory: str = ""

    @property
    def plan_file(self) -> Path | None:
        """The saved plan that is applied; None when a new one is made."""
        path = Path(self.inventory)
        return path if path.suffix == ".json" and path.is_file() else None


@verb(
    "apply",
    ApplyArguments,
    (
        click.Argument(
            ["inventory"], metavar="INVENTORY|PLAN.json", shell_complete=complete.inventories
        ),
        *WISHES,
        click.Option(
            ["--inventory", "plan_inventory"],
            default="",
            metavar="INVENTORY",
            shell_complete=complete.inventories,
            help="Where to find the hosts of PLAN.json; without it their names are used.",
        ),
        *CONSENT,
        *REACH,
        ALL,
        EXPLAIN,
        DIFF,
        *OUTPUT,
    ),
    (
        "optimizer apply @local --profile development",
        "optimizer apply inventories/example.py --profile hft --allow restart",
        "optimizer apply plan.json --inventory inventories/example.py --yes",
    ),
)
def command(arguments: ApplyArguments) -> Answer:
    """Plan, ask, change, check, and keep or restore.

    Given a saved plan, exactly that plan is carried out; hosts whose values moved since
    are refused by name. Without a terminal to ask on, nothing happens unless --yes is given.
    """
    if arguments.plan_file:
        return _apply_saved(arguments, arguments.plan_file)
    if arguments.plan_inventory:
        what = f"--inventory is for a saved plan, and {arguments.inventory} is no such file."
        raise UsageError(what=what, hint="Give the inventory as the argument.")
    request = arguments.required()
    consent.require(arguments, "apply")
    from optimizer.app.plan import plan as make_plan
    from optimizer.engine.fleet import open_fleet

    fleet = open_fleet(arguments.inventory, arguments.limit, arguments.connect_timeout)
    with progress_of(arguments) as progress:
        plan = make_plan(fleet, request, arguments.permissions, progress)
    return consent.carry_out(fleet, plan, arguments, arguments.asked)


def _apply_saved(arguments: ApplyArguments, path: Path) -> Answer:
    if arguments.profile or arguments.narrowing:
        words = "--profile, --only, --skip, --set and --force"
        what = f"{path} is a saved plan: {words} cannot change it."
        raise UsageError(what=what, hint="Make a new plan: optimizer plan INVENTORY -o FILE")
    consent.require(arguments, "apply")
    from optimizer.app.saved import load_plan
    from optimizer.engine.fleet import open_fleet

    plan = load_plan(path)
    inventory = arguments.plan_inventory or ",".join(host.name for host in plan.hosts)
    fleet = open_fleet(inventory, arguments.limit, arguments.connect_timeout)
    asked = Asked(inventory, plan.profile.name, arguments.limit)
    return consent.carry_out(fleet, plan, arguments, asked)
