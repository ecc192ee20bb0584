"""`optimizer doctor`."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.cli import exits
from optimizer.cli.options import ALL, FLEET, OUTPUT, PROFILE, FleetArguments
from optimizer.cli.verb import Answer, progress_of, verb
from optimizer.views.text import Asked


@dataclass(frozen=True, kw_only=True)
class DoctorArguments(FleetArguments):
    """The command line of `doctor`."""

    profile: str = ""

    @property
    def asked(self) -> Asked:
        """What the next useful command repeats."""
        return Asked(self.inventory, self.profile, self.limit)


@verb(
    "doctor",
    DoctorArguments,
    (*FLEET, PROFILE, ALL, *OUTPUT),
    (
        "optimizer doctor @local",
        "optimizer doctor inventories/example.py --limit 'web-*'",
        "optimizer doctor cache-1,cache-2 --profile cache-only --all",
    ),
)
def command(arguments: DoctorArguments) -> Answer:
    """Tell whether hosts are healthy, and can be reached, changed and undone.

    Changes nothing. Answers whether an apply would find what it needs: rights, disk space,
    a way to undo, other tools that set the same values. Checks the memory and the services of
    each host and every Redis server on it against the thresholds of the profile, else against
    the usual ones.
    """
    from optimizer.app.doctor import doctor
    from optimizer.engine.fleet import open_fleet
    from optimizer.views import doctor as view

    fleet = open_fleet(arguments.inventory, arguments.limit, arguments.connect_timeout)
    with progress_of(arguments) as progress:
        result = doctor(fleet, progress, arguments.profile)
    return Answer(
        text=lambda look: view.render(result, look, arguments.asked),
        document=lambda: result,
        code=exits.doctor_code(result),
    )
