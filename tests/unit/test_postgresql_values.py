"""The value types of PostgreSQL: what the server can print, whatever a person writes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.catalog.postgresql_values import (
    ON_OFF,
    Libraries,
    Real,
    Rising,
    Size,
    Time,
    Words,
    blocks,
    kibibytes,
    mebibytes,
)
from optimizer.model.errors import InvalidValue
from optimizer.model.values import INT_MAX, ValueType

BUFFERS = blocks(16, 1073741823)
WORK = kibibytes(64 * 2**10)
WORKER = kibibytes(64 * 2**10, (-1, "as maintenance_work_mem"))
TEMPORARY = kibibytes(0, (-1, "never"))
WAL = mebibytes(2)
SECONDS = Time(30, 86400, "s")
GUARD = Time(1, INT_MAX, "ms", ((0, "never"),))
SLOW = Time(0, INT_MAX, "ms", ((-1, "never"),))
COST = Real(0, 1000000)
DELAY = Real(0, 100, "ms", ((-1, "as vacuum_cost_delay"),))
COMMIT = Rising(("off", "local", "remote_write", "on", "remote_apply"), (("1", "on"),))
COMPRESSION = Words(
    ("off", "on", "pglz", "lz4", "zstd"),
    (("true", "on"), ("no", "off")),
    instead=(("lz4", "pglz"), ("zstd", "pglz"), ("pglz", "on")),
    printed_as=(("on", "pglz"),),
)


@pytest.mark.parametrize(
    ("value", "written", "canonical"),
    [
        (BUFFERS, "512MB", "536870912"),
        (BUFFERS, "0.5 GiB", "536870912"),
        (BUFFERS, "131072", "131072"),
        (BUFFERS, "140000", "139264"),
        (WORK, "16MB", "16777216"),
        (WORK, "16 MiB", "16777216"),
        (WORK, "65537", "65536"),
        (WORKER, "-1", "-1"),
        (WORKER, "1g", "1073741824"),
        (TEMPORARY, "0", "0"),
        (TEMPORARY, "10 MiB", "10485760"),
        (WAL, "2GB", "2147483648"),
        (WAL, "2200000000", "2199912448"),
        (SECONDS, "15min", "900"),
        (SECONDS, "900", "900"),
        (SECONDS, "900 s", "900"),
        (SECONDS, "1h", "3600"),
        (SECONDS, "60000ms", "60"),
        (SECONDS, "1d", "86400"),
        (GUARD, "60s", "60000"),
        (GUARD, "0", "0"),
        (GUARD, "0s", "0"),
        (GUARD, "0.5s", "500"),
        (SLOW, "-1", "-1"),
        (SLOW, "0", "0"),
        (SLOW, "250ms", "250"),
        (COST, "1.10", "1.1"),
        (COST, "4", "4"),
        (COST, "4.0", "4"),
        (COST, "1e-1", "0.1"),
        (COST, "-0.0", "0"),
        (COST, "100", "100"),
        (DELAY, "2", "2"),
        (DELAY, "2ms", "2"),
        (DELAY, "0.5 ms", "0.5"),
        (DELAY, "-1", "-1"),
        (ON_OFF, "ON", "on"),
        (ON_OFF, "true", "on"),
        (ON_OFF, "1", "on"),
        (ON_OFF, "no", "off"),
        (COMMIT, "Remote_Write", "remote_write"),
        (COMMIT, "1", "on"),
        (COMPRESSION, "lz4", "lz4"),
        (COMPRESSION, "true", "on"),
        (Libraries(), "pg_stat_statements", "pg_stat_statements"),
        (Libraries(), "timescaledb, auto_explain", "timescaledb,auto_explain"),
        (Libraries(), '"timescaledb" , timescaledb', "timescaledb"),
        (Libraries(), "$libdir/pg_stat_statements", "$libdir/pg_stat_statements"),
        (Libraries(), "", ""),
    ],
)
def test_canonical(value: ValueType, written: str, canonical: str) -> None:
    assert value.canonical(written) == canonical
    assert value.canonical(canonical) == canonical


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (BUFFERS, "15 kB"),
        (BUFFERS, "100"),
        (BUFFERS, "-1"),
        (BUFFERS, "9 TiB"),
        (BUFFERS, "much"),
        (WORK, "0"),
        (WORK, "-1"),
        (WORKER, "0"),
        # Rounded to 0 it would log all files.
        (TEMPORARY, "1000"),
        (TEMPORARY, "-2"),
        (WAL, "1 MiB"),
        (SECONDS, "10s"),
        (SECONDS, "1500ms"),
        (SECONDS, "15 minutes"),
        (SECONDS, "1 week"),
        (SECONDS, "-1"),
        (SECONDS, ""),
        (GUARD, "-1"),
        (GUARD, "100us"),
        (SLOW, "-2"),
        (COST, "-1"),
        (COST, "nan"),
        (COST, "inf"),
        (COST, "1.1.1"),
        (COST, "1e99"),
        (DELAY, "101"),
        (DELAY, "2s"),
        (ON_OFF, "2"),
        (COMMIT, "0"),
        (COMMIT, "always"),
        (COMPRESSION, "gzip"),
        (Libraries(), "a; b"),
        (Libraries(), "'a'"),
        (Libraries(), "a b"),
        (Libraries(), "$HOME/a"),
        (Libraries(), "a\nb"),
    ],
)
def test_what_the_server_or_sense_rejects_is_refused(value: ValueType, written: str) -> None:
    with pytest.raises(InvalidValue):
        value.canonical(written)


@given(st.integers(128 * 2**10, 8 * 2**40), st.sampled_from([BUFFERS, WORK]))
def test_any_share_of_a_memory_becomes_a_size_that_the_server_counts(
    size: int, value: Size
) -> None:
    if size > value.maximum:
        return
    rounded = int(value.canonical(str(size)))
    assert rounded % value.multiple == 0
    assert size - value.multiple < rounded <= size
    assert value.order(str(size)) == (rounded,)


@given(st.integers(30, 86400))
def test_a_time_is_the_same_in_every_unit(seconds: int) -> None:
    for text in (f"{seconds}", f"{seconds}s", f"{seconds * 1000}ms", f"{seconds * 1000000} us"):
        assert SECONDS.canonical(text) == str(seconds)
    assert SECONDS.canonical(f"{seconds // 30 * 30 / 60}min") == str(seconds // 30 * 30)


@given(st.decimals(0, 1000000, allow_nan=False, places=6))
def test_a_fraction_has_one_text(number: Decimal) -> None:
    text = COST.canonical(f"{number:f}")
    assert Decimal(text) == number
    assert COST.canonical(text) == text
    assert "e" not in text
    assert not ("." in text and text.endswith("0"))


@pytest.mark.parametrize(
    ("value", "special"), [(WORKER, "-1"), (GUARD, "0"), (SLOW, "-1"), (TEMPORARY, "-1")]
)
def test_a_special_value_is_neither_more_nor_less(value: ValueType, special: str) -> None:
    with pytest.raises(InvalidValue, match="no 'at least' or 'at most'"):
        value.order(special)
    assert f"or {special} (" in value.describe()


@pytest.mark.parametrize("value", [COST, COMPRESSION, Libraries()])
def test_no_bound_without_whole_numbers(value: ValueType) -> None:
    with pytest.raises(InvalidValue, match="no 'at least' or 'at most'"):
        value.order("1")
    assert not value.is_numeric


def test_words_rise_and_come_back_from_their_rank() -> None:
    ranks = [COMMIT.order(word) for word in COMMIT.options]
    assert ranks == sorted(ranks)
    for word, (rank,) in zip(COMMIT.options, ranks, strict=True):
        assert COMMIT.canonical(str(rank)) == word


# What one server has


@pytest.mark.parametrize(
    ("choices", "written", "wanted"),
    [
        # 15 and later, complete.
        (("pglz", "lz4", "zstd", "on", "off"), "lz4", "lz4"),
        (("pglz", "lz4", "zstd", "on", "off"), "on", "pglz"),
        (("pglz", "lz4", "zstd", "on", "off"), "true", "pglz"),
        (("pglz", "lz4", "zstd", "on", "off"), "off", "off"),
        # Built without lz4 and zstd.
        (("pglz", "on", "off"), "lz4", "pglz"),
        (("pglz", "on", "off"), "zstd", "pglz"),
        # A switch, until 14.
        ((), "lz4", "on"),
        ((), "pglz", "on"),
        ((), "no", "off"),
    ],
)
def test_a_word_that_a_build_lacks_is_the_nearest_that_it_has(
    choices: tuple[str, ...], written: str, wanted: str
) -> None:
    here = COMPRESSION.on_server(choices)
    assert here.canonical(written) == wanted
    assert here.canonical(wanted) == wanted


def test_a_word_without_a_nearest_one_stays_refused() -> None:
    method = Words(("sync", "worker", "io_uring")).on_server(("sync", "worker"))
    assert method.canonical("worker") == "worker"
    with pytest.raises(InvalidValue, match="is not one of sync, worker"):
        method.canonical("io_uring")


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ("", "pg_stat_statements"),
        ("pg_stat_statements", "pg_stat_statements"),
        ("timescaledb, auto_explain", "timescaledb,auto_explain,pg_stat_statements"),
        ("pg_stat_statements, timescaledb", "pg_stat_statements,timescaledb"),
    ],
)
def test_libraries_are_added_to_what_a_server_has(there: str, wanted: str) -> None:
    here = Libraries().keeping(there)
    assert here.canonical("pg_stat_statements") == wanted
    assert here.canonical(there) == Libraries().canonical(there)
    assert here.keeping(wanted).canonical("pg_stat_statements") == wanted
