"""The configuration files of a Redis server: what they set, and our own one among them.

Source: redis.conf of Redis 7 (sizes, include), config.c (a later line wins; save adds up).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from optimizer.model.observation import ConfigLine
from optimizer.model.redis import NO_SAVE
from optimizer.model.tunable import Tunable
from optimizer.resources.base import HEADER, canonical

_SIZE = re.compile(r"([0-9]+)(b|k|kb|m|mb|g|gb)", re.IGNORECASE)
# Without a b they are powers of ten, unlike everywhere else in a profile.
_MULTIPLES = {
    "b": 1,
    "k": 10**3,
    "kb": 2**10,
    "m": 10**6,
    "mb": 2**20,
    "g": 10**9,
    "gb": 2**30,
}
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|(\S+)')
_SAVE = "save"
_OLD_CLASS = {"slave": "replica"}


@dataclass(frozen=True)
class Setting:
    """What files set a parameter to, in canonical text, and the line that decides it."""

    text: str
    line: ConfigLine


def set_by(tunable: Tunable, lines: Iterable[ConfigLine]) -> Setting | None:
    """Work out what lines in reading order set a parameter to; None where none does."""
    directive, _, group = tunable.target.partition(".")
    found: Setting | None = None
    for line in lines:
        name, *words = words_of(line.text)
        if name.lower().replace("_", "-") != directive or not words:
            continue
        if group:
            if _OLD_CLASS.get(words[0], words[0]) != group:
                continue
            words = words[1:]
        text = _text(words, tunable.unit)
        if directive == _SAVE:
            text = _added(found.text if found else NO_SAVE, words)
        found = Setting(canonical(tunable, text), line)
    return found


def _added(before: str, words: list[str]) -> str:
    """Save points add up; an empty text takes all away that stand before it."""
    if words == [""]:
        return NO_SAVE
    points = before.split() if before != NO_SAVE else []
    return " ".join([*points, *words])


def words_of(text: str) -> list[str]:
    """Split a line the way the server does; quotation marks go, an empty text in them stays."""
    return [
        double if double or not (single or plain) else single or plain
        for double, single, plain in _WORD.findall(text)
    ]


def _text(words: list[str], unit: str) -> str:
    is_size = unit == "bytes" or len(words) > 1
    return " ".join(_bytes(word) if is_size else word for word in words)


def _bytes(word: str) -> str:
    match = _SIZE.fullmatch(word)
    return str(int(match[1]) * _MULTIPLES[match[2].lower()]) if match else word


def own_settings(text: str) -> dict[str, str]:
    """Read our file: parameter, with its class behind a dot -> canonical text, in its order.

    Names are spelled as the catalogue has them, whatever the version of the server.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, *words = words_of(line)
        name = name.replace("_", "-")
        if name == "client-output-buffer-limit":
            name, words = f"{name}.{words[0]}", words[1:]
        found[name] = _added(found.get(name, NO_SAVE), words) if name == _SAVE else " ".join(words)
    return found


def render(settings: Mapping[str, str]) -> str:
    """Print our file."""
    return HEADER + "".join(
        f"{line}\n" for name, text in settings.items() for line in _lines(name, text)
    )


def _lines(name: str, text: str) -> list[str]:
    if name == _SAVE:
        # Files before ours may have save points of their own, to which these would be added.
        points = [] if text == NO_SAVE else text.split()
        pairs = zip(points[::2], points[1::2], strict=True)
        return [
            f"{_SAVE} {NO_SAVE}",
            *(f"{_SAVE} {seconds} {changes}" for seconds, changes in pairs),
        ]
    return [f"{name.replace('.', ' ', 1)} {text}"]
