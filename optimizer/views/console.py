"""The one place that decides how a stream is written to: width, signs, colour, motion."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

from optimizer.views.text import ASCII, UNICODE, Symbols

if TYPE_CHECKING:
    from rich.console import Console

_NARROWEST = 80
_WIDEST = 120
# Text that came from a host must not move the cursor, recolour or reorder what is read.
_CONTROL = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
# Our own signs within data, such as the summary of a host.
_IN_ASCII = str.maketrans({"→": "->", "·": "|", "…": "...", "≥": ">=", "≤": "<="})
_STYLES = (
    (r"^ +(\+) .*", "green"),
    (r"^ +(~) ", "yellow"),
    (r"^ +(-) .*", "red"),
    (r"^ *(!) ", "bold magenta"),
    (r"^ *(\?) ", "bold cyan"),
    (r"^ *(=) .*", "dim"),
    (r"\(at boot\)", "dim"),
    (r"^ *(error)\[[A-Z0-9-]+\]", "bold red"),
    (r"\b(failed|not restored|critical)\b", "bold red"),
    (r"\b(restored|refused|warning|drift|not reached)\b", "yellow"),
    (r"^(Next|Undo): ", "bold"),
)


def is_terminal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether a person looks at the stream through a terminal that can move its cursor."""
    return stream.isatty() and environ.get("TERM", "") not in ("", "dumb")


def is_coloured(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether colour is wanted: a terminal or FORCE_COLOR, and no NO_COLOR."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return bool(environ.get("FORCE_COLOR")) or is_terminal(stream, environ)


def is_animated(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether a progress bar may be drawn: a terminal that is not a build log."""
    return is_terminal(stream, environ) and not environ.get("CI")


def symbols(stream: TextIO) -> Symbols:
    """Return the signs that the encoding of the stream has."""
    return UNICODE if _is_unicode(stream.encoding or "") else ASCII


def _is_unicode(encoding: str) -> bool:
    return encoding.lower().startswith("utf")


def width(stream: TextIO) -> int:
    """Return the columns to lay text out in; a pipe always gets the same number."""
    if not stream.isatty():
        return _NARROWEST
    # shutil brings every compressor with it, which is slow to start.
    import shutil

    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((_NARROWEST, 24)).columns))


def console(stream: TextIO, environ: Mapping[str, str]) -> Console:
    """Make the rich console of a stream."""
    from rich.console import Console

    is_moving = is_animated(stream, environ)
    return Console(
        file=stream,
        # Without this rich takes FORCE_COLOR for a terminal and draws bars into build logs.
        force_interactive=is_moving,
        force_terminal=is_coloured(stream, environ),
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        # One environment decides, also where it is not that of this process.
        _environ=environ,
    )


def write(lines: Iterable[str], stream: TextIO, environ: Mapping[str, str]) -> None:
    """Write lines as they are, in colour where that is wanted; OSError when that fails."""
    safe = [_printable(line, stream.encoding or "ascii") for line in lines]
    if is_coloured(stream, environ):
        write_text(_styled(safe, console(stream, environ)), stream)
    else:
        write_text("".join(line + "\n" for line in safe), stream)


def write_text(text: str, stream: TextIO) -> None:
    """Write a finished text; OSError when that fails, but not when the reader has enough."""
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        # What is left in the buffer would fail again when the interpreter exits.
        _discard(stream)
        if not isinstance(error, BrokenPipeError):
            raise


def _styled(lines: list[str], target: Console) -> str:
    from rich.text import Text

    with target.capture() as captured:
        for line in lines:
            text = Text(line, no_wrap=True, overflow="ignore")
            for pattern, style in _STYLES:
                text.highlight_regex(pattern, style)
            target.print(text, soft_wrap=True)
    return captured.get()


def _printable(line: str, encoding: str) -> str:
    visible = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", line)
    if not _is_unicode(encoding):
        visible = visible.translate(_IN_ASCII)
    return visible.encode(encoding, "backslashreplace").decode(encoding)


def _discard(stream: TextIO) -> None:
    """Let what is left in the buffer go nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
