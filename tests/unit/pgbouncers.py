"""A PgBouncer as Debian has it, with two users of one database on the cluster beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from optimizer.host.pgbouncer_observed import parameters_of
from optimizer.model.observation import ConfigLine, LinedFile, Observation
from optimizer.model.pgbouncer import Parameter, PgBouncer, Pool, PooledDatabase
from optimizer.model.postgresql import PgCluster, PgSetting
from tests.unit.factories import observation

INI = "/etc/pgbouncer/pgbouncer.ini"
OURS = "/etc/pgbouncer/optimizer.ini"
ADDRESS = "postgres@/var/run/postgresql:6432"
RESTARTS = ("listen_backlog", "so_reuseport")

DEFAULTS: Mapping[str, str] = {
    "default_pool_size": "20",
    "min_pool_size": "0",
    "reserve_pool_size": "0",
    "reserve_pool_timeout": "5",
    "max_db_connections": "0",
    "max_client_conn": "100",
    "pool_mode": "transaction",
    "query_wait_timeout": "120",
    "listen_backlog": "128",
    "max_prepared_statements": "200",
}


def config(**values: str) -> dict[str, Parameter]:
    """Make rows of SHOW CONFIG: the defaults, and values that are otherwise."""
    return {
        name: Parameter(name, values.get(name, default), default, name not in RESTARTS)
        for name, default in DEFAULTS.items()
    }


POOLER = PgBouncer(
    name="6432",
    address=ADDRESS,
    unit="pgbouncer.service",
    version="PgBouncer 1.24.1",
    config_file=INI,
    config_state=LinedFile("ab" * 32, "640", "104:105", 9501),
    include=OURS,
    config=config(),
    lines=(
        ConfigLine(INI, 9, "[databases]"),
        ConfigLine(INI, 28, "[users]"),
        ConfigLine(INI, 39, "[pgbouncer]"),
    ),
    databases=(PooledDatabase("app", "127.0.0.1", "5432", size=20),),
    pools=(
        Pool("app", "app", active=3, busy=2, mode="transaction"),
        Pool("app", "web", active=5, mode="transaction"),
    ),
    open_files=1024,
)


def cluster(connections: int = 100, name: str = "5432", **parts: Any) -> PgCluster:
    """Make a cluster of the host that takes so many connections, three of them reserved."""
    settings = {
        "max_connections": PgSetting("max_connections", str(connections), context="postmaster"),
        "superuser_reserved_connections": PgSetting("superuser_reserved_connections", "3"),
    }
    return PgCluster(name=name, address="x@/y:5432", version=170000, settings=settings, **parts)


def seen(*poolers: PgBouncer, clusters: tuple[PgCluster, ...] | None = None) -> Observation:
    """Make an observation of a host with these, and a cluster where none is given."""
    made = observation(
        {},
        pgbouncer=poolers,
        postgresql=(cluster(),) if clusters is None else clusters,
        directories=frozenset({"/etc/pgbouncer"}),
    )
    values = {one.path: one for pooler in poolers for one in parameters_of(pooler)}
    return replace(made, values=values)
