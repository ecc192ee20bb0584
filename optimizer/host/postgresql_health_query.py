"""The queries about the health of a PostgreSQL cluster, for its host and the controller alike."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

# How a session begins that asks them: it waits for nobody, and changes nothing.
SESSION = {
    "statement_timeout": "10s",
    "lock_timeout": "2s",
    "jit": "off",
    "search_path": "pg_catalog",
    "default_transaction_read_only": "on",
}
# All databases of a cluster together may take this many seconds.
SECONDS = 30


def health_query() -> str:
    """Return what a cluster is asked about itself, the same for PostgreSQL 13 to 18."""
    return _text("postgresql_health.sql")


def databases_query() -> str:
    """Return what a cluster is asked for the names of the databases to look at."""
    return _text("postgresql_health_databases.sql")


def database_query() -> str:
    """Return what each database is asked about its tables and indexes."""
    return _text("postgresql_health_database.sql")


@cache
def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
