"""`optimizer verify`."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.cli import exits
from optimizer.cli.options import ALL, FLEET, OUTPUT, WISHES, ProfileArguments
from optimizer.cli.verb import Answer, progress_of, verb
from optimizer.model.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class VerifyArguments(ProfileArguments):
    """The command line of `verify`."""


@verb(
    "verify",
    VerifyArguments,
    (*FLEET, *WISHES, ALL, *OUTPUT),
    (
        "optimizer verify inventories/example.py",
        "optimizer verify inventories/example.py --profile hft --format json",
    ),
)
def command(arguments: VerifyArguments) -> Answer:
    """Tell whether hosts still are what was applied.

    Without --profile against what was last applied to each host, with it against what the
    profile wants. Drift, and values that cannot be read, end with exit status 2.
    """
    if not arguments.profile and arguments.narrowing:
        what = "--only, --skip and --set narrow a profile, and --profile is missing."
        raise UsageError(what=what, hint="Without --profile all that was applied is verified.")
    from optimizer.app.verify import verify
    from optimizer.engine.fleet import open_fleet
    from optimizer.views import verify as view

    request = arguments.request() if arguments.profile else None
    fleet = open_fleet(arguments.inventory, arguments.limit, arguments.connect_timeout)
    with progress_of(arguments) as progress:
        result = verify(fleet, request, progress)
    return Answer(
        text=lambda look: view.render(result, look, arguments.asked),
        document=lambda: result,
        code=exits.verify_code(result),
    )
