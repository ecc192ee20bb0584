"""Value types of tunables: how a value is read from a profile or a host, and compared.

Every value is kept as its canonical text, the text the kernel prints for it. Two texts
mean the same value exactly when their canonical texts are equal.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, runtime_checkable

from optimizer.model.errors import InvalidValue

INT_MAX = 2**31 - 1
UINT_MAX = 2**32 - 1
LONG_MAX = 2**63 - 1

# Longer numbers are mistakes, and cost time to read.
MAX_DIGITS = 40

_SIZE = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) ?([A-Za-z%]*)")
# What a unit behind a number multiplies it with, in bytes; units are read in any case.
MULTIPLES: Mapping[str, int] = {
    "": 1,
    "b": 1,
    "k": 2**10,
    "kb": 2**10,
    "kib": 2**10,
    "m": 2**20,
    "mb": 2**20,
    "mib": 2**20,
    "g": 2**30,
    "gb": 2**30,
    "gib": 2**30,
    "t": 2**40,
    "tb": 2**40,
    "tib": 2**40,
}


class ValueType(Protocol):
    """How the values of one tunable are written down."""

    @property
    def is_numeric(self) -> bool:
        """Whether an expression over host facts may stand for a value of this type."""

    def canonical(self, text: str) -> str:
        """Return the canonical text of `text`; InvalidValue when it is none of this type."""

    def order(self, text: str) -> tuple[int, ...]:
        """Return what `at least` and `at most` compare; InvalidValue when there is no order."""

    def describe(self) -> str:
        """Say in a few words which values are allowed."""


@runtime_checkable
class FitsServer(Protocol):
    """A value type of which a server may lack some values."""

    def on_server(self, choices: Collection[str]) -> ValueType:
        """Return the type for a server that offers only these."""


@runtime_checkable
class KeepsList(Protocol):
    """A list to which values are added, and from which none is taken."""

    def keeping(self, text: str) -> ValueType:
        """Return the type for a server that has this list already."""


def squeeze(text: str) -> str:
    """Collapse blanks, as the kernel's own number separators vary between tab and space."""
    return " ".join(text.split())


def plain(text: str) -> str:
    """Return squeezed text that may go to a host; InvalidValue for control characters."""
    if not text.replace("\t", " ").isprintable():
        raise InvalidValue(what=f"{text!r} has a line break or another control character")
    return squeeze(text)


def parse_size(text: str) -> int:
    """Read a byte count such as `4096`, `64 MiB` or `1g` (binary multiples); unit: bytes."""
    match = _SIZE.fullmatch(squeeze(text))
    multiple = MULTIPLES.get(match[2].lower()) if match else None
    if match is None or multiple is None or len(match[1]) > MAX_DIGITS:
        raise InvalidValue(what=f"{text!r} is not a number of bytes")
    size = Fraction(match[1]) * multiple
    if size.denominator != 1:
        raise InvalidValue(what=f"{text!r} is not a whole number of bytes")
    return int(size)


@dataclass(frozen=True)
class Integer:
    """A whole number between two bounds; with `unit="bytes"` sizes such as 64 MiB are read."""

    minimum: int = 0
    maximum: int = INT_MAX
    unit: str = ""

    is_numeric = True

    def canonical(self, text: str) -> str:
        number = self._parse(plain(text))
        if not self.minimum <= number <= self.maximum:
            raise InvalidValue(what=f"{text} is out of range, allowed is {self.describe()}")
        return str(number)

    def _parse(self, text: str) -> int:
        if self.unit == "bytes":
            return parse_size(text)
        if not text.isascii() or len(text) > MAX_DIGITS:
            raise InvalidValue(what=f"{text!r} is not a whole number")
        try:
            return int(text, 0)
        except ValueError:
            pass
        try:
            return int(text)
        except ValueError:
            raise InvalidValue(what=f"{text!r} is not a whole number") from None

    def order(self, text: str) -> tuple[int, ...]:
        return (self._parse(plain(text)),)

    def describe(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.minimum} to {self.maximum}{unit}"


@dataclass(frozen=True)
class Sentinel:
    """A number or one of a few words that mean something special, such as `n/a`."""

    number: Integer
    words: tuple[str, ...]

    is_numeric = True

    def canonical(self, text: str) -> str:
        word = plain(text)
        return word if word in self.words else self.number.canonical(word)

    def order(self, text: str) -> tuple[int, ...]:
        return self.number.order(text)

    def describe(self) -> str:
        return f"{self.number.describe()}, or {', '.join(self.words)}"


@dataclass(frozen=True)
class IntegerList:
    """A fixed count of whole numbers, such as the three sizes of tcp_rmem."""

    count: int
    minimum: int = 0
    maximum: int = INT_MAX
    unit: str = ""

    is_numeric = False

    def canonical(self, text: str) -> str:
        parts = plain(text).split()
        if len(parts) != self.count:
            raise InvalidValue(what=f"{text!r} has {len(parts)} numbers, {self.count} are needed")
        return " ".join(self._one.canonical(part) for part in parts)

    def order(self, text: str) -> tuple[int, ...]:
        return tuple(self._one.order(part)[0] for part in plain(text).split())

    @property
    def _one(self) -> Integer:
        return Integer(self.minimum, self.maximum, self.unit)

    def describe(self) -> str:
        return f"{self.count} numbers, each {self._one.describe()}"


@dataclass(frozen=True)
class Choice:
    """One word of a closed list. `aliases` are other spellings that mean an option."""

    options: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()

    is_numeric = False

    def canonical(self, text: str) -> str:
        word = plain(text)
        word = dict(self.aliases).get(word.lower(), word)
        if word not in self.options:
            raise InvalidValue(what=f"{text!r} is not one of {', '.join(self.options)}")
        return word

    def order(self, text: str) -> tuple[int, ...]:
        raise InvalidValue(what=f"{text!r} is a word, it has no 'at least' or 'at most'")

    def describe(self) -> str:
        return " | ".join(self.options)


SWITCH = Choice(("0", "1"), (("true", "1"), ("on", "1"), ("yes", "1"),
                             ("false", "0"), ("off", "0"), ("no", "0")))  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A word list of harmless characters; `pattern` narrows it further.

    Shell metacharacters are refused although values are never formatted into a shell:
    no kernel setting needs them, so one in a profile is a mistake or an attack.
    """

    pattern: str = r"[A-Za-z0-9_.,:/@%+= -]+"
    meaning: str = "a word"

    is_numeric = False

    def canonical(self, text: str) -> str:
        words = plain(text)
        if not re.fullmatch(self.pattern, words):
            raise InvalidValue(what=f"{text!r} is not {self.meaning}")
        return words

    def order(self, text: str) -> tuple[int, ...]:
        try:
            return tuple(int(part) for part in plain(text).split())
        except ValueError:
            raise InvalidValue(what=f"{text!r} has no 'at least' or 'at most'") from None

    def describe(self) -> str:
        return self.meaning
