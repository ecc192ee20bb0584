"""`optimizer plan`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from optimizer.cli import exits
from optimizer.cli.files import write_private
from optimizer.cli.options import (
    ALL,
    ALLOW,
    DIFF,
    EXPLAIN,
    FLEET,
    OUTPUT,
    WISHES,
    ConsentArguments,
    ProfileArguments,
    file_option,
    flag,
)
from optimizer.cli.verb import Answer, progress_of, verb
from optimizer.views.text import Look

if TYPE_CHECKING:
    from optimizer.model.plan import Plan


@dataclass(frozen=True, kw_only=True)
class PlanArguments(ProfileArguments, ConsentArguments):
    """The command line of `plan`."""

    output: Path | None = None
    detailed_exitcode: bool = False


@verb(
    "plan",
    PlanArguments,
    (
        *FLEET,
        *WISHES,
        ALLOW,
        file_option(["-o", "--output"], "Save the plan for `optimizer apply FILE`."),
        flag(["--detailed-exitcode"], "Exit with 2 when there are changes."),
        ALL,
        EXPLAIN,
        DIFF,
        *OUTPUT,
    ),
    (
        "optimizer plan @local --profile development",
        "optimizer plan inventories/example.py --profile hft --limit 'db-*' --explain",
        "optimizer plan inventories/example.py --profile hft -o plan.json --detailed-exitcode",
    ),
)
def command(arguments: PlanArguments) -> Answer:
    """Show what a profile would change, and why.

    Changes nothing: one read of each host, compared with the profile. With -o the plan is
    kept, bound to the values it saw, and `optimizer apply FILE` carries out exactly that.
    """
    request = arguments.required()
    from optimizer.app.plan import plan as make_plan
    from optimizer.engine.fleet import open_fleet

    fleet = open_fleet(arguments.inventory, arguments.limit, arguments.connect_timeout)
    with progress_of(arguments) as progress:
        plan = make_plan(fleet, request, arguments.permissions, progress)
    if arguments.output:
        _save(plan, arguments.output)
    return Answer(
        text=lambda look: _text(plan, arguments, look),
        document=lambda: plan,
        code=exits.plan_code(plan, arguments.detailed_exitcode),
    )


def _save(plan: Plan, path: Path) -> None:
    from optimizer.views import json

    write_private(path, json.text(plan))


def _text(plan: Plan, arguments: PlanArguments, look: Look) -> list[str]:
    from optimizer.views import plan as view

    path = click.format_filename(arguments.output) if arguments.output else ""
    lines = view.render(plan, look, replace(arguments.asked, saved=path))
    return [view.saved(plan, path), *lines] if path else lines
