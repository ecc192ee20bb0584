"""PostgreSQL clusters that this controller reaches by itself, asked through psycopg.

The same query as the host gives its own psql, and the same typed answer. It is for reading: what
a cluster is changed through is the host, where its files and the way back are.
"""

from __future__ import annotations

import json

from optimizer.host.postgresql_observed import described
from optimizer.host.postgresql_query import postgresql_query
from optimizer.model.postgresql import PgCluster
from optimizer.model.request import ProbeRequest

_PATIENCE = 10


def read_cluster(dsn: str, request: ProbeRequest) -> PgCluster:
    """Ask a cluster by its connection string. Never raises: what is wrong is its problem."""
    import psycopg

    try:
        with psycopg.connect(dsn, connect_timeout=_PATIENCE, autocommit=True) as connection:
            name = str(connection.info.port)
            said = connection.execute(postgresql_query(request.postgresql)).fetchone()
    except psycopg.Error as error:
        # The connection string is not repeated, as it may hold a password.
        problem = f"gives no answer over postgres_dsn: {str(error).splitlines()[0]}"
        return PgCluster(name="postgres_dsn", problem=problem, can_change=False)
    return described(PgCluster(name=name, can_change=False), json.loads(said[0] if said else "{}"))
