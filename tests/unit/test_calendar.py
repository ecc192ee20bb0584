"""Times that come again: read as people write them, kept as systemd prints them."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.catalog.calendar import Calendar
from optimizer.model.errors import InvalidValue

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_ranges = st.tuples(st.integers(0, 6), st.integers(0, 6)).map(
    lambda pair: f"{DAYS[min(pair)]}..{DAYS[max(pair)]}"
)
_days = st.lists(st.sampled_from(DAYS) | _ranges, max_size=4).map(",".join)
_dates = st.sampled_from(["", "*-*-* "]) | st.integers(1, 31).map("*-*-{} ".format)
_times = st.tuples(st.integers(0, 23), st.integers(0, 59), st.sampled_from(["", ":07"])).map(
    lambda parts: f"{parts[0]}:{parts[1]:02}{parts[2]}"
)
EXPRESSIONS = st.tuples(_days, _dates, _times, st.sampled_from(["", " UTC"])).map(
    lambda parts: f"{parts[0]} {parts[1]}{parts[2]}{parts[3]}".strip()
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Sun 03:00", "Sun *-*-* 03:00:00"),
        ("sunday 3:00", "Sun *-*-* 03:00:00"),
        ("Mon..Fri 22:30", "Mon..Fri *-*-* 22:30:00"),
        ("Mon,Tue,Wed,Fri 1:00", "Mon..Wed,Fri *-*-* 01:00:00"),
        ("Fri..Sat 1:00", "Fri,Sat *-*-* 01:00:00"),
        ("Mon..Sun 1:00", "*-*-* 01:00:00"),
        ("*-*-1 04:00", "*-*-01 04:00:00"),
        ("Sun *-*-* 03:00:09 UTC", "Sun *-*-* 03:00:09 UTC"),
        ("weekly", "Mon *-*-* 00:00:00"),
        ("Daily", "*-*-* 00:00:00"),
        ("off", "off"),
        ("False", "off"),
    ],
)
def test_a_time_is_kept_as_systemd_prints_it(text: str, kept: str) -> None:
    assert Calendar().canonical(text) == kept


@pytest.mark.parametrize(
    "text",
    ["", "Sun", "25:00", "3:60", "Sat..Mon 1:00", "Someday 1:00", "*-*-32 1:00", "*-*-0 1:00",
     "1:00\nOnBootSec=1", "2026-01-01 1:00", "*:0/5", "Mon.. 1:00", "Mon,,Tue 1:00", "1:00 CET",
     "hourly"],
)  # fmt: skip
def test_what_is_no_day_and_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        Calendar().canonical(text)


@settings(deadline=None)
@given(EXPRESSIONS)
def test_what_is_kept_is_kept_as_it_is(text: str) -> None:
    kept = Calendar().canonical(text)
    assert Calendar().canonical(kept) == kept


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="this machine has no systemd")
@settings(deadline=None, max_examples=5)
@given(st.lists(EXPRESSIONS, min_size=20, max_size=20))
def test_systemd_takes_and_prints_the_same(texts: list[str]) -> None:
    said = subprocess.run(
        ["systemd-analyze", "calendar", *texts], capture_output=True, text=True, check=True
    ).stdout
    found = [line.strip() for line in said.splitlines() if "Normalized form:" in line]
    assert [line.partition(": ")[2] for line in found] == list(map(Calendar().canonical, texts))
