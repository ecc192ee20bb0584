"""What all text views share: symbols, width, values, columns and wrapped lines."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import floor

# What stands for a snapshot's id on screen; every verb takes the beginning of an id.
SHORT_ID = 12
_BINARY = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
# An exact size with more digits than this reads no better than the plain number.
_LONGEST_SIZE = 9999


# textwrap breaks at ASCII blanks only.
_NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Symbols:
    """The signs that depend on what the output can show."""

    arrow: str = "→"
    dot: str = "·"
    ellipsis: str = "…"
    bar: str = "█"
    bar_parts: str = "▏▎▍▌▋▊▉"


UNICODE = Symbols()
ASCII = Symbols(arrow="->", dot="|", ellipsis="...", bar="#", bar_parts="")


@dataclass(frozen=True)
class Look:
    """How much is shown, in how many columns, with which signs.

    show_all: also what is folded to a count. show_why: reasons and links.
    show_diff: unified diffs of files. is_quiet: no advice on what to do next.
    """

    width: int = 80
    symbols: Symbols = UNICODE
    show_all: bool = False
    show_why: bool = False
    show_diff: bool = False
    is_quiet: bool = False


PLAIN = Look()


@dataclass(frozen=True)
class Asked:
    """What the person typed, so that the next useful command can be pasted.

    inventory, profile: as typed, empty where nothing was. narrowing: the options
        `--limit`, `--only`, `--skip` and `--set` with their values.
    saved: the file that the plan was written to.
    """

    inventory: str = "INVENTORY"
    profile: str = ""
    limits: tuple[str, ...] = ()
    narrowing: tuple[str, ...] = ()
    saved: str = ""

    def command(self, verb: str, *more: str) -> str:
        """Return a command line for the same hosts."""
        limits = [word for limit in self.limits for word in ("--limit", limit)]
        return shlex.join(["optimizer", *verb.split(), self.inventory, *more, *limits])

    def profile_command(self, verb: str, *more: str) -> str:
        """Return a command line for the same hosts with the same wishes."""
        profile = ["--profile", self.profile] if self.profile else []
        return self.command(verb, *profile, *self.narrowing, *more)

    def saved_command(self) -> str:
        """Return the command line that applies the saved plan."""
        return shlex.join(["optimizer", "apply", self.saved, "--inventory", self.inventory])

    def for_host(self, host: str) -> Asked:
        """Return the same request, limited to one host."""
        return Asked(self.inventory, self.profile, (host,), self.narrowing)


@dataclass(frozen=True)
class Row:
    """One line of a list of differences: symbol, name, before, after, and remarks."""

    symbol: str
    name: str
    before: str
    after: str | None = None
    remarks: tuple[str, ...] = ()
    below: tuple[str, ...] = field(default=())


def shown(value: str | None, unit: str = "") -> str:
    """Return a value as a person reads it: sizes with their unit, absence as `none`."""
    if value is None:
        return "none"
    if value == "":
        return '""'
    if unit != "bytes" or not value.isdecimal():
        return value
    count, exact = int(value), size(int(value))
    return exact if exact != value or count < _BINARY[-1][1] else f"{value} ({about(count)})"


def about(count: int) -> str:
    """Return a byte count in the largest unit, rounded to a tenth: `8.8 GiB`."""
    name, factor = next(pair for pair in _BINARY if count >= pair[1])
    return f"{count / factor:.1f} {name}"


def size(count: int) -> str:
    """Return a byte count in the largest unit that keeps it exact: `256 MiB`, else `1000`."""
    for name, factor in _BINARY:
        if count and count % factor == 0 and count // factor <= _LONGEST_SIZE:
            return f"{count // factor} {name}"
    return str(count)


def points(score: float | None) -> str:
    """Return a score with at most one decimal, rounded down: only 100 reads as 100."""
    return "unknown" if score is None else f"{floor(score * 10 + 1e-6) / 10:g}"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return `1 host`, `2 hosts`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def sentence(parts: Iterable[str]) -> str:
    """Join the parts that are not empty with commas."""
    return ", ".join(part for part in parts if part)


def wrap(text: str, look: Look, indent: str = "", first: str | None = None) -> list[str]:
    """Break a text at blanks; later lines get `indent`, words are never cut."""
    return textwrap.wrap(
        text,
        look.width,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def wrap_parts(
    parts: Iterable[str], separator: str, look: Look, indent: str, first: str
) -> list[str]:
    """Join parts, and break lines only between them."""
    kept = [part.replace(" ", _NO_BREAK) for part in parts if part]
    lines = wrap(separator.join(kept), look, indent, first)
    return [line.replace(_NO_BREAK, " ") for line in lines]


def labelled(label: str, text: str, look: Look, indent: str = "  ") -> list[str]:
    """Return `label  text`, wrapped so that the text keeps its column."""
    head = f"{indent}{label}  "
    return wrap(text, look, " " * len(head), head)


def following(command: str, look: Look) -> list[str]:
    """Return the last lines of a text: the next useful command, on one line for pasting."""
    return [] if look.is_quiet else [f"Next: {command}"]


def bar(share: float, look: Look, width: int = 20) -> str:
    """Return a bar for a share between 0 and 1, padded to `width` columns."""
    parts = look.symbols.bar_parts
    eighths = floor(max(0.0, min(1.0, share)) * width * (len(parts) + 1) + 1e-6)
    whole, part = divmod(eighths, len(parts) + 1)
    return (look.symbols.bar * whole + (parts[part - 1] if part else "")).ljust(width)


# A narrower last column than this is not wrapped but left to run over the edge.
_NARROWEST_COLUMN = 12


def table(rows: Sequence[Sequence[str]], aligned: str, look: Look, indent: str = "  ") -> list[str]:
    """Return rows in columns; `aligned` has `<` or `>` for each column, the last one wraps."""
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(len(aligned))]
    lines: list[str] = []
    for row in rows:
        *cells, last = row
        sides = zip(cells, aligned, widths, strict=False)
        head = indent + "".join(f"{cell:{side}{width}}  " for cell, side, width in sides)
        last = f"{last:>{widths[-1]}}" if aligned[-1] == ">" else last
        if len(head) + len(last) <= look.width or look.width - len(head) < _NARROWEST_COLUMN:
            lines.append((head + last).rstrip())
        else:
            lines += wrap(last, look, " " * len(head), head)
    return lines


# Wider values do not set the column, else one tcp_rmem would push all others aside.
_WIDEST_VALUE = 14


def align(rows: Sequence[Row], look: Look, indent: str = "    ") -> list[list[str]]:
    """Return the lines of each row, in columns; what does not fit goes below its name."""
    narrow = [row for row in rows if len(row.before) <= _WIDEST_VALUE] or list(rows)
    # A long value may stand in the room that a short name leaves free.
    before = max((len(row.name) + 2 + len(row.before) for row in narrow), default=0)
    afters = [len(row.after or "") for row in rows]
    after = max((width for width in afters if width <= _WIDEST_VALUE), default=0)
    result: list[list[str]] = []
    for row in rows:
        value = row.before.rjust(max(0, before - len(row.name) - 2))
        if row.after is not None:
            value += f" {look.symbols.arrow} {row.after:<{after}}"
        lines = _fit(row, value, look, indent)
        result.append([*lines, *(f"{indent}      {line}" for line in row.below)])
    return result


def _fit(row: Row, value: str, look: Look, indent: str) -> list[str]:
    """Return a row on one line, else with its remarks below, else with its value below, too."""
    head = f"{indent}{row.symbol} {row.name}"
    below = f"{indent}      "
    remarks = sentence(row.remarks)
    for line, rest in ((f"{head}  {value}  {remarks}", ""), (f"{head}  {value}", remarks)):
        if len(line.rstrip()) <= look.width:
            return [line.rstrip(), *wrap(rest, look, below)]
    return [head, f"{below}{value.strip()}", *wrap(remarks, look, below)]
