"""What a PostgreSQL cluster said of its health.

Source: the monitoring views of the PostgreSQL manual (pg_stat_*), pg_index, pg_database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PgReplica:
    """A standby or subscriber that a primary sends to.

    seconds: until it had applied what was written; None while nothing is. bytes: not applied yet.
    """

    name: str
    state: str
    seconds: float | None
    bytes: int | None


@dataclass(frozen=True)
class PgStandby:
    """Where a standby stands.

    follows: it has a primary to stream from. streams: it does so now. lag: seconds since the
    last transaction it applied, 0 when next to nothing waits; None when none was applied yet.
    """

    follows: bool
    streams: bool
    lag: float | None


@dataclass(frozen=True)
class PgStatement:
    """What pg_stat_statements counts of one statement; its text stays on the host.

    mean, total: milliseconds.
    """

    database: str
    query_id: int
    calls: int
    mean: float
    total: float


@dataclass(frozen=True)
class PgObject:
    """A table or index that was found. name: `database.schema.name`.

    weight: what makes it bad: bytes of an index, rows of a table, per cent of dead ones.
    other: of a duplicate index, the one like it. age: seconds since the last VACUUM, if any.
    """

    name: str
    weight: float
    other: str = ""
    age: float | None = None


@dataclass(frozen=True)
class PgFound:
    """All tables or indexes of a cluster with one fault. total: of their weights."""

    count: int = 0
    total: float = 0
    worst: tuple[PgObject, ...] = ()


NOTHING = PgFound()


@dataclass(frozen=True)
class PgHealth:
    """The numbers of one cluster; counters count since `stats_age` seconds ago.

    problem: why it could not be asked about its health, though it answers.
    unasked: database -> why it could not be asked. databases: how many take connections.
    connections: state -> clients. reserved: connections kept for superusers and roles.
    oldest_transaction, oldest_idle, longest_statement: seconds; None when there is none.
    wraparound_age: transactions since the oldest one that is not frozen, of `wraparound_database`.
    hits, reads: blocks found in shared buffers, and not. slots_keep: bytes of WAL for a replication
        slot that nobody uses, the most of `inactive_slots`.
    checksum_failures: damaged pages; None where pages have no checksums.
    replicas: of a primary. standby: None for a primary.
    archive_fails: whether the last attempt to archive failed; None where nothing is archived.
    huge_pages: `off`, `try` or `on`. on_huge_pages: whether it has them; None before 17.
    shared_buffers: bytes.
    counts_statements: pg_stat_statements is loaded. has_view: it was created in some database.
    found: `unused`, `duplicate`, `invalid` (indexes), `unindexed`, `dead` (tables).
    """

    problem: str = ""
    unasked: Mapping[str, str] = field(default_factory=dict)
    databases: int = 0
    uptime: float = 0
    stats_age: float = 0
    connections: Mapping[str, int] = field(default_factory=dict)
    max_connections: int = 0
    reserved: int = 0
    oldest_transaction: float | None = None
    oldest_idle: float | None = None
    longest_statement: float | None = None
    wraparound_age: int = 0
    wraparound_database: str = ""
    hits: int = 0
    reads: int = 0
    deadlocks: int = 0
    temp_bytes: int = 0
    conflicts: int = 0
    checksum_failures: int | None = None
    checkpoints_timed: int = 0
    checkpoints_requested: int = 0
    inactive_slots: int = 0
    slots_keep: int = 0
    replicas: tuple[PgReplica, ...] = ()
    standby: PgStandby | None = None
    archive_fails: bool | None = None
    archive_failures: int = 0
    huge_pages: str = "off"
    on_huge_pages: bool | None = None
    shared_buffers: int = 0
    counts_statements: bool = False
    has_view: bool = False
    statements: tuple[PgStatement, ...] = ()
    found: Mapping[str, PgFound] = field(default_factory=dict)

    @property
    def clients(self) -> int:
        """Clients that are connected, whatever they do."""
        return sum(self.connections.values())
