"""Texts of PostgreSQL settings, there and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.catalog.declare import postgresql
from optimizer.model.postgresql import PgSetting
from optimizer.model.tunable import Tunable
from optimizer.model.values import LONG_MAX, Choice, Integer, Text
from optimizer.resources.postgresql import own_settings, render
from optimizer.resources.postgresql_text import from_server, to_file, to_server

MIB = 2**20


def sized(name: str = "shared_buffers") -> Tunable:
    return postgresql(name, Integer(-1, LONG_MAX, "bytes"), "Why.", "page")


def timed(unit: str) -> Tunable:
    return postgresql("checkpoint_timeout", Integer(-1, unit=unit), "Why.", "page")


BUFFERS = PgSetting("shared_buffers", "16384", "8kB", "integer", "postmaster")
MEMORY = PgSetting("work_mem", "4096", "kB", "integer", "user")
WAL = PgSetting("max_wal_size", "1024", "MB", "integer", "sighup")
TIMEOUT = PgSetting("checkpoint_timeout", "300", "s", "integer", "sighup")
DELAY = PgSetting("autovacuum_vacuum_cost_delay", "2", "ms", "real", "sighup")


@pytest.mark.parametrize(
    ("setting", "text", "canonical"),
    [
        (BUFFERS, "16384", 128 * MIB),
        (BUFFERS, "128MB", 128 * MIB),
        (BUFFERS, " 1 GB ", 1024 * MIB),
        (MEMORY, "4096", 4 * MIB),
        (MEMORY, "4MB", 4 * MIB),
        (MEMORY, "-1", -1),
        (MEMORY, "0", 0),
        (WAL, "1GB", 1024 * MIB),
        (WAL, "1024", 1024 * MIB),
    ],
)
def test_sizes_are_bytes_whatever_the_server_counts_in(
    setting: PgSetting, text: str, canonical: int
) -> None:
    assert from_server(sized(), setting, text) == str(canonical)


@pytest.mark.parametrize(
    ("unit", "text", "canonical"),
    [("s", "300", "300"), ("s", "5min", "300"), ("ms", "5min", "300000"), ("ms", "1", "1000")],
)
def test_times_are_in_the_unit_of_the_tunable(unit: str, text: str, canonical: str) -> None:
    assert from_server(timed(unit), TIMEOUT, text) == canonical


@pytest.mark.parametrize("text", ["on", "true", "yes", "1", "ON"])
def test_a_switch_has_many_spellings_in_a_file(text: str) -> None:
    jit = postgresql("jit", Choice(("on", "off")), "Why.", "page")
    assert from_server(jit, PgSetting("jit", "on", "", "bool"), text) == "on"


def test_plain_numbers_and_texts_stay_as_they_are() -> None:
    cost = postgresql("random_page_cost", Text(), "Why.", "page")
    setting = PgSetting("random_page_cost", "1.1", "", "real")
    assert from_server(cost, setting, "1.1") == "1.1"
    assert to_server(cost, setting, "1.1") == "1.1"
    assert to_file(cost, setting, "1.1") == "1.1"


@given(st.integers(1, 2**31 - 1))
def test_sizes_go_to_the_server_and_come_back(blocks: int) -> None:
    for setting, size in ((BUFFERS, 8192), (MEMORY, 1024), (WAL, MIB)):
        text = str(blocks * size)
        assert to_server(sized(), setting, text) == text
        assert replace(setting, setting=str(blocks)).in_force == text
        assert from_server(sized(), setting, str(blocks)) == text
        assert from_server(sized(), setting, to_file(sized(), setting, text)) == text


@given(st.integers(1, 10**9))
def test_times_go_into_a_file_and_come_back(count: int) -> None:
    for unit in ("ms", "s"):
        written = to_file(timed(unit), TIMEOUT, str(count))
        assert from_server(timed(unit), TIMEOUT, written) == str(count)


def test_files_have_the_largest_unit_that_fits() -> None:
    assert to_file(sized(), BUFFERS, str(2048 * MIB)) == "2GB"
    assert to_file(sized(), MEMORY, str(20164 * 1024)) == "20164kB"
    assert to_file(timed("s"), TIMEOUT, "900") == "15min"
    assert to_file(timed("ms"), DELAY, "2") == "2ms"
    assert to_file(sized(), MEMORY, "-1") == "-1"


_NAMES = st.from_regex(r"[a-z][a-z_]{0,20}(\.[a-z_]{1,10})?", fullmatch=True)
_TEXTS = st.text(
    st.characters(codec="ascii", exclude_categories=("C",), exclude_characters="'\\"), max_size=20
).map(str.strip)


@given(st.dictionaries(_NAMES, _TEXTS, max_size=5))
def test_our_file_reads_back_as_it_was_written(settings: dict[str, str]) -> None:
    assert own_settings(render(settings)) == settings
