"""Whether the standbys of a PostgreSQL cluster, or it as one, keep up. Pure.

Source: pg_stat_replication, pg_stat_wal_receiver, pg_replication_slots.
"""

from __future__ import annotations

from optimizer.model.postgresql_health import PgHealth
from optimizer.scoring.finding import Finding, duration, size


def inactive_slots(seen: PgHealth) -> Finding | None:
    """Tell how much WAL is kept for slots that nobody uses."""
    if not seen.inactive_slots:
        return None
    kept = max(0, seen.slots_keep)
    slots = "1 slot" if seen.inactive_slots == 1 else f"{seen.inactive_slots} slots"
    return Finding("postgresql.inactive-slots", kept / 2**30, f"{size(kept)} for {slots}")


def standby_link(seen: PgHealth) -> Finding | None:
    """Tell whether a standby streams from its primary; one that only reads an archive does not."""
    if not seen.standby or not seen.standby.follows:
        return None
    is_down = not seen.standby.streams
    return Finding("postgresql.standby-link", is_down, "down" if is_down else "up")


def replica_lag(seen: PgHealth) -> Finding | None:
    """Tell by how many seconds the slowest standby is behind."""
    if seen.standby:
        lag = seen.standby.lag
        if lag is None:
            return None
        return Finding("postgresql.replica-lag", lag, duration(lag) if lag else "none")
    if not seen.replicas:
        return None
    slowest = max(seen.replicas, key=lambda one: one.seconds or 0)
    lag = slowest.seconds or 0
    value = f"{duration(lag)}, {slowest.name}" if lag else "none"
    return Finding("postgresql.replica-lag", lag, value)


def replica_behind(seen: PgHealth) -> Finding | None:
    """Tell how much WAL the slowest standby of a primary has yet to replay."""
    if not seen.replicas or seen.standby:
        return None
    slowest = max(seen.replicas, key=lambda one: one.bytes or 0)
    behind = max(0, slowest.bytes or 0)
    return Finding("postgresql.replica-behind", behind / 2**20, f"{size(behind)}, {slowest.name}")
