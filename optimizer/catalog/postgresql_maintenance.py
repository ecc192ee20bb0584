"""PostgreSQL: what autovacuum leaves undone, by timers of ours for all clusters of a host.

Source: "Routine Database Maintenance Tasks" and REINDEX of the PostgreSQL manual.
"""

from __future__ import annotations

from optimizer.catalog.calendar import Calendar
from optimizer.catalog.declare import POSTGRESQL_DOCS, Area, unit_of
from optimizer.model.tunable import Effect, Risk, Tunable
from optimizer.model.values import Integer, ValueType


def _maintenance(name: str, value: ValueType, why: str, page: str, weight: int = 1) -> Tunable:
    """Declare a setting of the maintenance of a host."""
    return Tunable(
        f"postgresql.maintenance.{name}",
        "maintenance",
        name,
        value,
        why,
        f"{POSTGRESQL_DOCS}/{page}.html",
        weight=weight,
        effect=Effect.RELOAD,
        risk=Risk.MEDIUM,
        unit=unit_of(value),
    )


AREA = Area(
    "Maintenance of PostgreSQL",
    (
        _maintenance(
            "vacuum",
            Calendar(),
            "Is when VACUUM (ANALYZE) goes over the tables that need it, those that are only added "
            "to among them.",
            "routine-vacuuming",
        ),
        _maintenance(
            "reindex",
            Calendar(),
            "Is when bloated indexes are built again, one at a time, while others read and write.",
            "routine-reindex",
        ),
        _maintenance(
            "window",
            Integer(60, 86400, "s"),
            "Is how long one such run may take; what it does then is cancelled.",
            "routine-vacuuming",
        ),
        _maintenance(
            "bloat",
            # Keys that come in any order leave their index this much room, all the time.
            Integer(30, 95, "%"),
            "Is how much of an index has to be room for nothing before it is built again.",
            "routine-reindex",
        ),
    ),
)
