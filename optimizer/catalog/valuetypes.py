"""Value types that only the System tunables need: CPU lists, unit limits, time spans."""

from __future__ import annotations

import re
from dataclasses import dataclass

from optimizer.model.errors import InvalidValue
from optimizer.model.values import LONG_MAX, Integer, Text, ValueType, plain

# The kernel's own ceiling (NR_CPUS) on the largest machines it supports.
_CPUS_MAX = 8192
_CPU_RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")
_TIME_PART = re.compile(r"(\d{1,15})\s*([a-zµ]*)")

_MICROSECONDS = {
    "us": 1,
    "µs": 1,
    "usec": 1,
    "ms": 1_000,
    "msec": 1_000,
    "": 1_000_000,
    "s": 1_000_000,
    "sec": 1_000_000,
    "second": 1_000_000,
    "seconds": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "minute": 60_000_000,
    "minutes": 60_000_000,
    "h": 3_600_000_000,
    "hr": 3_600_000_000,
    "hour": 3_600_000_000,
    "hours": 3_600_000_000,
    "d": 86_400_000_000,
    "day": 86_400_000_000,
    "days": 86_400_000_000,
}

# RLIM_INFINITY; systemd says infinity, older ones this number, /proc/PID/limits unlimited.
_INFINITY = 2**64 - 1
_NO_LIMIT = ("infinity", "unlimited", str(_INFINITY))
# A blank between the two is how /proc/PID/limits and the numbers of `order` have it.
_BLANK_PAIR = re.compile(r"^(\d+|infinity|unlimited) (\d+|infinity|unlimited)$")

# The kernel prints a mask with as many digits as the host has CPUs, so its width is part
# of the text that is compared: 0f on a host with 8 CPUs, f on one with 4.
CPU_MASK = Text(
    pattern=r"[0-9a-f]+(,[0-9a-f]{8})*",
    meaning="a CPU mask in hex with the zeros that the host prints, such as 0f on 8 CPUs",
)


@dataclass(frozen=True)
class Barring:
    """Another value type, and the values that the kernel would take and a host would regret.

    inner: reads the values that are left. barred: value -> what it would do.
    """

    inner: ValueType
    barred: tuple[tuple[str, str], ...]

    @property
    def is_numeric(self) -> bool:
        """Whether the inner type is."""
        return self.inner.is_numeric

    def canonical(self, text: str) -> str:
        """Return the canonical text of the inner type; InvalidValue for a barred value."""
        self._refuse(plain(text))
        canonical = self.inner.canonical(text)
        # Other spellings of a barred value are barred as well.
        self._refuse(canonical)
        return canonical

    def _refuse(self, value: str) -> None:
        reason = dict(self.barred).get(value)
        if reason:
            raise InvalidValue(what=f"{value} is refused: {reason}")

    def order(self, text: str) -> tuple[int, ...]:
        """Return what the inner type compares."""
        return self.inner.order(text)

    def describe(self) -> str:
        """Name the inner type's values and those that are barred."""
        return f"{self.inner.describe()}, never {', '.join(value for value, _ in self.barred)}"


@dataclass(frozen=True)
class CpuList:
    """CPU numbers and ranges such as `0-3,8`; `flags` may stand before them (isolcpus)."""

    flags: tuple[str, ...] = ()

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return the numbers as the kernel prints them; InvalidValue for anything else."""
        parts = plain(text).replace(",", " ").split()
        flags = [part for part in parts if part in self.flags]
        numbers = sorted({cpu for part in parts if part not in flags for cpu in _cpus(part)})
        if not numbers:
            raise InvalidValue(what=f"{text!r} names no CPU")
        return ",".join([*dict.fromkeys(flags), *_ranges(numbers)])

    def order(self, text: str) -> tuple[int, ...]:
        """Raise InvalidValue: lists of CPUs have no order."""
        raise InvalidValue(what=f"{text!r} is a list of CPUs, it has no 'at least' or 'at most'")

    def describe(self) -> str:
        """Say what is allowed."""
        flags = f", after any of {', '.join(self.flags)}" if self.flags else ""
        return f"CPU numbers and ranges such as 2-5,8{flags}"


def _cpus(part: str) -> range:
    match = _CPU_RANGE.fullmatch(part)
    if match is None:
        raise InvalidValue(what=f"{part!r} is not a CPU number or a range such as 2-5")
    first, last = int(match[1]), int(match[2] or match[1])
    if not first <= last < _CPUS_MAX:
        raise InvalidValue(what=f"{part!r} is not a rising range of CPUs below {_CPUS_MAX}")
    return range(first, last + 1)


def _ranges(numbers: list[int]) -> list[str]:
    """Write sorted numbers the way the kernel does: neighbours joined to `first-last`."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return [str(first) if first == last else f"{first}-{last}" for first, last in spans]


@dataclass(frozen=True)
class Limit:
    """A number, or `infinity` for no limit.

    is_pair: `soft:hard` is read too; a process may raise its soft limit up to the hard one.
    step: rounded down to a multiple of this, as the kernel does with it.
    """

    minimum: int = 0
    unit: str = ""
    is_pair: bool = False
    step: int = 1

    is_numeric = True

    def canonical(self, text: str) -> str:
        """Return `soft:hard`, or one number where both are equal; InvalidValue for no limit."""
        soft, _, hard = _BLANK_PAIR.sub(r"\1:\2", plain(text).lower()).partition(":")
        if hard and not self.is_pair:
            raise InvalidValue(what=f"{text!r} is not one number")
        pair = [self._one(soft), self._one(hard or soft)]
        if _size(pair[0]) > _size(pair[1]):
            raise InvalidValue(what=f"{text!r} has a soft limit above its hard limit")
        return pair[0] if pair[0] == pair[1] else ":".join(pair)

    def _one(self, word: str) -> str:
        if word in _NO_LIMIT:
            return "infinity"
        number = int(Integer(self.minimum, LONG_MAX, self.unit).canonical(word))
        return str(number // self.step * self.step)

    def order(self, text: str) -> tuple[int, ...]:
        """Return the soft and the hard limit as numbers, no limit above all."""
        soft, _, hard = self.canonical(text).partition(":")
        return (_size(soft), _size(hard or soft)) if self.is_pair else (_size(soft),)

    def describe(self) -> str:
        """Say what is allowed."""
        unit = f" {self.unit}" if self.unit else ""
        pair = "; soft:hard where the two differ" if self.is_pair else ""
        steps = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.minimum} or more{unit}{steps}, or infinity{pair}"


def _size(limit: str) -> int:
    return _INFINITY if limit == "infinity" else int(limit)


@dataclass(frozen=True)
class TimeSpan:
    """A time span as systemd writes it: `30s`, `1min 30s`, `500ms`; a bare number is seconds."""

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return the span in the largest of s, ms and us that keeps it whole."""
        span = self._microseconds(text)
        for size, unit in ((1_000_000, "s"), (1_000, "ms")):
            if span % size == 0:
                return f"{span // size}{unit}"
        return f"{span}us"

    def _microseconds(self, text: str) -> int:
        words = plain(text)
        parts = _TIME_PART.findall(words)
        is_whole = "".join(a + b for a, b in parts) == words.replace(" ", "")
        if not parts or not is_whole or any(unit not in _MICROSECONDS for _, unit in parts):
            raise InvalidValue(what=f"{text!r} is not a time span such as 30s or 5min")
        return sum(int(count) * _MICROSECONDS[unit] for count, unit in parts)

    def order(self, text: str) -> tuple[int, ...]:
        """Raise InvalidValue: spans are not compared."""
        raise InvalidValue(what=f"{text!r} is a time span, it has no 'at least' or 'at most'")

    def describe(self) -> str:
        """Say what is allowed."""
        return "a time span such as 30s or 5min"
