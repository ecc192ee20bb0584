from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.views.text import ASCII, PLAIN, Asked, Row, align, bar, points, shown, table

_WORD = st.text(alphabet="abc.:/_-0189", min_size=1, max_size=70)
_ROW = st.builds(
    Row, symbol=st.sampled_from("+~-!"), name=_WORD, before=_WORD, after=st.none() | _WORD
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "", "none"),
        ("", "", '""'),
        ("0", "bytes", "0"),
        ("1000", "bytes", "1000"),
        ("4096", "bytes", "4 KiB"),
        ("268435456", "bytes", "256 MiB"),
        ("268435457", "bytes", "268435457 (256.0 MiB)"),
        ("8375181312", "bytes", "8375181312 (7.8 GiB)"),
        ("1649267441664", "bytes", "1536 GiB"),
        ("-1", "bytes", "-1"),
        ("4096 8192", "bytes", "4096 8192"),
        ("268435456", "", "268435456"),
    ],
)
def test_values_are_shown_exactly(value: str | None, unit: str, text: str) -> None:
    assert shown(value, unit) == text


@pytest.mark.parametrize(
    ("score", "text"),
    [(None, "unknown"), (100.0, "100"), (99.99, "99.9"), (58.0, "58"), (0.04, "0"), (8.3, "8.3")],
)
def test_only_a_full_score_reads_as_100(score: float | None, text: str) -> None:
    assert points(score) == text


@given(st.lists(_ROW, max_size=6), st.integers(80, 120))
def test_no_value_is_cut_and_rows_fit_where_they_can(rows: list[Row], width: int) -> None:
    for row, lines in zip(rows, align(rows, replace(PLAIN, width=width)), strict=True):
        words = " ".join(lines).split()
        assert row.name in words
        assert row.before in words
        assert row.after is None or row.after in words
        value = f"{row.before} → {row.after}"
        if len(value) <= width - 10 and len(row.name) <= width - 6:
            assert all(len(line) <= width for line in lines)


@given(st.lists(st.tuples(_WORD, _WORD, st.text(alphabet="ab ", max_size=200)), max_size=5))
def test_a_table_keeps_every_word(rows: list[tuple[str, str, str]]) -> None:
    assert " ".join(table(rows, "<><", PLAIN)).split() == " ".join(map(" ".join, rows)).split()


@pytest.mark.parametrize(("share", "text"), [(0, ""), (0.5, "██"), (1, "████"), (0.3, "█▏")])
def test_a_bar_has_the_length_of_its_share(share: float, text: str) -> None:
    assert bar(share, PLAIN, width=4) == text.ljust(4)


def test_a_bar_in_ascii_has_whole_parts_only() -> None:
    assert bar(0.5, replace(PLAIN, symbols=ASCII), width=4) == "##  "


def test_the_next_command_survives_the_shell() -> None:
    asked = Asked("my hosts.py", "hft", ("db-*",), ("--only", "system.*"))
    assert shlex.split(asked.profile_command("apply")) == [
        "optimizer",
        "apply",
        "my hosts.py",
        *("--profile", "hft"),
        *("--only", "system.*"),
        *("--limit", "db-*"),
    ]
