"""From the answer of a probe to the objects in the databases of each cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote_to_bytes

from optimizer.model.observation import LiveValue, ValueState
from optimizer.model.postgresql import PgCluster
from optimizer.model.postgresql_objects import PgDatabase, PgObject, object_path

Rows = Mapping[str, Sequence[tuple[str, ...]]]

_LEFT, _UNASKED, _EMPTY = "@left", "@unasked", "@empty"


def databases_of(by_word: Rows) -> dict[str, tuple[PgDatabase, ...]]:
    """Return cluster -> its databases, in the order of the answer; ValueError for cut lines."""
    said: dict[str, dict[str, list[tuple[str, ...]]]] = defaultdict(lambda: defaultdict(list))
    for cluster, key, *row in by_word["postgresql-object"]:
        if key:
            said[cluster][key].append(tuple(row))
    return {
        cluster: tuple(_database(unquote_to_bytes(key), rows) for key, rows in databases.items())
        for cluster, databases in said.items()
    }


def _database(raw: bytes, rows: Sequence[tuple[str, ...]]) -> PgDatabase:
    words = {row[0]: row[1:] for row in rows}
    if _LEFT in words:
        return PgDatabase(raw, left=" ".join(words[_LEFT]))
    if _UNASKED in words:
        return PgDatabase(raw, problem=" ".join(words[_UNASKED]) or "psql gave no reason")
    return PgDatabase(raw, {target: _object(fields) for target, fields in words.items()})


def _object(fields: Sequence[str]) -> PgObject:
    text, offered, problem, dependents = ("" if one == _EMPTY else one for one in fields)
    return PgObject(text, offered, problem, dependents)


def objects_of(cluster: PgCluster) -> Iterator[LiveValue]:
    """Return the objects of a cluster as values, the way those of the kernel are."""
    for database in cluster.databases:
        for target, one in database.objects.items():
            path = object_path(cluster.address, database.key, target)
            yield LiveValue(path, ValueState.WRITABLE, one.text, dependents=one.dependents)
