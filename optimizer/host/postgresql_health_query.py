"""The queries about the health of a PostgreSQL cluster: one for all of it, one per database."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def health_query() -> str:
    """Return what a cluster is asked about itself, the same for PostgreSQL 13 to 18."""
    return files(__package__).joinpath("postgresql_health.sql").read_text(encoding="utf-8")


@cache
def database_query() -> str:
    """Return what each database is asked about its tables and indexes."""
    path = files(__package__).joinpath("postgresql_health_database.sql")
    return path.read_text(encoding="utf-8")
