"""Texts of PostgreSQL settings: as a file has them, as the server counts them, as we compare them.

We compare sizes in bytes and times in the unit of the tunable. Source: "Setting Parameters" of
the PostgreSQL manual: B, kB, MB, GB, TB are powers of 1024; us, ms, s, min, h, d.
"""

from __future__ import annotations

import re
from fractions import Fraction

from optimizer.model.postgresql import PgSetting
from optimizer.model.tunable import Tunable
from optimizer.resources.base import canonical

_BYTES = {"B": 1, "kB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
_SECONDS = {
    "us": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
# Largest first; the server takes no fractions of these.
_FILE_SIZES = tuple((name, Fraction(_BYTES[name])) for name in ("TB", "GB", "MB", "kB", "B"))
_FILE_TIMES = tuple((name, _SECONDS[name]) for name in ("d", "h", "min", "s", "ms", "us"))
_NUMBER = re.compile(r"\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)\s*")
_UNIT = re.compile(r"(\d*)([A-Za-z]+)")


def from_server(tunable: Tunable, setting: PgSetting, text: str) -> str:
    """Return what pg_settings or a file says, in canonical text; as it stands if it is no value."""
    text = text.strip()
    factor = _factor(setting.unit)
    if factor is not None:
        text = _in_our_unit(tunable, text, factor) or text
    elif setting.kind == "bool":
        text = _switch(text)
    return canonical(tunable, text)


def to_server(tunable: Tunable, setting: PgSetting, text: str) -> str:
    """Return canonical text as values of a host are compared: sizes in bytes, else as
    pg_settings prints the setting.
    """
    factor = _factor(setting.unit)
    if factor is None or tunable.unit == "bytes" or not _NUMBER.fullmatch(text):
        return text
    value = Fraction(text)
    if value <= 0:
        return text
    number = value * _ours(tunable) / factor
    return str(int(number)) if setting.kind == "integer" else f"{float(number):g}"


def to_file(tunable: Tunable, setting: PgSetting, text: str) -> str:
    """Return canonical text as a configuration file has it: in the largest unit that fits."""
    number = _NUMBER.fullmatch(text)
    if _factor(setting.unit) is None or number is None or Fraction(number[1]) <= 0:
        return text
    names = _FILE_SIZES if tunable.unit == "bytes" else _FILE_TIMES
    amount = Fraction(number[1]) * _ours(tunable)
    fitting = (f"{amount / size}{name}" for name, size in names if amount % size == 0)
    return next(fitting, text)


def _factor(unit: str) -> Fraction | None:
    """Return how many bytes or seconds one unit of pg_settings is; None for plain numbers."""
    match = _UNIT.fullmatch(unit)
    if match is None:
        return None
    count = int(match[1] or 1)
    if match[2] in _BYTES:
        return Fraction(count * _BYTES[match[2]])
    return count * _SECONDS[match[2]] if match[2] in _SECONDS else None


def _ours(tunable: Tunable) -> Fraction:
    """Return how many bytes or seconds one unit of the tunable is."""
    return Fraction(1) if tunable.unit in ("", "bytes") else _SECONDS[tunable.unit]


def _in_our_unit(tunable: Tunable, text: str, factor: Fraction) -> str:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return ""
    value = Fraction(match[1])
    # -1 and 0 mean something of their own, whatever the unit.
    if value <= 0 and not match[2]:
        return str(value)
    size = {**{name: Fraction(one) for name, one in _BYTES.items()}, **_SECONDS}.get(match[2])
    number = value * (factor if size is None else size) / _ours(tunable)
    return str(number) if number.denominator == 1 else f"{float(number):g}"


def _switch(text: str) -> str:
    words = {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}
    return words.get(text.lower(), text.lower())
