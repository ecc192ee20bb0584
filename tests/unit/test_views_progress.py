from __future__ import annotations

import io
import os
import subprocess
import sys
import time

import pytest

from optimizer.views.progress import Bar, Lines, Quiet, progress
from tests.unit.test_views_console import Terminal, stream, written

ENVIRON = {"TERM": "xterm"}


class Clock:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_when_it_takes_long_and_at_most_every_ten_seconds() -> None:
    clock, lines = Clock(), list[str]()
    shown = Lines(lines.append, clock=clock)
    shown.phase("probing", 40)
    for second in range(40):
        clock.now = second + 0.5
        shown.host(f"web-{second}", "done")
    assert lines == [
        "probing: 3 of 40 hosts",
        "probing: 13 of 40 hosts",
        "probing: 23 of 40 hosts",
        "probing: 33 of 40 hosts",
    ]


def test_what_is_quick_says_nothing() -> None:
    clock, lines = Clock(), list[str]()
    shown = Lines(lines.append, clock=clock)
    for _ in range(5):
        shown.phase("probing", 1)
        clock.now += 1.9
        shown.host("web-1", "done")
    assert lines == []


def test_verbose_tells_about_each_host() -> None:
    lines: list[str] = []
    shown = Lines(lines.append, is_verbose=True)
    shown.phase("applying", 2)
    shown.host("web-1", "waiting")
    shown.host("web-2", "restored")
    assert lines == ["web-1: waiting", "web-2: restored"]


@pytest.mark.parametrize(
    ("is_terminal", "environ", "is_quiet", "is_verbose", "kind"),
    [
        (True, ENVIRON, False, False, Bar),
        (True, ENVIRON, False, True, Lines),
        (True, ENVIRON | {"CI": "true"}, False, False, Lines),
        (True, {"TERM": "dumb"}, False, False, Lines),
        (False, ENVIRON | {"FORCE_COLOR": "1"}, False, False, Lines),
        (True, ENVIRON, True, True, Quiet),
    ],
)
def test_the_stream_decides_how_progress_looks(
    is_terminal: bool, environ: dict[str, str], is_quiet: bool, is_verbose: bool, kind: type
) -> None:
    target = stream("utf-8", is_terminal=is_terminal)
    assert type(progress(target, environ, is_quiet, is_verbose)) is kind


def test_the_bar_waits_then_shows_and_leaves_nothing_behind() -> None:
    target = Terminal(io.BytesIO(), encoding="utf-8")
    with Bar(target, ENVIRON, patience=0.01) as bar:
        bar.phase("probing", 3)
        bar.host("web-1", "done")
        deadline = time.monotonic() + 10
        while "1/3" not in written(target) and time.monotonic() < deadline:
            time.sleep(0.02)
    text = written(target)
    assert "probing" in text
    assert "1/3" in text
    assert text.endswith(("\x1b[2K", "\x1b[?25h", "\r\x1b[1A\x1b[2K"))


def test_the_bar_lives_beside_cooperative_threads() -> None:
    # The engine makes threads cooperative after this module was imported: a lock from before
    # would stop the whole process.
    program = """
import io
from optimizer.views.progress import Bar
from gevent import monkey
monkey.patch_all()
import gevent

class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True

screen = io.BytesIO()
with Bar(Terminal(screen, encoding="utf-8"), {"TERM": "xterm"}, patience=0.01) as bar:
    for phase in ("probing", "applying"):
        bar.phase(phase, 50)
        def one(at):
            gevent.sleep(0.001 * at)
            bar.host(f"web-{at}", "done")
        gevent.joinall([gevent.spawn(one, at) for at in range(50)])
text = screen.getvalue().decode()
assert "probing" in text and "applying" in text
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_quick_phase_draws_no_bar() -> None:
    target = Terminal(io.BytesIO(), encoding="utf-8")
    with Bar(target, ENVIRON, patience=5) as bar:
        bar.phase("probing", 1)
        bar.host("web-1", "done")
    assert written(target) == ""
