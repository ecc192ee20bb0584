"""The value type of a time that comes again: a calendar expression of systemd, or off.

What cannot be said as days and one time of day is left out, so that every value that a profile may
ask for is one that systemd takes, in the words in which it prints it. Source: systemd.time(7).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from optimizer.model.errors import InvalidValue
from optimizer.model.values import plain

OFF = "off"

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORT = {
    "daily": "*-*-* 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
}
_EXPRESSION = re.compile(
    r"(?:(?P<days>[A-Za-z.,]+) )?(?:\*-\*-(?P<date>\*|\d{1,2}) )?"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?P<zone> UTC)?"
)


@dataclass(frozen=True)
class Calendar:
    """`Sun 03:00`, `Mon..Fri 22:30`, `*-*-01 04:00`, `daily`, with ` UTC` at its end, or `off`."""

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return it as systemd prints it; InvalidValue for anything else."""
        words = plain(text)
        if words.lower() in (OFF, "false", "no"):
            return OFF
        if words.lower() in _SHORT:
            return _SHORT[words.lower()]
        found = _EXPRESSION.fullmatch(words)
        if found is None:
            raise InvalidValue(what=f"{text!r} is not {self.describe()}")
        numbers = [int(found[name] or 0) for name in ("hour", "minute", "second")]
        date = found["date"] or "*"
        is_date = date == "*" or 1 <= int(date) <= 31
        if not is_date or any(one > most for one, most in zip(numbers, (23, 59, 59), strict=True)):
            raise InvalidValue(what=f"{text!r} is no time: {self.describe()}")
        day = date if date == "*" else f"{int(date):02}"
        time = ":".join(f"{number:02}" for number in numbers)
        return f"{_days(found['days'])}*-*-{day} {time}{found['zone'] or ''}"

    def order(self, text: str) -> tuple[int, ...]:
        """Refuse to compare: no time is more than another."""
        raise InvalidValue(what=f"{text!r} is a time, it has no 'at least' or 'at most'")

    def describe(self) -> str:
        """Say in a few words which values are allowed."""
        return "days and a time for systemd, such as Sun 03:00 or *-*-01 04:00, or off"


def _days(text: str | None) -> str:
    """Return days of the week as systemd prints them, with a blank behind; empty for every day."""
    if not text:
        return ""
    chosen = sorted({day for part in text.split(",") for day in _range(part)})
    if len(chosen) == len(_DAYS):
        return ""
    runs: list[list[int]] = []
    for day in chosen:
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(map(_run, runs)) + " "


def _run(days: list[int]) -> str:
    names = [_DAYS[day][:3] for day in days]
    return f"{names[0]}..{names[-1]}" if len(names) > 2 else ",".join(names)


def _range(part: str) -> range:
    first, dots, last = part.partition("..")
    start = _day(first)
    end = _day(last) if dots else start
    if end < start:
        raise InvalidValue(what=f"{part!r} goes backwards: systemd takes no such days")
    return range(start, end + 1)


def _day(name: str) -> int:
    for number, day in enumerate(_DAYS):
        if name.capitalize() in (day, day[:3]):
            return number
    raise InvalidValue(what=f"{name!r} is no day of the week: Mon, Tue, Wed …")
