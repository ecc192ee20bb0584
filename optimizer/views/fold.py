"""Host lists made short for reading: `web-001 … web-186` becomes `web-[001-186]`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

# Longer runs of digits are cut up, so that no number grows beyond what int() reads.
_DIGITS = re.compile(r"([0-9]{1,15})")
_NEEDS_QUOTES = re.compile(r'[\[\],"\s]|\A\Z')
_ITEM = re.compile(r'"(?:[^"\\]|\\.)*"|(?:\[[^\]]*\]|[^,\["\s])+')


def fold(names: Iterable[str]) -> str:
    """Return host names with neighbouring numbers folded, in natural order."""
    rest = sorted(set(names), key=_natural)
    quoted = [json.dumps(name) for name in rest if _NEEDS_QUOTES.search(name)]
    rest = [name for name in rest if not _NEEDS_QUOTES.search(name)]
    folded: list[str] = []
    depth = max((len(_DIGITS.findall(name)) for name in rest), default=0)
    # The last number of a name usually counts the hosts, so it is tried first.
    for position in range(1, depth + 1):
        parts, rest = _fold_number(rest, position)
        folded += parts
    return ", ".join(sorted(folded + rest, key=_natural) + quoted)


def unfold(text: str) -> list[str]:
    """Return the sorted names that `fold` made `text` of."""
    names: set[str] = set()
    for match in _ITEM.finditer(text):
        quoted = match[0].startswith('"')
        names.update([json.loads(match[0])] if quoted else _expand(match[0]))
    return sorted(names)


def _natural(name: str) -> tuple[list[tuple[int, str]], str]:
    parts = _DIGITS.split(name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name


def _fold_number(names: list[str], position: int) -> tuple[list[str], list[str]]:
    """Fold the names that differ in one number only, the `position`-th from the end."""
    groups: dict[tuple[str, str], list[str]] = {}
    rest: list[str] = []
    for name in names:
        parts = _DIGITS.split(name)
        at = len(parts) - 2 * position
        if at < 1:
            rest.append(name)
            continue
        key = ("".join(parts[:at]), "".join(parts[at + 1 :]))
        groups.setdefault(key, []).append(parts[at])
    folded = []
    for (head, tail), numbers in groups.items():
        if len(numbers) == 1:
            rest.append(head + numbers[0] + tail)
        else:
            folded.append(f"{head}[{','.join(_ranges(numbers))}]{tail}")
    return folded, rest


def _ranges(numbers: list[str]) -> Iterator[str]:
    ordered = sorted(numbers, key=lambda number: (int(number), len(number)))
    start = end = ordered[0]
    for number in ordered[1:]:
        if number == _next(end, start):
            end = number
            continue
        yield start if start == end else f"{start}-{end}"
        start = end = number
    yield start if start == end else f"{start}-{end}"


def _next(number: str, start: str) -> str:
    """Return the number that follows, with as many leading zeros as the range began with."""
    width = len(start) if start.startswith("0") else 0
    return str(int(number) + 1).zfill(width)


def _expand(item: str) -> Iterator[str]:
    head, bracket, rest = item.partition("[")
    if not bracket:
        yield item
        return
    inside, _, tail = rest.partition("]")
    for part in inside.split(","):
        start, _, end = part.partition("-")
        number = start
        yield head + number + tail
        while end and number != end:
            number = _next(number, start)
            yield head + number + tail
