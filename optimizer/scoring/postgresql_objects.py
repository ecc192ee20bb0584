"""What tables, indexes and statements of a PostgreSQL cluster waste. Pure.

Source: pg_index, pg_stat_user_tables, pg_stat_user_indexes, pg_stat_statements.
"""

from __future__ import annotations

from optimizer.model.postgresql_health import NOTHING, PgFound, PgHealth, PgObject
from optimizer.scoring.check import NEVER
from optimizer.scoring.finding import Finding, duration, size

# An index that serves a job of every week is not seen to be used on the first days.
_LEAST_SECONDS = 7 * 86_400
# Fewer calls say nothing about a mean.
_LEAST_CALLS = 10


def unused_indexes(seen: PgHealth) -> Finding | None:
    """Tell what indexes cost that nothing reads."""
    found = _of(seen, "unused")
    if found is None:
        return None
    told = _listed(found, [f"{one.name} ({size(int(one.weight))})" for one in found.worst])
    name, mib = "postgresql.unused-indexes", found.total / 2**20
    if found.count:
        told = f"{size(int(found.total))} in {told}, not read in {duration(seen.stats_age)}"
    if seen.stats_age < _LEAST_SECONDS:
        return Finding(name, mib, told, threshold=NEVER)
    return Finding(name, mib, told)


def duplicate_indexes(seen: PgHealth) -> Finding | None:
    """Count indexes that are like another one."""
    found = _of(seen, "duplicate")
    if found is None:
        return None
    told = [f"{one.name} (like {one.other}, {size(int(one.weight))})" for one in found.worst]
    return Finding("postgresql.duplicate-indexes", found.count, _listed(found, told))


def invalid_indexes(seen: PgHealth) -> Finding | None:
    """Count indexes whose building failed."""
    found = _of(seen, "invalid")
    if found is None:
        return None
    told = [one.name for one in found.worst]
    return Finding("postgresql.invalid-indexes", found.count, _listed(found, told))


def unindexed_tables(seen: PgHealth) -> Finding | None:
    """Count tables that are read whole, as they have no index."""
    found = _of(seen, "unindexed")
    if found is None:
        return None
    told = [f"{one.name} ({one.weight:.0f} rows)" for one in found.worst]
    return Finding("postgresql.unindexed-tables", found.count, _listed(found, told))


def dead_rows(seen: PgHealth) -> Finding | None:
    """Tell which tables wait for a VACUUM."""
    found = _of(seen, "dead")
    if found is None:
        return None
    worst = max((one.weight for one in found.worst), default=0)
    value = _listed(
        found, [f"{one.name} ({one.weight:.0f} %, {_vacuumed(one)})" for one in found.worst]
    )
    return Finding("postgresql.dead-rows", worst, value)


def statement_statistics(seen: PgHealth) -> Finding | None:
    """Tell whether pg_stat_statements counts, and whether its view gives errors."""
    name = "postgresql.statement-statistics"
    if seen.has_view:
        if seen.counts_statements:
            return Finding(name, 0, "pg_stat_statements counts")
        return Finding(name, 2, "the view pg_stat_statements only gives an error")
    if seen.counts_statements:
        return Finding(name, 1, "pg_stat_statements is loaded, and no database has its view")
    return Finding(name, 1, "pg_stat_statements is not loaded")


def slow_statements(seen: PgHealth) -> Finding | None:
    """Tell which statements took most time, by their numbers."""
    counted = [one for one in seen.statements if one.calls >= _LEAST_CALLS]
    if not counted:
        return None
    told = [
        f"{one.database} {one.query_id} ({one.calls} calls of {_ms(one.mean)},"
        f" {duration(one.total / 1000)})"
        for one in counted
    ]
    return Finding("postgresql.slow-statements", max(one.mean for one in counted), ", ".join(told))


def _of(seen: PgHealth, kind: str) -> PgFound | None:
    # A standby has the tables and indexes of its primary, and counts only its own reads.
    return None if seen.standby else seen.found.get(kind, NOTHING)


def _listed(found: PgFound, told: list[str]) -> str:
    if not found.count:
        return "none"
    more = found.count - len(told)
    return f"{found.count}, {', '.join(told)}{f' and {more} more' if more else ''}"


def _ms(number: float) -> str:
    return f"{number:.3g} ms" if number < 1000 else f"{number:.0f} ms"


def _vacuumed(table: PgObject) -> str:
    return "never vacuumed" if table.age is None else f"vacuumed {duration(table.age)} ago"
