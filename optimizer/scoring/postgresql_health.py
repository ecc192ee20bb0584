"""Health of one PostgreSQL cluster against thresholds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from optimizer.model.huge_pages import NO_HUGE_PAGES, HugePages
from optimizer.model.postgresql import PgCluster
from optimizer.model.profile import Threshold
from optimizer.model.result import HealthCheck
from optimizer.scoring import postgresql_findings as findings
from optimizer.scoring import postgresql_objects as objects
from optimizer.scoring import postgresql_replication as replication
from optimizer.scoring.finding import Finding, duration
from optimizer.scoring.health import DEFAULTS
from optimizer.scoring.judging import judged
from optimizer.scoring.postgresql_huge_pages import huge_pages

# Why a cluster that runs could not be asked; everything else means that it is down.
_REFUSALS = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied",
    "starting up",
    "container",
    "needs psql",
    "can see",
)
_NO_ROOM = "too many clients"

# In the order in which they are told.
_OF_HEALTH = (
    findings.unasked_databases,
    findings.connections_used,
    findings.idle_in_transaction,
    findings.oldest_transaction,
    findings.longest_statement,
    findings.cache_hit,
    findings.requested_checkpoints,
    findings.temporary_files,
    findings.deadlocks,
    findings.wraparound_age,
    findings.checksum_failures,
    findings.archiving,
    replication.inactive_slots,
    replication.standby_link,
    replication.replica_lag,
    replication.replica_behind,
    findings.conflicts,
    objects.statement_statistics,
    objects.slow_statements,
    objects.unused_indexes,
    objects.duplicate_indexes,
    objects.invalid_indexes,
    objects.unindexed_tables,
    objects.dead_rows,
)


def postgresql_health(
    cluster: PgCluster,
    thresholds: Mapping[str, Threshold] = DEFAULTS,
    pool: HugePages = NO_HUGE_PAGES,
) -> tuple[HealthCheck, ...]:
    """Check one cluster; names carry its port, as in `postgresql.cache-hit[5432]`.

    pool: the huge pages of its host. What was not read, or does not apply to this cluster, is
    left out.
    """
    return judged(_findings(cluster, pool), thresholds, cluster.name)


def _findings(cluster: PgCluster, pool: HugePages) -> Iterator[Finding]:
    yield _server(cluster)
    seen = cluster.health
    if cluster.problem or seen is None or seen.problem:
        return
    if pages := huge_pages(cluster, pool):
        yield pages
    yield from (one for find in _OF_HEALTH if (one := find(seen)) is not None)


def _server(cluster: PgCluster) -> Finding:
    name, seen = "postgresql.server", cluster.health
    if cluster.problem:
        if _NO_ROOM in cluster.problem:
            advice = "Pool connections with PgBouncer, or raise postgresql.max_connections."
            return Finding(name, 2, cluster.problem, advice)
        if any(words in cluster.problem.lower() for words in _REFUSALS):
            advice = "Nothing is known of its health until it can be asked."
            return Finding(name, 1, cluster.problem, advice)
        advice = f"systemctl status {cluster.unit}" if cluster.unit else ""
        return Finding(name, 2, cluster.problem, advice)
    if seen and seen.problem:
        advice = "Nothing is known of its health until it can be asked."
        return Finding(name, 1, f"gives no answer about its health: {seen.problem}", advice)
    parts = [_version(cluster.version), "standby" if cluster.is_standby else "primary"]
    if seen:
        parts.append("1 database" if seen.databases == 1 else f"{seen.databases} databases")
        parts.append(f"up {duration(seen.uptime)}")
    return Finding(name, 0, ", ".join(part for part in parts if part))


def _version(number: int) -> str:
    """Return `PostgreSQL 15.18` for 150018."""
    return f"PostgreSQL {number // 10000}.{number % 10000}" if number else ""
