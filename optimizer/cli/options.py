"""The options that verbs share, and the values they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from optimizer.cli import complete
from optimizer.model.errors import UsageError
from optimizer.views.text import Asked

if TYPE_CHECKING:
    from optimizer.app.requests import ProfileRequest
    from optimizer.model.tunable import Permission

_ALLOWABLE = ("restart", "reboot", "data")


@dataclass(frozen=True, kw_only=True)
class Output:
    """How a result is shown."""

    format: str = "text"
    json_into: Path | None = None
    quiet: bool = False
    verbose: bool = False
    no_input: bool = False
    all: bool = False
    explain: bool = False
    diff: bool = False

    @property
    def is_json(self) -> bool:
        """Whether stdout gets one JSON document and nothing else."""
        return self.format == "json"


@dataclass(frozen=True, kw_only=True)
class FleetArguments(Output):
    """Which hosts, and how long to wait for each, in seconds."""

    inventory: str
    limit: tuple[str, ...] = ()
    connect_timeout: int = 10

    @property
    def asked(self) -> Asked:
        """What the next useful command repeats."""
        return Asked(inventory=self.inventory, limits=self.limit)


@dataclass(frozen=True, kw_only=True)
class ProfileArguments(FleetArguments):
    """Which profile, and how it is narrowed and overridden."""

    profile: str = ""
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    set: Mapping[str, str] = field(default_factory=dict)
    force: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> Asked:
        """What the next useful command repeats."""
        return Asked(self.inventory, self.profile, self.limit, self.narrowing)

    @property
    def narrowing(self) -> tuple[str, ...]:
        """The words that narrow or override the profile."""
        overrides = [f"{name}={value}" for name, value in self.set.items()]
        forced = [f"{name}={value}" for name, value in self.force.items()]
        named = (
            ("--only", self.only),
            ("--skip", self.skip),
            ("--set", overrides),
            ("--force", forced),
        )
        return tuple(word for name, values in named for one in values for word in (name, one))

    def request(self) -> ProfileRequest:
        """Return what the use cases are asked for."""
        from optimizer.app.requests import ProfileRequest

        return ProfileRequest(self.profile, self.only, self.skip, self.set, self.force)

    def required(self) -> ProfileRequest:
        """Return the request; UsageError where nothing can choose a profile."""
        is_bare = self.inventory.startswith("@") or "," in self.inventory
        if not self.profile and is_bare and not Path("group_data").is_dir():
            what = f"--profile is missing, and {self.inventory} has no data that could choose one."
            raise UsageError(what=what, hint="optimizer profile list names the profiles.")
        return self.request()


@dataclass(frozen=True, kw_only=True)
class ConsentArguments:
    """What a person agrees to on the command line. confirm_timeout: seconds."""

    yes: bool = False
    allow: frozenset[str] = frozenset()
    confirm_timeout: int = 120
    no_confirm: bool = False

    @property
    def permissions(self) -> frozenset[Permission]:
        """What is allowed by name."""
        from optimizer.model.tunable import Permission

        return frozenset(map(Permission, self.allow))


@dataclass(frozen=True, kw_only=True)
class ChangeArguments(FleetArguments, ConsentArguments):
    """What every verb that changes hosts is given."""


def _overrides(_: click.Context, __: click.Parameter, words: Sequence[str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name.strip():
            raise click.BadParameter(f"{word!r} is not of the form ID=VALUE")
        if result.setdefault(name.strip(), value.strip()) != value.strip():
            raise click.BadParameter(f"{name} is given twice")
    return result


def _allowed(_: click.Context, __: click.Parameter, words: Sequence[str]) -> frozenset[str]:
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    for name in names:
        if name not in _ALLOWABLE:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(_ALLOWABLE)}")
    return frozenset(names)


def _in_directory(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not path.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no directory {path.absolute().parent}")
    return path


def file_option(names: Sequence[str], text: str) -> click.Option:
    """Return an option for a file to write; its directory has to be there."""
    kind = click.Path(dir_okay=False, writable=True, path_type=Path)
    return click.Option(names, type=kind, callback=_in_directory, metavar="FILE", help=text)


def flag(names: Sequence[str], text: str, is_from_environment: bool = True) -> click.Option:
    """Return a switch; one that gives consent is not read from the environment."""
    return click.Option(names, is_flag=True, help=text, allow_from_autoenv=is_from_environment)


ALL = flag(["--all"], "Show also what is folded to a count.")
EXPLAIN = flag(["--explain"], "Add to each change why it is made, and a link.")
DIFF = flag(["--diff"], "Show the unified diff of each file.")
OUTPUT: tuple[click.Parameter, ...] = (
    click.Option(
        ["--format"],
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How the result is written to stdout.",
    ),
    file_option(["--json-into"], "Write the result to FILE as JSON, too."),
    flag(["-q", "--quiet"], "Show the result and errors only."),
    flag(["-v", "--verbose"], "Show each host's progress, diffs of files, and tracebacks."),
    flag(["--no-input"], "Never ask: fail where an answer is needed."),
)
INVENTORY = click.Argument(["inventory"], shell_complete=complete.inventories)
REACH: tuple[click.Parameter, ...] = (
    click.Option(
        ["--limit"],
        multiple=True,
        metavar="PATTERN",
        shell_complete=complete.hosts,
        help="Only these hosts or groups. Repeatable.",
    ),
    click.Option(
        ["--connect-timeout"],
        type=click.IntRange(1, 600),
        default=10,
        show_default=True,
        metavar="S",
        help="Seconds to wait for a host to answer.",
    ),
)
FLEET: tuple[click.Parameter, ...] = (INVENTORY, *REACH)
PROFILE = click.Option(
    ["--profile"],
    default="",
    metavar="NAME",
    shell_complete=complete.profiles,
    help="Name or file of the profile; inventory data may choose one.",
)
ONLY = click.Option(
    ["--only"],
    multiple=True,
    metavar="GLOB",
    shell_complete=complete.tunables,
    help="Only tunables whose id matches. Repeatable.",
)
SKIP = click.Option(
    ["--skip"],
    multiple=True,
    metavar="GLOB",
    shell_complete=complete.tunables,
    help="No tunables whose id matches. Repeatable.",
)
WISHES: tuple[click.Parameter, ...] = (
    PROFILE,
    ONLY,
    SKIP,
    click.Option(
        ["--set"],
        multiple=True,
        metavar="ID=VALUE",
        callback=_overrides,
        allow_from_autoenv=False,
        shell_complete=complete.tunables,
        help="Want another value than the profile. Repeatable.",
    ),
    click.Option(
        ["--force"],
        multiple=True,
        metavar="ID=VALUE",
        callback=_overrides,
        allow_from_autoenv=False,
        help="Set what is refused: system.boot.idle or system.boot.mitigations. Repeatable.",
    ),
)
ALLOW = click.Option(
    ["--allow"],
    multiple=True,
    metavar="WHAT",
    callback=_allowed,
    allow_from_autoenv=False,
    shell_complete=complete.effects,
    help="Let changes through that need it: restart, reboot, data. Comma-separated.",
)
CONSENT: tuple[click.Parameter, ...] = (
    flag(["--yes"], "Do not ask before hosts are changed.", is_from_environment=False),
    ALLOW,
    click.Option(
        ["--confirm-timeout"],
        type=click.IntRange(10, 86_400),
        default=120,
        show_default=True,
        metavar="S",
        help="Seconds after which a host restores itself unless confirmed.",
    ),
    flag(
        ["--no-confirm"],
        "Leave the hosts waiting for `optimizer confirm`.",
        is_from_environment=False,
    ),
)
