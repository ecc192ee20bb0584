"""PostgreSQL: how many connections there may be, and what memory each part of it may take.

Source: chapter "Resource Consumption" of the PostgreSQL manual; pg_settings of 15, 17 and 18.
"""

from __future__ import annotations

from optimizer.catalog.declare import postgresql
from optimizer.catalog.postgresql_values import Rising, blocks, kibibytes
from optimizer.model.tunable import Effect, Risk
from optimizer.model.values import Integer

_PAGE = "runtime-config-resource"
_CONNECTIONS_PAGE = "runtime-config-connection"

# MAX_BACKENDS of the server.
_BACKENDS = 262143

_CONNECTIONS = (
    postgresql(
        "max_connections",
        Integer(1, _BACKENDS),
        "Caps the connections; each one may sort in memory of its own, and a standby needs at "
        "least as many as its primary to start.",
        _CONNECTIONS_PAGE,
        weight=5,
        effect=Effect.RESTART,
        risk=Risk.HIGH,
    ),
    postgresql(
        "superuser_reserved_connections",
        Integer(0, _BACKENDS),
        "Keeps connections for superusers, to look at a server that is full.",
        _CONNECTIONS_PAGE,
        weight=2,
        effect=Effect.RESTART,
    ),
    postgresql(
        "reserved_connections",
        Integer(0, _BACKENDS),
        "Keeps connections for roles with pg_use_reserved_connections.",
        _CONNECTIONS_PAGE,
        weight=1,
        effect=Effect.RESTART,
        opt_in="it takes them from all others, and which role shall have them has to be decided",
    ),
)

_SIZES = (
    postgresql(
        "shared_buffers",
        blocks(16, 1073741823),
        "Is the server's own cache of pages; with more than the host has it does not start.",
        _PAGE,
        weight=8,
        effect=Effect.RESTART,
        risk=Risk.HIGH,
    ),
    postgresql(
        "huge_pages",
        Rising(
            ("off", "try", "on"),
            (
                ("true", "on"),
                ("yes", "on"),
                ("1", "on"),
                ("false", "off"),
                ("no", "off"),
                ("0", "off"),
            ),
        ),
        "Puts that cache on huge pages of the host; with on and too few of them reserved the "
        "server does not start.",
        _PAGE,
        weight=2,
        effect=Effect.RESTART,
        risk=Risk.HIGH,
    ),
    postgresql(
        "huge_page_size",
        kibibytes(2**10, (0, "the default of the host")),
        "Is the size of those pages, where the host has several.",
        _PAGE,
        weight=1,
        effect=Effect.RESTART,
        risk=Risk.HIGH,
        opt_in="few hosts have reserved pages of another size than the default",
    ),
    postgresql(
        "maintenance_work_mem",
        kibibytes(64 * 2**10),
        "Is what VACUUM or the building of an index may take.",
        _PAGE,
        weight=4,
        risk=Risk.MEDIUM,
    ),
    postgresql(
        "autovacuum_work_mem",
        kibibytes(64 * 2**10, (-1, "as maintenance_work_mem")),
        "Is what each autovacuum worker may take; all of them may run at once.",
        _PAGE,
        weight=3,
        risk=Risk.MEDIUM,
    ),
    postgresql(
        "work_mem",
        kibibytes(64 * 2**10),
        "Is what each sort and each hash of a query may take, several of them in one query, and "
        "that in every connection.",
        _PAGE,
        weight=6,
        risk=Risk.HIGH,
    ),
    postgresql(
        "effective_cache_size",
        blocks(1, 2147483647),
        "Tells the planner how much of the data is likely to be in memory; it takes none itself.",
        "runtime-config-query",
        weight=4,
    ),
)

TUNABLES = (*_CONNECTIONS, *_SIZES)
