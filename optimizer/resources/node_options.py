"""NODE_OPTIONS: split as Node does it, changed in one option, and written back.

Source: https://nodejs.org/api/cli.html#node_optionsoptions; src/node_options.cc. Blanks separate
words; between double quotes they do not, and only there a backslash takes the next character as
it is. A word without a dash is the value of the option before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.model.errors import InvalidValue

# Options that may be given several times, each time with another value.
_SEVERAL = frozenset({"--require", "--import", "--conditions", "--experimental-loader"})
_SHORT = {"-r": "--require", "-C": "--conditions"}


@dataclass(frozen=True)
class Option:
    """One option: its name as Node prints it, its value (None for a bare one), and how it stands.

    text: what it takes in NODE_OPTIONS, with its quotes.
    """

    name: str
    value: str | None
    text: str


# A word: what stands between quotes, with what is escaped there, or anything but a blank.
_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^" ])+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def split(text: str) -> list[tuple[str, str]]:
    """Split NODE_OPTIONS into words, each as it is meant and as it stands.

    InvalidValue: Node would refuse to start with it.
    """
    if _WORD.sub("", text).strip(" "):
        raise InvalidValue(what="NODE_OPTIONS has a quote that does not end")
    return [(_QUOTED.sub(_unescaped, word), word) for word in _WORD.findall(text)]


def _unescaped(match: re.Match[str]) -> str:
    return re.sub(r"\\(.)", r"\1", match[1])


def parse(text: str) -> list[Option]:
    """Read NODE_OPTIONS. InvalidValue: Node would refuse to start with it."""
    options: list[Option] = []
    for word, written in split(text):
        if not word.startswith("-") and options and options[-1].value is None:
            before = options.pop()
            options.append(Option(before.name, word, f"{before.text} {written}"))
            continue
        name, sign, value = word.partition("=")
        options.append(Option(normal(name), value if sign else None, written))
    return options


def normal(name: str) -> str:
    """Return an option's name as Node prints it: long, with dashes."""
    return _SHORT.get(name) or name.replace("_", "-")


def value_of(text: str, name: str) -> str | None:
    """Return the value of an option, of several the last; empty for a bare one, None for none."""
    found = [one.value or "" for one in _parsed(text) if one.name == name]
    return found[-1] if found else None


def with_option(text: str, name: str, value: str) -> str:
    """Return NODE_OPTIONS with one option set, where it stood or at the end; all else stays.

    value: empty for a bare option.
    """
    option = Option(name, value, _quoted(f"{name}={value}" if value else name))
    options = _parsed(text)
    places = [at for at, one in enumerate(options) if one.name == name]
    kept = [one for at, one in enumerate(options) if one.name != name or at in places[-1:]]
    changed = [option if one.name == name else one for one in kept]
    return _join(changed if places else [*kept, option])


def requires(text: str, path: str) -> bool:
    """Whether a file is loaded before the program."""
    return any(one.name == "--require" and one.value == path for one in _parsed(text))


def with_required(text: str, path: str, *, is_wanted: bool) -> str:
    """Return NODE_OPTIONS that do or do not load a file before the program."""
    kept = [one for one in _parsed(text) if (one.name, one.value) != ("--require", path)]
    load = Option("--require", path, f"--require {_quoted(path)}")
    if is_wanted and requires(text, path):
        return text
    return _join([*kept, load] if is_wanted else kept)


def missing(text: str, other: str) -> list[str]:
    """Return the options of `other` that NODE_OPTIONS do not have, by name."""
    return [one.name for one in _absent(text, other)]


def with_missing(text: str, other: str) -> str:
    """Return NODE_OPTIONS with the options of `other` that they do not have."""
    absent = _absent(text, other)
    return _join([*_parsed(text), *absent]) if absent else text


def _absent(text: str, other: str) -> list[Option]:
    """A file to load is one of several, and so is known by its name."""
    known = {_key(one) for one in _parsed(text)}
    return [one for one in _parsed(other) if _key(one) not in known]


def _key(option: Option) -> tuple[str, str | None]:
    return (option.name, option.value if option.name in _SEVERAL else None)


def _parsed(text: str) -> list[Option]:
    try:
        return parse(text)
    except InvalidValue:
        # Nothing runs with it, so there is nothing to keep.
        return []


def _join(options: Sequence[Option]) -> str:
    return " ".join(one.text for one in options)


def _quoted(word: str) -> str:
    if word and not set(word) & set(' "'):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
