"""`optimizer score`."""

from __future__ import annotations

from dataclasses import dataclass

import click

from optimizer.cli import exits
from optimizer.cli.options import ALL, EXPLAIN, FLEET, OUTPUT, WISHES, ProfileArguments
from optimizer.cli.verb import Answer, progress_of, verb


@dataclass(frozen=True, kw_only=True)
class ScoreArguments(ProfileArguments):
    """The command line of `score`. fail_under: 0 to 100."""

    fail_under: float | None = None


@verb(
    "score",
    ScoreArguments,
    (
        *FLEET,
        *WISHES,
        click.Option(
            ["--fail-under"],
            type=click.FloatRange(0, 100),
            metavar="N",
            help="Exit with 2 when a host scores less, or when its score is unknown.",
        ),
        ALL,
        EXPLAIN,
        *OUTPUT,
    ),
    (
        "optimizer score @local --profile production",
        "optimizer score inventories/example.py --profile hft --fail-under 90",
    ),
)
def command(arguments: ScoreArguments) -> Answer:
    """Score how closely hosts follow a profile.

    The score tells how closely a host follows the profile, 0 to 100, and where the points
    are lost. It does not tell how fast the host is.
    """
    request = arguments.required()
    from optimizer.app.score import score
    from optimizer.engine.fleet import open_fleet
    from optimizer.views import score as view

    fleet = open_fleet(arguments.inventory, arguments.limit, arguments.connect_timeout)
    with progress_of(arguments) as progress:
        result = score(fleet, request, progress)
    return Answer(
        text=lambda look: view.render(result, look, arguments.asked),
        document=lambda: result,
        code=exits.score_code(result, arguments.fail_under),
    )
