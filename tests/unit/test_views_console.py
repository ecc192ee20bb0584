from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping

import pytest

from optimizer.views import console
from optimizer.views.text import ASCII, UNICODE

LINES = ["  ~ a  1 → 2", "error[CLI-001]: no", "plain"]


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def stream(encoding: str, *, is_terminal: bool = False) -> io.TextIOWrapper:
    kind = Terminal if is_terminal else io.TextIOWrapper
    return kind(io.BytesIO(), encoding=encoding, newline="")


def written(target: io.TextIOWrapper) -> str:
    target.flush()
    raw = target.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode(target.encoding)


@pytest.mark.parametrize(
    ("is_terminal", "environ", "is_coloured"),
    [
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (False, {"FORCE_COLOR": "1", "TERM": "dumb"}, False),
    ],
)
def test_colour_only_where_it_is_wanted(
    is_terminal: bool, environ: Mapping[str, str], is_coloured: bool
) -> None:
    target = stream("utf-8", is_terminal=is_terminal)
    console.write(LINES, target, environ)
    text = written(target)
    assert ("\x1b[" in text) == is_coloured
    # No cursor movement, ever: output goes to files and build logs.
    assert "\x1b[?25" not in text
    assert "\x1b[2K" not in text


@pytest.mark.parametrize(
    ("is_terminal", "environ", "is_moving"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "xterm", "CI": "1"}, False),
        (False, {"TERM": "xterm", "FORCE_COLOR": "1"}, False),
    ],
)
def test_only_a_real_terminal_is_drawn_on(
    is_terminal: bool,
    environ: dict[str, str],
    is_moving: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # rich itself looks at the environment, too, and takes FORCE_COLOR for a terminal.
    for name in ("TERM", "CI", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    target = stream("utf-8", is_terminal=is_terminal)
    assert console.console(target, environ).is_interactive == is_moving


def test_colour_adds_nothing_but_colour() -> None:
    target = stream("utf-8")
    console.write(["  ~ [bold]x[/] :smile: " + "long " * 60], target, {"FORCE_COLOR": "1"})
    plain = re.sub(r"\x1b\[[0-9;]*m", "", written(target))
    assert plain == "  ~ [bold]x[/] :smile: " + "long " * 60 + "\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_stdout_cannot_show_is_written_in_ascii(encoding: str) -> None:
    target = stream(encoding)
    console.write(["1 → 2 · … x ≥ y Ω"], target, {})
    assert written(target) == "1 -> 2 | ... x >= y \\u03a9\n"
    assert console.symbols(target) is ASCII
    assert console.symbols(stream("utf-8")) is UNICODE


@pytest.mark.parametrize("data", ["\x1b[2J", "\r", "\x07", "\x9b31m", "\u202e", "\n"])
def test_text_from_a_host_cannot_steer_the_terminal(data: str) -> None:
    target = stream("utf-8")
    console.write([f"before{data}after"], target, {})
    assert written(target).count("\n") == 1
    assert data not in written(target).removesuffix("\n")
    assert f"\\x{ord(data[0]):02x}" in written(target)


def test_a_broken_surrogate_is_written_all_the_same() -> None:
    target = stream("utf-8")
    console.write(["file \udcff"], target, {})
    assert written(target) == "file \\udcff\n"


def test_the_width_is_80_in_a_pipe_and_at_least_80_in_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for columns, width in (("40", 80), ("100", 100), ("300", 120)):
        monkeypatch.setenv("COLUMNS", columns)
        assert console.width(stream("utf-8", is_terminal=True)) == width
        assert console.width(stream("utf-8")) == 80


@pytest.mark.parametrize("environ", [{}, {"FORCE_COLOR": "1"}])
def test_a_reader_that_stops_early_is_no_error(environ: dict[str, str]) -> None:
    program = (
        "import os, sys\n"
        "from optimizer.views import console\n"
        "console.write(['x' * 80] * 5000, sys.stdout, os.environ)\n"
        "sys.exit(7)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environ,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 7
