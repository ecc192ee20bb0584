"""PostgreSQL: objects in its databases that show what it counts.

Source: "pg_stat_statements" and "The Cumulative Statistics System" of the PostgreSQL manual.
"""

from __future__ import annotations

from optimizer.catalog.declare import Area, postgresql_object
from optimizer.catalog.postgresql_values import ON_OFF
from optimizer.catalog.valuetypes import Barring

_ON = Barring(
    ON_OFF,
    (("off", "a profile drops nothing in a database; leave it out, or say untouched"),),
)

# A view is made after what it asks.
_TUNABLES = (
    postgresql_object(
        "extension/pg_stat_statements",
        _ON,
        "Is the view of what each statement takes. It fails until the server has been restarted "
        "with the library, so it is made where that is loaded, or by the same restart.",
        "pgstatstatements",
        weight=2,
    ),
    postgresql_object(
        "view/performance_summary",
        _ON,
        "Shows how each table is read and written, and when it was last vacuumed and analyzed.",
        "monitoring-stats",
        weight=1,
    ),
    postgresql_object(
        "view/slow_queries",
        _ON,
        "Shows the statements of more than 100 calls, slowest first; it needs the extension "
        "pg_stat_statements in the same database.",
        "pgstatstatements",
        weight=1,
    ),
)

AREA = Area("PostgreSQL databases", _TUNABLES)
