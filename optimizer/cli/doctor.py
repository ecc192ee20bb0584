"""`optimizer doctor`."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.cli import exits
from optimizer.cli.options import ALL, FLEET, OUTPUT, FleetArguments
from optimizer.cli.verb import Answer, progress_of, verb


@dataclass(frozen=True, kw_only=True)
class DoctorArguments(FleetArguments):
    """The command line of `doctor`."""


@verb(
    "doctor",
    DoctorArguments,
    (*FLEET, ALL, *OUTPUT),
    ("optimizer doctor @local", "optimizer doctor inventories/example.py --limit 'web-*'"),
)
def command(arguments: DoctorArguments) -> Answer:
    """Tell whether hosts can be reached, changed and undone.

    Changes nothing. Answers whether an apply would find what it needs: rights, disk space,
    a way to undo, other tools that set the same values.
    """
    from optimizer.app.doctor import doctor
    from optimizer.engine.fleet import open_fleet
    from optimizer.views import doctor as view

    fleet = open_fleet(arguments.inventory, arguments.limit, arguments.connect_timeout)
    with progress_of(arguments) as progress:
        result = doctor(fleet, progress)
    return Answer(
        text=lambda look: view.render(result, look, arguments.asked),
        document=lambda: result,
        code=exits.doctor_code(result),
    )
