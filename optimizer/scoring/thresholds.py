"""Thresholds of health checks as a profile writes them. Pure."""

from __future__ import annotations

import re

from optimizer.model.errors import InvalidValue
from optimizer.model.nearest import did_you_mean
from optimizer.model.profile import Threshold
from optimizer.scoring.check import Bad, Check
from optimizer.scoring.checks import CHECKS

# Takes a level away, so that a check warns of nothing.
_NEVER = "never"
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")


def read_threshold(name: str, warning: str | None, critical: str | None) -> Threshold:
    """Return a threshold from its two texts; one that is None keeps its default.

    Raises InvalidValue for a check that does not exist, for what is no number, and for a
    critical level that is reached before the warning.
    """
    check = CHECKS.get(name)
    if check is None:
        raise InvalidValue(what="there is no such health check", hint=did_you_mean(name, CHECKS))
    usual = check.threshold
    threshold = Threshold(
        usual.warning if warning is None else _level(check, "warning", warning),
        usual.critical if critical is None else _level(check, "critical", critical),
    )
    _refuse_crossed(check, threshold)
    return threshold


def _level(check: Check, level: str, text: str) -> float | None:
    if text == _NEVER:
        return None
    unit = f", counted in {check.unit}" if check.unit else ""
    if not _NUMBER.fullmatch(text):
        hint = f"A level is a number without a unit{unit}; or {_NEVER}."
        raise InvalidValue(what=f"{level}: {text!r} is not a number", hint=hint)
    number = float(text)
    if check.unit == "%" and number > 100:
        raise InvalidValue(what=f"{level}: {text} % is more than everything")
    return number


def _refuse_crossed(check: Check, threshold: Threshold) -> None:
    warning, critical = threshold.warning, threshold.critical
    if warning is None or critical is None:
        return
    is_low_bad = check.bad is Bad.BELOW
    if critical > warning if is_low_bad else critical < warning:
        bad, other = ("low", "above") if is_low_bad else ("high", "below")
        raise InvalidValue(
            what=f"critical {check.counted(critical)} is {other} warning {check.counted(warning)}",
            hint=f"Here {bad} numbers are bad, so critical lies {check.bad.value} warning."
            f" The defaults: {check.words(check.threshold)}.",
        )
