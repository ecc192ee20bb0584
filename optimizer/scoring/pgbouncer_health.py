"""Health of one PgBouncer against thresholds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from optimizer.model.pgbouncer import OWN_FILES, PgBouncer
from optimizer.model.postgresql import PgCluster
from optimizer.model.profile import Threshold
from optimizer.model.result import HealthCheck
from optimizer.planning.pool_sizes import Pooler, total
from optimizer.planning.pools import poolers_of
from optimizer.scoring.finding import Finding, duration
from optimizer.scoring.health import DEFAULTS
from optimizer.scoring.judging import judged

# The first version that follows prepared statements from connection to connection.
_FOLLOWS_PREPARED = (1, 21)


def pgbouncer_health(
    found: Sequence[PgBouncer],
    clusters: Sequence[PgCluster],
    thresholds: Mapping[str, Threshold] = DEFAULTS,
) -> tuple[HealthCheck, ...]:
    """Check every PgBouncer of a host; names carry its port, as in `postgresql.pgbouncer[6432]`.

    clusters: those of the host, whose connections the pools have to fit. What was not read is left
    out; a PgBouncer in a container is none of ours.
    """
    every = poolers_of(found)
    return tuple(
        check
        for pooler in found
        if not pooler.is_elsewhere
        for check in judged(_findings(pooler, every, clusters), thresholds, pooler.name)
    )


def _findings(
    pooler: PgBouncer, every: Sequence[Pooler], clusters: Sequence[PgCluster]
) -> Iterator[Finding]:
    if pooler.problem:
        yield Finding("postgresql.pgbouncer", 1, pooler.problem)
        return
    parts = (pooler.version, f"{pooler.mode} pooling", _count(len(pooler.pools), "pool"))
    yield Finding("postgresql.pgbouncer", 0, ", ".join(part for part in parts if part))
    yield _waiting(pooler)
    yield from _pool_used(pooler)
    yield from _pools(pooler, every, clusters)
    yield from _clients(pooler)
    yield from _prepared(pooler)


def _waiting(pooler: PgBouncer) -> Finding:
    waiting = sum(pool.waiting for pool in pooler.pools)
    longest = max((pool.longest_wait for pool in pooler.pools), default=0.0)
    value = f"{_count(waiting, 'client')} for up to {duration(longest)}" if waiting else "none"
    return Finding("postgresql.pgbouncer-waiting", longest if waiting else 0, value)


def _pool_used(pooler: PgBouncer) -> Iterator[Finding]:
    sizes = {base.name: base.size for base in pooler.databases}
    shares = [
        (100 * pool.busy / sizes[pool.database], pool)
        for pool in pooler.pools
        if sizes.get(pool.database)
    ]
    if shares:
        percent, pool = max(shares, key=lambda one: one[0])
        told = f"{pool.busy} of {sizes[pool.database]} for {pool.user} in {pool.database}"
        yield Finding("postgresql.pgbouncer-pool-used", percent, f"{percent:.0f} %, {told}")


def _pools(
    pooler: PgBouncer, every: Sequence[Pooler], clusters: Sequence[PgCluster]
) -> Iterator[Finding]:
    ports = {base.port for base in pooler.databases if base.is_here}
    for cluster in clusters:
        seen = cluster.health
        clients = seen.max_connections - seen.reserved if seen else 0
        if cluster.name in ports and clients > 0:
            most = total(cluster.name, every)
            percent = 100 * most / clients
            value = f"{percent:.0f} %, {most} of the {clients} of PostgreSQL {cluster.name}"
            yield Finding("postgresql.pgbouncer-pools", percent, value)


def _clients(pooler: PgBouncer) -> Iterator[Finding]:
    limit = pooler.number("max_client_conn")
    if limit:
        percent = 100 * pooler.clients / limit
        value = f"{percent:.0f} %, {pooler.clients} of {limit}"
        yield Finding("postgresql.pgbouncer-clients", percent, value)
    if limit and pooler.open_files is not None:
        value = (
            f"{pooler.open_files} open files for {_count(limit, 'client')}, "
            f"{_count(pooler.most_servers, 'server connection')} and {OWN_FILES} of its own"
        )
        yield Finding("postgresql.pgbouncer-open-files", max(0, limit - pooler.free_files), value)


def _prepared(pooler: PgBouncer) -> Iterator[Finding]:
    if pooler.mode == "session":
        return
    follows = pooler.number("max_prepared_statements")
    is_too_old = bool(pooler.release) and pooler.release[:2] < _FOLLOWS_PREPARED
    value = f"up to {follows} are followed" if follows else "none is followed"
    if is_too_old:
        value = f"{pooler.version} follows none"
    yield Finding("postgresql.pgbouncer-prepared", int(is_too_old or not follows), value)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
