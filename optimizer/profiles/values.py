"""The value of a setting: a literal, or an expression over the facts of a host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from optimizer.model.errors import InvalidValue
from optimizer.model.tunable import Tunable
from optimizer.model.values import plain
from optimizer.planning import expressions
from optimizer.profiles.facts import SAMPLE_WORDS, numbers_for, servers_with

# What tells an expression from a mistyped word.
_ARITHMETIC = re.compile(r"[%*/()+]|(?<=.)-")
_WORD = re.compile(r"[a-z]+")


def read_value(tunable: Tunable, text: str, *, is_ordered: bool) -> str:
    """Return the canonical text of a literal, and an expression over facts as it is."""
    try:
        literal = tunable.value.canonical(text)
    except InvalidValue as error:
        words = plain(text)
        if not words:
            hint = f"Allowed is {tunable.value.describe()}."
            raise InvalidValue(what="there is no value", hint=hint) from error
        if not tunable.value.is_numeric:
            raise
        return _expression(tunable, words, error)
    if is_ordered:
        tunable.value.order(literal)
    return literal


def _expression(tunable: Tunable, text: str, as_literal: InvalidValue) -> str:
    """Return a checked expression; one without facts is computed here and now."""
    is_arithmetic = _ARITHMETIC.search(text) is not None
    sample = numbers_for(tunable)
    _refuse_of_other_servers(text, sample)
    try:
        is_size = expressions.counts_bytes(text, sample)
        result = expressions.evaluate(text, sample)
    except InvalidValue as error:
        if is_arithmetic:
            raise
        raise as_literal from error
    if is_size and tunable.unit != "bytes":
        raise InvalidValue(
            what=f"{text} is a number of bytes, and this is counted in "
            f"{tunable.unit or 'plain numbers'}",
            hint="Divide by a size, for example: / 1 KiB.",
        )
    is_constant = _is_constant(text)
    if is_constant and not is_arithmetic:
        raise as_literal
    try:
        literal = tunable.value.canonical(str(result))
    except InvalidValue as error:
        part = ", 16 GiB of them for the instance" if "slice" in sample else ""
        what = f"{text} comes to {result} on a host with {SAMPLE_WORDS}{part}: {error}"
        raise InvalidValue(what=what) from error
    return literal if is_constant else text


def _is_constant(text: str) -> bool:
    try:
        expressions.evaluate(text, {})
    except InvalidValue:
        return False
    return True


def _refuse_of_other_servers(text: str, sample: Mapping[str, int]) -> None:
    """Raise InvalidValue for a number that only settings of some servers have."""
    for word in _WORD.findall(text):
        owners = servers_with(word)
        if owners and word not in sample:
            raise InvalidValue(
                what=f"the fact {word} is not known for this setting",
                hint=f"Only settings of {_listed(owners)} have one: it is worked out from "
                "what the server may take in all.",
            )


def _listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them: `A, B and C`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
