"""Arithmetic over the facts of a host: `25% ram`, `min(2 * cpus, 16)`.

    sum     = product { ("+" | "-") product }
    product = factor { ("*" | "/") factor }
    factor  = { "-" } ( number [ unit | "%" [ "of" ] operand ] | operand )
    operand = fact | ("min" | "max" | "clamp") "(" sum { "," sum } ")" | "(" sum ")"

Amounts are exact fractions; only the result is rounded, down. Nothing is ever executed:
a text that the grammar does not cover is an error that says where and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from optimizer.model.errors import InvalidValue
from optimizer.model.nearest import did_you_mean
from optimizer.model.values import MAX_DIGITS, MULTIPLES

# Far more than a setting needs, and little enough that no text costs time or memory.
MAX_LENGTH = 200
MAX_DEPTH = 20
MAX_RESULT = 2**64 - 1

# The facts that count bytes; all others are plain numbers.
_SIZE_FACTS = frozenset(
    {
        *("ram", "slice", "process", "heap"),
        *("buffers", "work", "maintenance", "autovacuum", "cache", "wal"),
    }
)

_TOKEN = re.compile(
    r"[ \t]*"
    r"(?:(?P<number>[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>[-+*/%(),])"
    r"|(?P<end>\Z)"
    r"|(?P<other>.))",
    re.DOTALL,
)


@dataclass(frozen=True)
class _Token:
    """A word of the text. kind: number, name, sign, or end. position: from 1."""

    kind: str
    text: str
    position: int


@dataclass(frozen=True)
class _Quantity:
    """An exact amount and its power of bytes: 0 for a plain number, 1 for a size."""

    amount: Fraction
    power: int = 0

    def combined(self, other: _Quantity, amount: Fraction) -> _Quantity:
        """Return `amount` in the unit of both; a plain number beside a size is a size."""
        return _Quantity(amount, max(self.power, other.power))

    def __add__(self, other: _Quantity) -> _Quantity:
        return self.combined(other, self.amount + other.amount)

    def __sub__(self, other: _Quantity) -> _Quantity:
        return self.combined(other, self.amount - other.amount)

    def __mul__(self, other: _Quantity) -> _Quantity:
        return _Quantity(self.amount * other.amount, self.power + other.power)

    def __truediv__(self, other: _Quantity) -> _Quantity:
        return _Quantity(self.amount / other.amount, self.power - other.power)

    def __neg__(self) -> _Quantity:
        return _Quantity(-self.amount, self.power)


def evaluate(text: str, facts: Mapping[str, int]) -> int:
    """Return what `text` comes to with these facts (sizes in bytes), rounded down.

    Raises InvalidValue for a text that is no expression, a fact that is not in `facts`,
    a division by zero, and a result beyond 64 bits.
    """
    return _floor(text, _Parser(text, facts).parse())


def counts_bytes(text: str, facts: Mapping[str, int]) -> bool:
    """Return whether the result is a size, as of `1% ram`, or a number, as of `ram / 1 GiB`.

    Raises InvalidValue as evaluate does, and for what is neither, such as `ram * ram`.
    """
    result = _Parser(text, facts).parse()
    if result.power not in (0, 1):
        raise InvalidValue(
            what=f"{text!r} is neither a number nor a size",
            hint="A size is multiplied by a number, and divided by a number or a size.",
        )
    return result.power == 1


def _floor(text: str, result: _Quantity) -> int:
    whole = result.amount.numerator // result.amount.denominator
    if abs(whole) > MAX_RESULT:
        raise InvalidValue(what=f"{text!r} comes to more than 64 bits hold")
    return whole


def _clamp(value: _Quantity, low: _Quantity, high: _Quantity) -> _Quantity:
    # The upper bound has the last word: on a small host it is the one that protects.
    return _least(_greatest(value, low), high)


def _least(*values: _Quantity) -> _Quantity:
    least = min(values, key=lambda value: value.amount)
    return _Quantity(least.amount, max(value.power for value in values))


def _greatest(*values: _Quantity) -> _Quantity:
    greatest = max(values, key=lambda value: value.amount)
    return _Quantity(greatest.amount, max(value.power for value in values))


# Name -> what it computes, and the fewest and most values it takes.
_FUNCTIONS: Mapping[str, tuple[Callable[..., _Quantity], int, int]] = {
    "min": (_least, 2, MAX_LENGTH),
    "max": (_greatest, 2, MAX_LENGTH),
    "clamp": (_clamp, 3, 3),
}


class _Parser:
    """One pass over one text: reads the grammar of this module and computes on the way."""

    def __init__(self, text: str, facts: Mapping[str, int]) -> None:
        self._text = text
        self._facts = facts
        self._tokens = self._split()
        self._next = next(self._tokens)
        self._depth = 0

    def parse(self) -> _Quantity:
        """Read the whole text."""
        result = self._sum()
        if self._next.kind != "end":
            self._expected("an operator (+ - * /) or the end")
        return result

    def _split(self) -> Iterator[_Token]:
        if len(self._text) > MAX_LENGTH:
            what = f"an expression has at most {MAX_LENGTH} characters, not {len(self._text)}"
            raise InvalidValue(what=what)
        for match in _TOKEN.finditer(self._text):
            kind = match.lastgroup or ""
            token = _Token(kind, match[kind], match.start(kind) + 1)
            if kind == "other":
                self._fail(token, f"{token.text!r} has no meaning in an expression")
            yield token

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _skip(self, text: str) -> bool:
        is_here = self._next.text == text
        if is_here:
            self._take()
        return is_here

    def _expected(self, wanted: str, hint: str = "") -> NoReturn:
        found = repr(self._next.text) if self._next.text else "the end"
        self._fail(self._next, f"expected {wanted}, found {found}", hint)

    def _fail(self, token: _Token, what: str, hint: str = "") -> NoReturn:
        raise InvalidValue(what=f"{self._text!r}, position {token.position}: {what}", hint=hint)

    def _sum(self) -> _Quantity:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(self._next, f"more than {MAX_DEPTH} levels of parentheses")
        result = self._product()
        while self._next.text in ("+", "-"):
            if self._take().text == "+":
                result = result + self._product()
            else:
                result = result - self._product()
        self._depth -= 1
        return result

    def _product(self) -> _Quantity:
        result = self._factor()
        while self._next.text in ("*", "/"):
            operator = self._take()
            factor = self._factor()
            if operator.text == "*":
                result = result * factor
            elif factor.amount == 0:
                self._fail(operator, "division by zero")
            else:
                result = result / factor
        return result

    def _factor(self) -> _Quantity:
        is_negative = False
        while self._skip("-"):
            is_negative = not is_negative
        value = self._number() if self._next.kind == "number" else self._operand()
        return -value if is_negative else value

    def _number(self) -> _Quantity:
        token = self._take()
        if len(token.text) > MAX_DIGITS:
            self._fail(token, f"a number of more than {MAX_DIGITS} digits")
        number = Fraction(token.text)
        if self._skip("%"):
            self._skip("of")
            return _Quantity(number / 100) * self._operand("a fact, as in 25% ram,")
        if self._next.kind == "name":
            return self._with_unit(number)
        return _Quantity(number)

    def _with_unit(self, number: Fraction) -> _Quantity:
        multiple = MULTIPLES.get(self._next.text.lower())
        if multiple is None:
            hint = "Write 2 * cpus to multiply by a fact." if self._is_fact() else ""
            self._expected("a unit (KiB, MiB, GiB, TiB) or an operator", hint)
        self._take()
        return _Quantity(number * multiple, power=1)

    def _is_fact(self) -> bool:
        return self._next.text in self._facts

    def _operand(self, wanted: str = "a number, a fact") -> _Quantity:
        if self._skip("("):
            value = self._sum()
            if not self._skip(")"):
                self._expected("')'")
            return value
        if self._next.kind != "name":
            self._expected(f"{wanted} or '('")
        if self._next.text in _FUNCTIONS:
            return self._call()
        return self._fact()

    def _fact(self) -> _Quantity:
        name = self._next.text
        if not self._is_fact():
            hint = did_you_mean(name, [*self._facts, *_FUNCTIONS])
            self._fail(self._next, f"there is no fact named {name}", hint)
        self._take()
        return _Quantity(Fraction(self._facts[name]), power=int(name in _SIZE_FACTS))

    def _call(self) -> _Quantity:
        name = self._take()
        function, fewest, most = _FUNCTIONS[name.text]
        if not self._skip("("):
            self._expected(f"'(' after {name.text}")
        values = [self._sum()]
        while self._skip(","):
            values.append(self._sum())
        if not self._skip(")"):
            self._expected("',' or ')'")
        if not fewest <= len(values) <= most:
            count = str(fewest) if fewest == most else f"at least {fewest}"
            self._fail(name, f"{name.text} takes {count} values, not {len(values)}")
        return function(*values)
