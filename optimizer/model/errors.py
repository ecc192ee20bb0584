"""The errors a user can meet, and the exit code each one ends with.

The docstring of an error class is its message: `{name}` is filled from the keyword
arguments, so a message, its code and its exit code stand in one place.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process exit status means. Codes of several hosts: `worst`."""

    OK = 0
    NOTHING_CHANGED = 1
    DIFFERENCES = 2
    RESTORED = 3
    NOT_RESTORED = 4
    PARTLY_REACHED = 5
    USAGE = 64
    INTERRUPTED = 130


_SEVERITY = (
    ExitCode.NOT_RESTORED,
    ExitCode.RESTORED,
    ExitCode.INTERRUPTED,
    ExitCode.PARTLY_REACHED,
    ExitCode.NOTHING_CHANGED,
    ExitCode.DIFFERENCES,
    ExitCode.OK,
)


def worst(codes: list[ExitCode]) -> ExitCode:
    """Return the code that a person has to hear about first."""
    return min(codes, key=_SEVERITY.index, default=ExitCode.OK)


class OptimizerError(Exception):
    """{what}"""

    code: ClassVar[str] = "OPT-000"
    exit_code: ClassVar[ExitCode] = ExitCode.NOTHING_CHANGED
    hint: str = ""

    def __init__(self, *, hint: str = "", host: str | None = None, **values: object) -> None:
        self.values = values
        self.host = host
        if hint:
            self.hint = hint
        template = (type(self).__doc__ or "{what}").strip()
        super().__init__(template.format(host=host, **values))


class UsageError(OptimizerError):
    """{what}"""

    code = "CLI-001"
    exit_code = ExitCode.USAGE


class ConfirmationNeeded(OptimizerError):
    """Nothing was done: {verb} asks before it changes a host, and this is not a terminal."""

    code = "CLI-002"
    hint = "Look at the plan, then add --yes."


class InvalidValue(OptimizerError):
    """{what}"""

    code = "VALUE-001"


class ProfileError(OptimizerError):
    """Profile {profile}: {what}"""

    code = "PROFILE-001"


class UnknownProfile(OptimizerError):
    """There is no profile named {name}."""

    code = "PROFILE-002"


class UnknownTunable(OptimizerError):
    """{where}: there is no tunable named {name}."""

    code = "PROFILE-003"


class InventoryError(OptimizerError):
    """Inventory {inventory}: {what}"""

    code = "INVENTORY-001"


class NoHostReached(OptimizerError):
    """No host could be reached: {why}"""

    code = "HOST-001"


class PlanFileError(OptimizerError):
    """Plan file {path}: {what}"""

    code = "PLAN-001"


class UnknownSnapshot(OptimizerError):
    """{host} has no snapshot {snapshot}."""

    code = "SNAPSHOT-001"
    hint = "optimizer history INVENTORY lists the snapshots of a host."


class DamagedSnapshot(OptimizerError):
    """Snapshot {snapshot} is damaged: {what}"""

    code = "SNAPSHOT-002"


class NothingApplied(OptimizerError):
    """{what}"""

    code = "SNAPSHOT-003"
