"""The errors that only the command line raises."""

from __future__ import annotations

from optimizer.model.errors import ExitCode, OptimizerError


class PlanRefused(OptimizerError):
    """The plan is refused, nothing was changed: {why}"""

    code = "CLI-003"
    hint = "Leave the value out with --skip, or correct the profile."


class Declined(OptimizerError):
    """Nothing was changed, as you did not agree."""

    code = "CLI-004"


class OutputFailed(OptimizerError):
    """{path} could not be written: {why}"""

    code = "CLI-005"
    hint = "Free space, or name another file."


class Interrupted(OptimizerError):
    """Interrupted."""

    code = "CLI-130"
    exit_code = ExitCode.INTERRUPTED


class InternalError(OptimizerError):
    """This is a defect of the optimizer: {what}"""

    code = "INTERNAL"
    hint = "Report it with the traceback; -v shows it at once."


class BrokenChange(InternalError):
    """This is a defect of the optimizer, met while hosts were being changed: {what}"""

    exit_code = ExitCode.NOT_RESTORED
    hint = "Unconfirmed hosts restore themselves. Look at each: optimizer verify INVENTORY."
