"""Databases of a test's own, and an independent look at what is in them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from tests.hosts.arranged import arranged
from tests.hosts.postgresql_lab import Cluster

# A name that a shell, a connection string, a path and SQL would each take for something else.
HOSTILE = "$(touch /tmp/x)=1/'é\"%41`id`\\ "
_OBJECTS = r"""
SELECT 'extension ' || extname || ' ' || extversion || ' in ' || extnamespace::regnamespace
FROM pg_extension
UNION ALL
SELECT 'relation ' || oid::regclass || ' ' || relkind::text FROM pg_class
WHERE relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace,
    'information_schema'::regnamespace)
UNION ALL
SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'comment ' || classoid::regclass || ' ' || objoid || ' ' || description FROM pg_description
WHERE objoid >= 16384
ORDER BY 1
"""


def asked(cluster: Cluster, database: str, query: str) -> str:
    """Return what one database answers, one row a line."""
    name = shlex.quote(database)
    program = f"cd / && PGDATABASE={name} runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1"
    return cluster.host.run(f"{program} -p {cluster.port}", input=query).stdout.removesuffix("\n")


def objects(cluster: Cluster, database: str) -> list[str]:
    """Return extensions, relations, functions and comments that somebody made in a database."""
    return asked(cluster, database, _OBJECTS).splitlines()


@contextmanager
def databases(cluster: Cluster, *names: str) -> Iterator[None]:
    """Have databases of these names for a while."""
    run = "cd / && runuser -u postgres --"
    words = [f"-p {cluster.port} -- {shlex.quote(name)}" for name in names]
    make = " && ".join(f"{run} createdb {one}" for one in words)
    with arranged(cluster.host, make, " ; ".join(f"{run} dropdb {one}" for one in words)):
        yield
