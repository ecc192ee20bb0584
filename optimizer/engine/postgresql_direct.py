"""PostgreSQL clusters that this controller reaches by itself, asked through psycopg.

The same queries as the host gives its own psql, and the same typed answer. It is for reading: what
a cluster is changed through is the host, where its files and the way back are.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from optimizer.host.postgresql_health_observed import healths
from optimizer.host.postgresql_health_query import (
    SECONDS,
    SESSION,
    database_query,
    databases_query,
    health_query,
)
from optimizer.host.postgresql_observed import described
from optimizer.host.postgresql_query import postgresql_query
from optimizer.model.postgresql import PgCluster
from optimizer.model.postgresql_health import PgHealth
from optimizer.model.request import ProbeRequest

if TYPE_CHECKING:
    from psycopg import Connection

_PATIENCE = 10
# What of a connection string may be in a message of libpq.
_SHOWN = ("host", "hostaddr", "user", "dbname", "connect_timeout")


def read_cluster(dsn: str, request: ProbeRequest) -> PgCluster:
    """Ask a cluster by its connection string. Never raises: what is wrong is its problem."""
    import psycopg

    if not _is_conninfo(dsn):
        # What is wrong with it is not repeated, as that may be a password.
        problem = "gives no answer over postgres_dsn, as that is no connection string"
        return PgCluster(name="postgres_dsn", problem=problem, can_change=False)
    try:
        with _connected(dsn) as connection:
            name = str(connection.info.port)
            said = connection.execute(postgresql_query(request.postgresql)).fetchone()
    except psycopg.Error as error:
        problem = f"gives no answer over postgres_dsn: {_reason(error, dsn)}"
        return PgCluster(name="postgres_dsn", problem=problem, can_change=False)
    cluster = described(
        PgCluster(name=name, can_change=False), json.loads(said[0] if said else "{}")
    )
    return replace(cluster, health=_health(dsn)) if request.postgresql_health else cluster


def _connected(dsn: str, database: str | None = None) -> Connection[Any]:
    import psycopg

    # Without a name the one that the connection string has counts.
    return psycopg.connect(dsn, dbname=database, connect_timeout=_PATIENCE, autocommit=True)


def _is_conninfo(dsn: str) -> bool:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(dsn)
    except (ProgrammingError, UnicodeError):
        return False
    return True


def _reason(error: Exception, dsn: str) -> str:
    """Return what went wrong; of the connection string no more than who is asked as whom."""
    from psycopg.conninfo import conninfo_to_dict

    said = (str(error).splitlines() or ["it gave no reason"])[0]
    for name, value in conninfo_to_dict(dsn).items():
        is_harmless = name in _SHOWN or (name == "port" and str(value).isdecimal())
        if value and not is_harmless:
            said = said.replace(str(value), "…")
    return said


def _health(dsn: str) -> PgHealth:
    """Ask a cluster, and each of its databases, what psql on its host would be asked."""
    import psycopg

    by_word: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    try:
        [[said]] = _asked(dsn, health_query())
        by_word["postgresql-health"].append(("", said))
        names = [name for (name,) in _asked(dsn, databases_query())]
    except psycopg.Error as error:
        by_word["postgresql-unasked"].append(("", "", _reason(error, dsn)))
        names = []
    until = time.monotonic() + SECONDS
    for name in names:
        try:
            if time.monotonic() > until:
                by_word["postgresql-unasked"].append(("", name, "there was no time left"))
                continue
            [[said]] = _asked(dsn, database_query(), name)
            by_word["postgresql-database"].append(("", said))
        except psycopg.Error as error:
            by_word["postgresql-unasked"].append(("", name, _reason(error, dsn)))
    return healths(by_word)[""]


def _asked(dsn: str, query: str, database: str | None = None) -> list[tuple[Any, ...]]:
    with _connected(dsn, database) as connection:
        for name, text in SESSION.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, text))
        return connection.execute(query).fetchall()
