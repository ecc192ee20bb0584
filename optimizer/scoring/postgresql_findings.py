"""What the numbers of a PostgreSQL cluster say about sessions, memory, disk and safety. Pure.

Source: the monitoring views of the PostgreSQL manual.
"""

from __future__ import annotations

from optimizer.model.postgresql_health import PgHealth
from optimizer.scoring.check import NEVER
from optimizer.scoring.finding import Finding, duration, size

# Fewer say nothing about a share.
LEAST_BLOCKS = 100_000
LEAST_CHECKPOINTS = 20
# Transaction numbers are compared modulo 2^32, so that about half of them may lie behind.
_TRANSACTIONS = 2_000_000_000
_DAY = 86_400


def unasked_databases(seen: PgHealth) -> Finding | None:
    """Count databases that were asked and gave no answer; name one with its reason."""
    names = ", ".join(f"{name} ({why})" for name, why in list(seen.unasked.items())[:1])
    number = len(seen.unasked)
    return Finding("postgresql.unasked-databases", number, f"{number}, {names}" if names else "0")


def connections_used(seen: PgHealth) -> Finding | None:
    """Compare clients with the connections that any role may have."""
    limit = seen.max_connections - seen.reserved
    if limit <= 0:
        return None
    percent = 100 * seen.clients / limit
    states = sorted(seen.connections.items(), key=lambda one: (-one[1], one[0]))
    told = ", ".join([f"{seen.clients} of {limit}", *(f"{count} {name}" for name, count in states)])
    return Finding("postgresql.connections-used", percent, f"{percent:.0f} %, {told}")


def idle_in_transaction(seen: PgHealth) -> Finding | None:
    """Tell how long a client holds a transaction open and does nothing."""
    return _age("postgresql.idle-in-transaction", seen.oldest_idle)


def oldest_transaction(seen: PgHealth) -> Finding | None:
    """Tell how old the oldest transaction is."""
    return _age("postgresql.oldest-transaction", seen.oldest_transaction)


def longest_statement(seen: PgHealth) -> Finding | None:
    """Tell how long the longest statement runs."""
    return _age("postgresql.longest-statement", seen.longest_statement)


def cache_hit(seen: PgHealth) -> Finding | None:
    """Tell how many blocks were in shared buffers."""
    blocks = seen.hits + seen.reads
    if blocks < LEAST_BLOCKS:
        return Finding("postgresql.cache-hit", 0, f"no data, {blocks} blocks read", "", NEVER)
    percent = 100 * seen.hits / blocks
    return Finding("postgresql.cache-hit", percent, f"{percent:.1f} % of {blocks} blocks")


def requested_checkpoints(seen: PgHealth) -> Finding | None:
    """Tell how many checkpoints came early; a standby takes those of its primary."""
    if seen.standby:
        return None
    every = seen.checkpoints_timed + seen.checkpoints_requested
    name = "postgresql.requested-checkpoints"
    if every < LEAST_CHECKPOINTS:
        return Finding(name, 0, f"no data, {every} checkpoints", threshold=NEVER)
    percent = 100 * seen.checkpoints_requested / every
    return Finding(name, percent, f"{percent:.0f} % of {every} checkpoints")


def temporary_files(seen: PgHealth) -> Finding | None:
    """Tell how much is written to temporary files."""
    gib = _a_day(seen, seen.temp_bytes) / 2**30
    return Finding("postgresql.temporary-files", gib, _since(seen, size(seen.temp_bytes)))


def deadlocks(seen: PgHealth) -> Finding | None:
    """Count deadlocks."""
    number = _a_day(seen, seen.deadlocks)
    return Finding("postgresql.deadlocks", number, _since(seen, str(seen.deadlocks)))


def conflicts(seen: PgHealth) -> Finding | None:
    """Count statements that a standby cancelled."""
    if not seen.standby:
        return None
    number = _a_day(seen, seen.conflicts)
    return Finding("postgresql.conflicts", number, _since(seen, str(seen.conflicts)))


def wraparound_age(seen: PgHealth) -> Finding | None:
    """Tell how near the database with the oldest transaction is to a stop."""
    age = max(0, seen.wraparound_age)
    percent = 100 * age / _TRANSACTIONS
    value = f"{percent:.0f} %, {age} transactions in {seen.wraparound_database}"
    return Finding("postgresql.wraparound-age", percent, value)


def checksum_failures(seen: PgHealth) -> Finding | None:
    """Count damaged pages that were met, where they can be told."""
    failures = seen.checksum_failures
    if failures is None:
        return None
    return Finding("postgresql.checksum-failures", failures, _since(seen, str(failures)))


def archiving(seen: PgHealth) -> Finding | None:
    """Tell whether WAL is archived, where it should be."""
    if seen.archive_fails is None:
        return None
    worked = "failed" if seen.archive_fails else "worked"
    value = f"{worked}, {seen.archive_failures} failures in all"
    return Finding("postgresql.archiving", seen.archive_fails, value)


def _age(check: str, seconds: float | None) -> Finding:
    if seconds is None:
        return Finding(check, 0, "none")
    return Finding(check, seconds, duration(seconds))


def _a_day(seen: PgHealth, number: float) -> float:
    # Of less than a day nothing is extrapolated.
    return number / max(1.0, seen.stats_age / _DAY)


def _since(seen: PgHealth, number: str) -> str:
    return f"{number} in {duration(seen.stats_age)}" if seen.stats_age >= 1 else number
