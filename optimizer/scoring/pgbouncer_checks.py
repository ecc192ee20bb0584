"""Every health check of PgBouncer as data, as those of PostgreSQL are.

Source: "Admin console" and "pgbouncer.ini" of the PgBouncer manual.
"""

from __future__ import annotations

from optimizer.model.profile import Threshold
from optimizer.scoring.check import Bad, Check

PGBOUNCER = (
    Check(
        "postgresql.pgbouncer",
        Bad.ABOVE,
        Threshold(0),
        "1 when it cannot be asked",
        "Nothing is known of its pools until it can be asked.",
        "SHOW VERSION",
        warning_when="it cannot be asked",
    ),
    Check(
        "postgresql.pgbouncer-waiting",
        Bad.ABOVE,
        Threshold(1, 10),
        "how long the client at the head of a queue has waited for a connection",
        "Look for long transactions; raise postgresql.pgbouncer.default_pool_size where the "
        "server has connections left.",
        "SHOW POOLS: cl_waiting, maxwait",
        unit="s",
        good=0,
    ),
    Check(
        "postgresql.pgbouncer-pool-used",
        Bad.ABOVE,
        Threshold(80),
        "busy connections as a share of the size of the fullest pool",
        "A burst has to wait: raise postgresql.pgbouncer.default_pool_size, or shorten "
        "transactions.",
        "SHOW POOLS: sv_active; document 001 of the seeds",
        unit="%",
        good=50,
    ),
    Check(
        "postgresql.pgbouncer-pools",
        Bad.ABOVE,
        Threshold(100),
        "what all pools to a cluster on the host may take of its connections for clients",
        "Lower postgresql.pgbouncer.default_pool_size, or set max_db_connections: what is too "
        "much is refused by the server.",
        "SHOW DATABASES: pool_size, reserve_pool; max_connections",
        unit="%",
    ),
    Check(
        "postgresql.pgbouncer-clients",
        Bad.ABOVE,
        Threshold(80, 95),
        "clients as a share of max_client_conn",
        "Raise postgresql.pgbouncer.max_client_conn, or look for clients that never close.",
        "SHOW POOLS; max_client_conn",
        unit="%",
        good=50,
    ),
    Check(
        "postgresql.pgbouncer-open-files",
        Bad.ABOVE,
        Threshold(0),
        "clients that max_client_conn allows and its open files do not",
        "Set LimitNOFILE of its unit: clients that it cannot accept wait, and nothing says why.",
        "max_client_conn",
    ),
    Check(
        "postgresql.pgbouncer-prepared",
        Bad.ABOVE,
        Threshold(0),
        "1 when named prepared statements fail, as connections change between transactions",
        "Have drivers send none (prepareThreshold=0, prepared_statements=False), or use 1.21 or "
        "later with max_prepared_statements.",
        "pgbouncer.ini: max_prepared_statements",
        warning_when="named prepared statements fail",
    ),
)
