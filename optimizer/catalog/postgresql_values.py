"""Value types that only PostgreSQL needs.

Canonical are bytes and whole seconds or milliseconds, whatever the server counts in. A size is
rounded down to the server's own step, so that a share of RAM is a value that it can print.
Source: "Setting Parameters" of the PostgreSQL manual; pg_settings of PostgreSQL 15.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from optimizer.model.errors import InvalidValue
from optimizer.model.values import INT_MAX, MAX_DIGITS, Choice, parse_size, plain

# A value that means something of its own, and what: (-1, "never").
Special = tuple[int, str]

_MICROSECONDS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_TIME = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) ?([a-z]*)")
_REAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?(e[+-]?[0-9]{1,2})?")
_LIBRARY = re.compile(r"(\$libdir)?[A-Za-z0-9_/][A-Za-z0-9_./+-]*")

# Ranks of Rising start above what a person would write, since 1 is another word for on.
_LOWEST_RANK = 1000

_ON = (("true", "on"), ("t", "on"), ("yes", "on"), ("y", "on"), ("1", "on"), ("on", "on"))
_OFF = (("false", "off"), ("f", "off"), ("no", "off"), ("n", "off"), ("0", "off"), ("off", "off"))
ON_OFF_WORDS = (*_ON, *_OFF)
ON_OFF = Choice(("on", "off"), ON_OFF_WORDS)


@dataclass(frozen=True)
class Size:
    """Bytes between two bounds, rounded down to a multiple of what the server counts in.

    minimum, maximum: bytes. multiple: bytes of one step, 8192 for a setting in blocks.
    specials: numbers outside of that range that are no size.
    """

    minimum: int
    maximum: int
    multiple: int
    specials: tuple[Special, ...] = ()

    is_numeric = True
    unit = "bytes"

    def canonical(self, text: str) -> str:
        """Return whole bytes; InvalidValue out of range, or for less than one step above 0."""
        size = parse_size(plain(text))
        if size in dict(self.specials):
            return str(size)
        rounded = size // self.multiple * self.multiple
        is_lost = rounded == 0 < size
        if is_lost or not self.minimum <= rounded <= self.maximum:
            raise InvalidValue(what=f"{text} is out of range, allowed is {self.describe()}")
        return str(rounded)

    def order(self, text: str) -> tuple[int, ...]:
        """Return the bytes; InvalidValue for a special value, which is neither more nor less."""
        return _ordered(self.canonical(text), self.specials)

    def describe(self) -> str:
        """Name the bounds, the step and the special values."""
        step = f" in steps of {self.multiple}" if self.multiple > 1 else ""
        return f"{self.minimum} to {self.maximum} bytes{step}{_or(self.specials)}"


@dataclass(frozen=True)
class Time:
    """A whole number of `unit` (ms or s) between two bounds; other units of time are read too."""

    minimum: int
    maximum: int
    unit: str
    specials: tuple[Special, ...] = ()

    is_numeric = True

    def canonical(self, text: str) -> str:
        """Return the number; InvalidValue out of range and for a part of the unit."""
        match = _TIME.fullmatch(plain(text))
        scale = _MICROSECONDS.get(match[2] or self.unit) if match else None
        if match is None or scale is None or len(match[1]) > MAX_DIGITS:
            raise InvalidValue(what=f"{text!r} is not a time such as 500ms, 30s or 15min")
        time = Fraction(match[1]) * scale / _MICROSECONDS[self.unit]
        if time.denominator != 1:
            raise InvalidValue(what=f"{text!r} is not a whole number of {self.unit}")
        is_special = int(time) in dict(self.specials)
        if not is_special and not self.minimum <= time <= self.maximum:
            raise InvalidValue(what=f"{text} is out of range, allowed is {self.describe()}")
        return str(int(time))

    def order(self, text: str) -> tuple[int, ...]:
        """Return the number; InvalidValue for a special value, which is neither more nor less."""
        return _ordered(self.canonical(text), self.specials)

    def describe(self) -> str:
        """Name the bounds, the unit and the special values."""
        return f"{self.minimum} to {self.maximum} {self.unit}{_or(self.specials)}"


def _ordered(canonical: str, specials: tuple[Special, ...]) -> tuple[int, ...]:
    meaning = dict(specials).get(int(canonical))
    if meaning is not None:
        raise InvalidValue(what=f"{canonical} ({meaning}) has no 'at least' or 'at most'")
    return (int(canonical),)


def _or(specials: tuple[Special, ...]) -> str:
    return "".join(f", or {number} ({meaning})" for number, meaning in specials)


@dataclass(frozen=True)
class Real:
    """A number with a fraction between two bounds; printed without zeros at its end."""

    minimum: int
    maximum: int
    unit: str = ""
    specials: tuple[Special, ...] = ()

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return the shortest decimal text; InvalidValue out of range."""
        words = plain(text).lower()
        number = words.removesuffix(self.unit).rstrip()
        if not _REAL.fullmatch(number):
            raise InvalidValue(what=f"{text!r} is not a number")
        value = Decimal(number)
        is_special = value in dict(self.specials)
        if not is_special and not self.minimum <= value <= self.maximum:
            raise InvalidValue(what=f"{text} is out of range, allowed is {self.describe()}")
        return format(value.normalize(), "f") if value else "0"

    def order(self, text: str) -> tuple[int, ...]:
        """Raise InvalidValue: bounds are made of whole numbers."""
        raise InvalidValue(what=f"{text!r} is a fraction, it has no 'at least' or 'at most'")

    def describe(self) -> str:
        """Name the bounds, the unit and the special values."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.minimum} to {self.maximum}{unit}, with a fraction{_or(self.specials)}"


@dataclass(frozen=True)
class Rising:
    """One word of a list in rising order, so that a profile may ask for `at_least` one."""

    options: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return the word; a number that `order` has made is read too."""
        word = plain(text).lower()
        ranks = {str(_LOWEST_RANK + at): option for at, option in enumerate(self.options)}
        word = ranks.get(word, dict(self.aliases).get(word, word))
        if word not in self.options:
            raise InvalidValue(what=f"{text!r} is not one of {', '.join(self.options)}")
        return word

    def order(self, text: str) -> tuple[int, ...]:
        """Return the rank of the word."""
        return (_LOWEST_RANK + self.options.index(self.canonical(text)),)

    def describe(self) -> str:
        """Name the words, the lowest first."""
        return " < ".join(self.options)


@dataclass(frozen=True)
class Words:
    """One word of a closed list of which a build or a version may lack some.

    instead: word -> what is nearest to it where the server lacks it.
    printed_as: word -> another word for the same that a server prints where it has both.
    """

    options: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()
    instead: tuple[tuple[str, str], ...] = ()
    printed_as: tuple[tuple[str, str], ...] = ()

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return the word; InvalidValue for any other."""
        return Choice(self.options, self.aliases).canonical(text)

    def on_server(self, choices: Collection[str]) -> Words:
        """Return the type for a server that has only these (`enumvals` of pg_settings).

        A word that it lacks is read as the nearest one that it has. choices: none for a switch.
        """
        offered = tuple(word for word in self.options if word in (choices or ("on", "off")))
        same = {word: other for word, other in self.printed_as if other in offered}
        known = {word: same.get(word, word) for word in offered}
        for word in self.options:
            nearest = self._nearest(word, offered)
            if word not in known and nearest is not None:
                known[word] = same.get(nearest, nearest)
        known |= {word: known[means] for word, means in self.aliases if means in known}
        return replace(self, options=offered, aliases=tuple(known.items()))

    def _nearest(self, word: str, offered: Collection[str]) -> str | None:
        chain = dict(self.instead)
        seen: set[str] = set()
        while word not in offered:
            if word in seen or word not in chain:
                return None
            seen.add(word)
            word = chain[word]
        return word

    def order(self, text: str) -> tuple[int, ...]:
        """Raise InvalidValue: the words have no order."""
        return Choice(self.options).order(text)

    def describe(self) -> str:
        """Name the words."""
        return " | ".join(self.options)


@dataclass(frozen=True)
class Libraries:
    """Names of libraries that have to be in a list, in the order of loading.

    kept: what a server's list has already. It stays, in front, and what is new is added: to
        replace the list would unload what databases depend on.
    """

    kept: tuple[str, ...] = ()

    is_numeric = False

    def canonical(self, text: str) -> str:
        """Return names with commas between, each once; InvalidValue for what is no name."""
        return ",".join(dict.fromkeys((*self.kept, *self._names(text))))

    def keeping(self, text: str) -> Libraries:
        """Return the type for a server with this list: wanted is the list and what it lacks."""
        return Libraries(tuple(self._names(text)))

    def _names(self, text: str) -> list[str]:
        names = [part.strip().strip('"') for part in plain(text).split(",")]
        wrong = [name for name in names if name and not _LIBRARY.fullmatch(name)]
        if wrong:
            raise InvalidValue(what=f"{wrong[0]!r} is not the name of a library")
        return [name for name in names if name]

    def order(self, text: str) -> tuple[int, ...]:
        """Raise InvalidValue: at least these is what every list of libraries means."""
        raise InvalidValue(what=f"{text!r} is a list, it has no 'at least' or 'at most'")

    def describe(self) -> str:
        """Say what is allowed."""
        return "names with commas between; those that the server loads already stay"


def kibibytes(minimum: int, *specials: Special) -> Size:
    """Return the type of a setting in kB; minimum: bytes."""
    return Size(minimum, INT_MAX * 2**10, 2**10, specials)


def blocks(minimum: int, maximum: int, *specials: Special) -> Size:
    """Return the type of a setting in blocks of 8 KiB; minimum, maximum: blocks."""
    return Size(minimum * 8192, maximum * 8192, 8192, specials)


def mebibytes(minimum: int) -> Size:
    """Return the type of a setting in MB; minimum: MiB."""
    return Size(minimum * 2**20, INT_MAX * 2**20, 2**20)
