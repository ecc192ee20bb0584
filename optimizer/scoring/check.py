"""What a health check is, and how a number becomes a status. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from optimizer.model.profile import Threshold
from optimizer.model.result import HealthCheck

Status = Literal["optimal", "good", "warning", "critical"]

# The threshold of what is told and not judged.
NEVER = Threshold()


class Bad(StrEnum):
    """Which numbers are bad, as the words before a threshold."""

    BELOW = "below"
    ABOVE = "above"


@dataclass(frozen=True)
class Check:
    """One thing that is looked at on a running host.

    name: `module.words-with-dashes`, as a profile names it.
    bad: whether numbers below or above a threshold are bad. The threshold itself is not bad.
    threshold: what holds where no profile says otherwise.
    meaning: what the number is; unit: what it counts in, empty for plain numbers.
    advice: what to do about a warning; a check may find a better one. source: of the threshold.
    good: beyond this number it is good and no longer optimal.
    warning_when, critical_when: words for the default threshold where it stands for yes or no.
    period: the time the number is about, at the end of the threshold's words.
    """

    name: str
    bad: Bad
    threshold: Threshold
    meaning: str
    advice: str
    source: str
    unit: str = ""
    good: float | None = None
    warning_when: str = ""
    critical_when: str = ""
    period: str = ""

    @property
    def is_yes_or_no(self) -> bool:
        """Whether its numbers stand for words."""
        return bool(self.warning_when or self.critical_when)

    def status(self, number: float, threshold: Threshold) -> Status:
        """Name the worst band that the number is in."""
        levels: tuple[tuple[Status, float | None], ...] = (
            ("critical", threshold.critical),
            ("warning", threshold.warning),
            ("good", self.good),
        )
        return next((name for name, level in levels if self._is_beyond(number, level)), "optimal")

    def _is_beyond(self, number: float, level: float | None) -> bool:
        if level is None:
            return False
        return number < level if self.bad is Bad.BELOW else number > level

    def words(self, threshold: Threshold) -> str:
        """Return a threshold in words: `warning below 15 %, critical below 8 %`."""
        usual = self.threshold
        levels = (
            ("warning", threshold.warning, usual.warning, self.warning_when),
            ("critical", threshold.critical, usual.critical, self.critical_when),
        )
        told = [
            f"{name} when {words}"
            if words and number == default
            else f"{name} {self.bad.value} {self.counted(number)}"
            for name, number, default, words in levels
            if number is not None
        ]
        return f"{', '.join(told)}{self.period}" if told else "none"

    def counted(self, number: float) -> str:
        """Return a number with its unit."""
        return f"{number:.15g} {self.unit}".strip()

    def judge(
        self, number: float, value: str, threshold: Threshold, advice: str = "", instance: str = ""
    ) -> HealthCheck:
        """Return the result for a number; value: the number in words.

        advice: in place of the usual one. instance: which one of several was looked at.
        """
        status = self.status(number, threshold)
        return HealthCheck(
            name=f"{self.name}[{instance}]" if instance else self.name,
            status=status,
            value=value,
            threshold=self.words(threshold),
            recommendation=(advice or self.advice) if status in ("warning", "critical") else "",
        )
