"""From the answer of a probe to every PgBouncer of a host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from optimizer.host.redis_observed import lined_files
from optimizer.model.observation import ConfigLine, LinedFile, LiveValue, ValueState
from optimizer.model.pgbouncer import (
    CONSOLE,
    Parameter,
    PgBouncer,
    Pool,
    PooledDatabase,
    Traffic,
    parameter_path,
)

Rows = Mapping[str, Sequence[tuple[str, ...]]]
Row = Mapping[str, str]

# The line of [databases] for all names that no other line has.
_ANY = "*"
_OWN = frozenset({"pool_size", "reserve_pool_size", "max_db_connections"})
# Times of SHOW STATS and SHOW POOLS are in microseconds.
_MICRO = 1_000_000


def poolers(by_word: Rows) -> tuple[PgBouncer, ...]:
    """Put the lines about each PgBouncer together; ValueError, IndexError for cut lines."""
    said: dict[str, dict[str, str]] = defaultdict(dict)
    for name, key, *value in by_word["pgbouncer"]:
        said[name][key] = "\t".join(value)
    states = lined_files(by_word["lined"])
    return tuple(_pooler(name, facts, by_word, states) for name, facts in sorted(said.items()))


def _pooler(
    name: str, facts: Mapping[str, str], by_word: Rows, states: Mapping[str, LinedFile]
) -> PgBouncer:
    open_files = facts.get("open_files", "")
    version = _table(name, by_word, "VERSION")
    return PgBouncer(
        name=name,
        address=facts.get("address", ""),
        problem=facts.get("problem", ""),
        unit=facts.get("unit", ""),
        version=version[0]["version"] if version else "",
        config_file=facts.get("config_file", ""),
        config_state=states.get(facts.get("config_file", "")),
        include=facts.get("include", ""),
        config={
            key: Parameter(key, value, default, changeable == "yes")
            for key, value, default, changeable in _of(name, by_word, "config")
        },
        lines=tuple(
            ConfigLine(path, int(number), "\t".join(text))
            for path, number, *text in _of(name, by_word, "line")
        ),
        unloaded=tuple(fields[0] for fields in _of(name, by_word, "unloaded")),
        databases=_databases(name, by_word),
        pools=tuple(map(_pool, _table(name, by_word, "POOLS", "database"))),
        traffic=tuple(map(_traffic, _table(name, by_word, "STATS", "database"))),
        open_files=int(open_files) if open_files.isdecimal() else None,
        is_elsewhere=facts.get("elsewhere") == "yes",
    )


def _of(name: str, by_word: Rows, word: str) -> list[tuple[str, ...]]:
    return [fields[1:] for fields in by_word[f"pgbouncer-{word}"] if fields[0] == name]


def _table(name: str, by_word: Rows, word: str, key: str = "name") -> list[Row]:
    """Return the rows of a SHOW as column -> text, without those of the console itself."""
    columns, *rows = _of(name, by_word, word) or [()]
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    return [row for row in found if row.get(key) != CONSOLE]


def _databases(name: str, by_word: Rows) -> tuple[PooledDatabase, ...]:
    """Return the databases; the line for any other name counts as one until somebody uses it."""
    written = {
        database: dict(word.split("=", 1) for word in words)
        for database, *words in _of(name, by_word, "database")
    }
    others = written.get(_ANY)
    rows = _table(name, by_word, "DATABASES")
    found = [_database(row, written.get(row["name"], others or {})) for row in rows]
    if others is not None and all(one.name in written for one in found):
        found.append(
            PooledDatabase(
                name=_ANY,
                host=others.get("host", ""),
                port=others.get("port", "5432"),
                size=_number(others.get("pool_size", "")),
                own=frozenset(others) & _OWN,
            )
        )
    return tuple(found)


def _database(row: Row, written: Mapping[str, str]) -> PooledDatabase:
    # A column and a word of the file had another name before 1.23.
    reserve = row.get("reserve_pool_size", row.get("reserve_pool", ""))
    own = {"reserve_pool_size" if word == "reserve_pool" else word for word in written}
    return PooledDatabase(
        name=row["name"],
        host=row["host"],
        port=row["port"],
        size=_number(row["pool_size"]),
        reserve=_number(reserve),
        limit=_number(row["max_connections"]),
        own=frozenset(own) & _OWN,
    )


def _pool(row: Row) -> Pool:
    return Pool(
        database=row["database"],
        user=row["user"],
        active=_number(row["cl_active"]),
        waiting=_number(row["cl_waiting"]),
        busy=_number(row["sv_active"]),
        longest_wait=_number(row["maxwait"]) + _number(row.get("maxwait_us", "")) / _MICRO,
        mode=row["pool_mode"],
    )


def _traffic(row: Row) -> Traffic:
    # Since 1.23 the wait is an average of the waits, before it was their sum in a second.
    waits = _number(row.get("avg_server_assignment_count", "1"))
    return Traffic(
        database=row["database"],
        rate=_number(row["avg_xact_count"]),
        time=_number(row["avg_xact_time"]) / _MICRO,
        waiting=waits * _number(row["avg_wait_time"]) / _MICRO,
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def parameters_of(pooler: PgBouncer) -> Iterator[LiveValue]:
    """Return the parameters of a PgBouncer as values, the way those of the kernel are."""
    for name, one in pooler.config.items():
        yield LiveValue(parameter_path(pooler.address, name), ValueState.WRITABLE, one.value)
