"""PostgreSQL: the settings of a cluster, and names that probably meant one of them."""

from __future__ import annotations

from optimizer.catalog import (
    postgresql_memory,
    postgresql_queries,
    postgresql_reports,
    postgresql_upkeep,
    postgresql_wal,
)
from optimizer.catalog.declare import Area
from optimizer.catalog.spelling import meant, spellings

# Connections stand before what is shared out among them.
AREA = Area(
    "PostgreSQL",
    (
        *postgresql_memory.TUNABLES,
        *postgresql_wal.TUNABLES,
        *postgresql_queries.TUNABLES,
        *postgresql_upkeep.TUNABLES,
        *postgresql_reports.TUNABLES,
    ),
)

_SPELLED = spellings(AREA.tunables)


def nearest(name: str) -> str | None:
    """Return the id that a mistyped one was probably meant to be.

    Written as in a program or an environment (postgres.maxConnections) it is known too.
    """
    return meant(name, ("postgresql", "postgres", "pg"), _SPELLED)
