"""The value types of Redis: exactly what CONFIG GET prints, whatever a person writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.catalog.redis_values import (
    OOM_SCORE_ADJ,
    REDIS_CPU_LIST,
    SOCKET_PATH,
    YES_NO,
    BufferLimit,
    BytesOrPercent,
    Mode,
    OomScores,
    Ranked,
    SavePoints,
)
from optimizer.model.errors import InvalidValue
from optimizer.model.redis import NO_SAVE
from optimizer.model.values import INT_MAX, LONG_MAX, ValueType

FSYNC = Ranked(("no", "everysec", "always"))
UNORDERED = (SavePoints(), BytesOrPercent(), BufferLimit(), OomScores(), Mode())

SECONDS = st.integers(1, INT_MAX)
COUNTS = st.integers(0, INT_MAX)
SIZES = st.integers(0, LONG_MAX)


# Each pair was set by CONFIG SET and read by CONFIG GET on Redis 7.0.15 and 8.0.2 and on
# Valkey 8.1.1, except what only profiles write (words for `save`, units with an i, blanks).
@pytest.mark.parametrize(
    ("value", "written", "printed"),
    [
        (YES_NO, "yes", "yes"),
        (YES_NO, "YES", "yes"),
        (YES_NO, "True", "yes"),
        (YES_NO, "on", "yes"),
        (YES_NO, "1", "yes"),
        (YES_NO, "no", "no"),
        (YES_NO, "NO", "no"),
        (YES_NO, "off", "no"),
        (YES_NO, "false", "no"),
        (YES_NO, "0", "no"),
        (SavePoints(), "3600 1 300 100 60 10000", "3600 1 300 100 60 10000"),
        (SavePoints(), " 300  100\t60 10000 ", "300 100 60 10000"),
        (SavePoints(), "1 0", "1 0"),
        (SavePoints(), "60 5 60 5", "60 5 60 5"),
        (SavePoints(), "3600 +1", "3600 1"),
        (SavePoints(), "", '""'),
        (SavePoints(), '""', '""'),
        (SavePoints(), "none", '""'),
        (SavePoints(), "never", '""'),
        (SavePoints(), "Off", '""'),
        (BytesOrPercent(), "5%", "5%"),
        (BytesOrPercent(), "5 %", "5%"),
        (BytesOrPercent(), "05%", "5%"),
        (BytesOrPercent(), "100%", "100%"),
        (BytesOrPercent(), "0%", "0"),
        (BytesOrPercent(), "0", "0"),
        (BytesOrPercent(), "64mb", "67108864"),
        (BytesOrPercent(), "64 MiB", "67108864"),
        (BufferLimit(), "0 0 0", "0 0 0"),
        (BufferLimit(), "64mb 16mb 60", "67108864 16777216 60"),
        (BufferLimit(), "64 MiB 16 MiB 60", "67108864 16777216 60"),
        (BufferLimit(), "0 16mb 60", "0 16777216 60"),
        (BufferLimit(), "67108864 16777216 60", "67108864 16777216 60"),
        (OOM_SCORE_ADJ, "relative", "yes"),
        (OOM_SCORE_ADJ, "yes", "yes"),
        (OOM_SCORE_ADJ, "no", "no"),
        (OOM_SCORE_ADJ, "absolute", "absolute"),
        (OomScores(), "0 200 800", "0 200 800"),
        (OomScores(), "-2000 0 2000", "-2000 0 2000"),
        (OomScores(), "-0 +1 2", "0 1 2"),
        (OomScores(), "5 5 5", "5 5 5"),
        (REDIS_CPU_LIST, "0-1", "0-1"),
        (REDIS_CPU_LIST, "1,0", "1,0"),
        (REDIS_CPU_LIST, "0-7:2", "0-7:2"),
        (Mode(), "0770", "770"),
        (Mode(), "700", "700"),
        (Mode(), "0", "0"),
        (SOCKET_PATH, "/run/redis/redis-server.sock", "/run/redis/redis-server.sock"),
        (FSYNC, "everysec", "everysec"),
        (FSYNC, "EVERYSEC", "everysec"),
    ],
)
def test_canonical_is_what_the_server_prints(value: ValueType, written: str, printed: str) -> None:
    assert value.canonical(written) == printed
    assert value.canonical(printed) == printed


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (YES_NO, "maybe"),
        (YES_NO, ""),
        (SavePoints(), "60"),
        (SavePoints(), "60 5 60"),
        (SavePoints(), "0 1"),
        (SavePoints(), "1 -1"),
        (SavePoints(), "sixty 5"),
        # The server takes it, and counts with -2147483648.
        (SavePoints(), "1 2147483648"),
        (BytesOrPercent(), "101%"),
        (BytesOrPercent(), "5.5%"),
        (BytesOrPercent(), "-5%"),
        (BytesOrPercent(), "-1"),
        (BytesOrPercent(), "%"),
        (BufferLimit(), "64mb 16mb"),
        (BufferLimit(), "normal 64mb 16mb 60"),
        (BufferLimit(), "16mb 64mb 60"),
        (BufferLimit(), "-1 0 0"),
        (BufferLimit(), "0 0 -1"),
        (BufferLimit(), "64mb 16mb 1m"),
        # The server takes it, and waits for 1215752191 s.
        (BufferLimit(), "64mb 16mb 99999999999"),
        (OOM_SCORE_ADJ, "sometimes"),
        (OomScores(), "0 200"),
        (OomScores(), "0 0 2001"),
        # The server takes it, and warns.
        (OomScores(), "800 200 0"),
        (REDIS_CPU_LIST, ""),
        (REDIS_CPU_LIST, "all"),
        (REDIS_CPU_LIST, "0-"),
        (REDIS_CPU_LIST, "0,,1"),
        (Mode(), "888"),
        (Mode(), "rw"),
        (Mode(), "17777"),
        (SOCKET_PATH, "run/redis.sock"),
        (SOCKET_PATH, "/" + "x" * 107),
        (FSYNC, "sometimes"),
        (FSYNC, "3"),
    ],
)
def test_what_the_server_or_sense_rejects_is_refused(value: ValueType, written: str) -> None:
    with pytest.raises(InvalidValue):
        value.canonical(written)


@given(st.lists(st.tuples(SECONDS, COUNTS), max_size=6))
def test_save_points_keep_their_order(points: list[tuple[int, int]]) -> None:
    text = " ".join(f"{seconds} {changes}" for seconds, changes in points)
    canonical = SavePoints().canonical(text)
    assert canonical == (text or NO_SAVE)
    assert SavePoints().canonical(canonical) == canonical


@given(SIZES, SIZES, COUNTS)
def test_buffer_limits_print_as_numbers(one: int, other: int, seconds: int) -> None:
    hard, soft = max(one, other), min(one, other)
    text = f"{hard} {soft} {seconds}"
    assert BufferLimit().canonical(text) == text
    assert BufferLimit().canonical(f"{hard} B {soft}b {seconds}") == text


@given(st.integers(0, 2**30), st.sampled_from([("k", 10), ("mb", 20), ("MiB", 20), ("G", 30)]))
def test_units_are_binary_everywhere(count: int, unit: tuple[str, int]) -> None:
    size = str(count << unit[1])
    assert BytesOrPercent().canonical(f"{count}{unit[0]}") == size
    assert BufferLimit().canonical(f"{count}{unit[0]} 0 0") == f"{size} 0 0"


@given(st.lists(st.integers(-2000, 2000), min_size=3, max_size=3))
def test_oom_scores_have_to_rise(scores: list[int]) -> None:
    text = " ".join(map(str, scores))
    if scores == sorted(scores):
        assert OomScores().canonical(text) == text
    else:
        with pytest.raises(InvalidValue, match="have to rise"):
            OomScores().canonical(text)


@given(st.integers(0, 100))
def test_percent_keep_their_sign(percent: int) -> None:
    assert BytesOrPercent().canonical(f"{percent}%") == (f"{percent}%" if percent else "0")


@given(st.integers(0, 0o777))
def test_modes_are_octal(mode: int) -> None:
    assert Mode().canonical(f"0{mode:o}") == f"{mode:o}"


def test_fsync_rises_with_what_survives_a_crash() -> None:
    assert FSYNC.order("no") < FSYNC.order("everysec") < FSYNC.order("always")


@pytest.mark.parametrize("value", UNORDERED, ids=lambda value: type(value).__name__)
def test_no_bound_where_zero_or_a_part_is_not_the_least(value: ValueType) -> None:
    with pytest.raises(InvalidValue, match="no 'at least' or 'at most'"):
        value.order("0")
    assert not value.is_numeric
