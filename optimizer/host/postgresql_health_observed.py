"""From the answer of a probe to the health of PostgreSQL clusters."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optimizer.model.postgresql_health import (
    PgFound,
    PgHealth,
    PgObject,
    PgReplica,
    PgStandby,
    PgStatement,
)

Rows = Mapping[str, Sequence[tuple[str, ...]]]
Said = Mapping[str, Any]

# How many tables, indexes and statements are named.
_NAMED = 3
# Of these numbers none is as good as 0; of the others none says that there is nothing.
_COUNTED = (
    "databases",
    "max_connections",
    "reserved",
    "wraparound_age",
    "hits",
    "reads",
    "deadlocks",
    "temp_bytes",
    "conflicts",
    "inactive_slots",
    "slots_keep",
)
_AGES = ("oldest_transaction", "oldest_idle", "longest_statement")
_KINDS = ("unused", "duplicate", "invalid", "unindexed", "dead")


def healths(by_word: Rows) -> dict[str, PgHealth]:
    """Return the health of each cluster that was asked, by its name.

    Raises ValueError and KeyError for lines that are cut.
    """
    unasked: dict[str, dict[str, str]] = defaultdict(dict)
    for name, database, *why in by_word["postgresql-unasked"]:
        unasked[name][database] = " ".join(why) or "psql gave no reason"
    databases: dict[str, list[Said]] = defaultdict(list)
    for name, *text in by_word["postgresql-database"]:
        databases[name].append(json.loads("\t".join(text)))
    found = {
        # Without a database it is the cluster that could not be asked.
        name: PgHealth(problem=own[""])
        for name, own in unasked.items()
        if "" in own
    }
    for name, *text in by_word["postgresql-health"]:
        found[name] = _health(json.loads("\t".join(text)), databases[name], unasked[name])
    return found


def _health(said: Said, databases: Sequence[Said], unasked: Mapping[str, str]) -> PgHealth:
    numbers, points = said["numbers"], said["checkpoints"]
    archiver = said["archiver"] or {}
    fields: dict[str, Any] = {name: int(numbers[name] or 0) for name in _COUNTED}
    failures = numbers["checksum_failures"]
    fields["checksum_failures"] = None if failures is None else int(failures)
    fields |= {name: _age(numbers[name]) for name in _AGES}
    return PgHealth(
        unasked=dict(unasked),
        uptime=float(numbers["uptime"]),
        stats_age=float(numbers["stats_age"]),
        **fields,
        connections=dict(said["connections"] or {}),
        wraparound_database=_printable(said["wraparound_database"]),
        # PostgreSQL 17 moved these from pg_stat_bgwriter to pg_stat_checkpointer.
        checkpoints_timed=int(points.get("num_timed", points.get("checkpoints_timed", 0))),
        checkpoints_requested=int(points.get("num_requested", points.get("checkpoints_req", 0))),
        replicas=tuple(_replica(row) for row in said["replicas"] or ()),
        standby=_standby(said["standby"]),
        archive_fails=bool(archiver["fails"]) if archiver else None,
        archive_failures=int(archiver.get("failures") or 0),
        huge_pages=said["huge_pages"],
        on_huge_pages=_is_on(said["huge_pages_status"]),
        shared_buffers=int(said["shared_buffers"]),
        counts_statements=bool(said["counts_statements"]),
        has_view=any(one["has_view"] for one in databases),
        statements=_statements(databases),
        found={kind: _found(kind, databases) for kind in _KINDS},
    )


def _is_on(status: str | None) -> bool | None:
    # Before 17 a server does not say; `unknown` is for other programs of it.
    return {"on": True, "off": False}.get(status or "")


def _printable(name: str) -> str:
    # JSON carries what the host's answer itself never holds: it must not reach a terminal.
    return "".join(one if one.isprintable() else "?" for one in name)


def _age(seconds: Any) -> float | None:
    # Another session may have begun after the query itself.
    return None if seconds is None else max(0.0, float(seconds))


def _replica(row: Sequence[Any]) -> PgReplica:
    name, state, seconds, behind = row
    return PgReplica(
        _printable(name or ""), state, _age(seconds), None if behind is None else int(behind)
    )


def _standby(said: Said | None) -> PgStandby | None:
    if said is None:
        return None
    return PgStandby(bool(said["follows"]), bool(said["streams"]), _age(said["lag"]))


def _statements(databases: Iterable[Said]) -> tuple[PgStatement, ...]:
    found = [
        PgStatement(_printable(one["database"]), int(query), int(calls), float(mean), float(total))
        for one in databases
        for query, calls, mean, total in one["statements"] or ()
    ]
    return tuple(sorted(found, key=lambda one: -one.total)[:_NAMED])


def _found(kind: str, databases: Iterable[Said]) -> PgFound:
    count, total = 0, 0.0
    worst: list[PgObject] = []
    for one in databases:
        number, weight, rows = (one["found"] or {}).get(kind, (0, 0, ()))
        count, total = count + int(number), total + float(weight)
        worst += [
            PgObject(
                _printable(f"{one['database']}.{name}"), float(weight), _printable(other), _age(age)
            )
            for name, weight, other, age in rows
        ]
    return PgFound(count, total, tuple(sorted(worst, key=lambda one: -one.weight)[:_NAMED]))
