"""PostgreSQL: autovacuum, and guards against what holds it or others up.

Source: chapters "Vacuuming", "Client Connection Defaults" and "Connections and Authentication"
of the PostgreSQL manual; pg_settings of 15, 17 and 18.
"""

from __future__ import annotations

from optimizer.catalog.declare import postgresql
from optimizer.catalog.postgresql_values import ON_OFF, Real, Time
from optimizer.catalog.valuetypes import Barring
from optimizer.model.tunable import Effect, Risk
from optimizer.model.values import INT_MAX, Integer, Sentinel

_VACUUM_PAGE = "runtime-config-vacuum"
_CLIENT_PAGE = "runtime-config-client"
_CONNECTIONS_PAGE = "runtime-config-connection"

_NEVER = (0, "never")
_KERNEL = (0, "as the kernel does")
_BY_ROLE = "what is too long differs from role to role: ALTER ROLE sets it for one"

_AUTOVACUUM = (
    postgresql(
        "autovacuum",
        Barring(
            ON_OFF,
            (("off", "tables then only grow, until the server stops before its transaction "
              "numbers run out"),),
        ),
        "Gives the room of deleted rows back, and keeps what the planner knows up to date.",
        _VACUUM_PAGE,
        weight=6,
        risk=Risk.HIGH,
    ),
    postgresql(
        "autovacuum_naptime",
        Time(1, 2147483, "s"),
        "Is how often each database is looked at.",
        _VACUUM_PAGE,
        weight=2,
    ),
    postgresql(
        "autovacuum_max_workers",
        Integer(1, 262143),
        "Is how many tables are worked on at once, within one budget for all of them; until 17 "
        "it needs a restart.",
        _VACUUM_PAGE,
        weight=1,
        effect=Effect.RESTART,
        opt_in="more workers are each slower: autovacuum_vacuum_cost_limit is what they share",
    ),
    postgresql(
        "autovacuum_worker_slots",
        Integer(1, 262143),
        "Is how far autovacuum_max_workers of 18 can be raised without a restart.",
        _VACUUM_PAGE,
        weight=1,
        effect=Effect.RESTART,
        opt_in="the default is more than most servers use",
    ),
    postgresql(
        "autovacuum_vacuum_cost_limit",
        Sentinel(Integer(1, 10000), ("-1",)),
        "Is how much all workers may do before they pause; -1 is vacuum_cost_limit, 200.",
        _VACUUM_PAGE,
        weight=3,
    ),
    postgresql(
        "autovacuum_vacuum_cost_delay",
        Real(0, 100, "ms", ((-1, "as vacuum_cost_delay"),)),
        "Is how long that pause is.",
        _VACUUM_PAGE,
        weight=2,
    ),
    postgresql(
        "autovacuum_vacuum_scale_factor",
        Real(0, 100),
        "Is the share of a table's rows that has to be dead before it is vacuumed; a table can "
        "have its own.",
        _VACUUM_PAGE,
        weight=2,
    ),
    postgresql(
        "autovacuum_analyze_scale_factor",
        Real(0, 100),
        "Is the share of a table's rows that has to change before it is analyzed.",
        _VACUUM_PAGE,
        weight=1,
    ),
)  # fmt: skip

_GUARDS = (
    postgresql(
        "idle_in_transaction_session_timeout",
        Time(1, INT_MAX, "ms", (_NEVER,)),
        "Ends a session that leaves a transaction open and does nothing: what it holds keeps "
        "others waiting and dead rows in their place.",
        _CLIENT_PAGE,
        weight=3,
        risk=Risk.MEDIUM,
    ),
    postgresql(
        "statement_timeout",
        Time(1, INT_MAX, "ms", (_NEVER,)),
        "Ends a statement that takes longer.",
        _CLIENT_PAGE,
        weight=1,
        risk=Risk.HIGH,
        opt_in=_BY_ROLE,
    ),
    postgresql(
        "lock_timeout",
        Time(1, INT_MAX, "ms", (_NEVER,)),
        "Ends a statement that waits longer for a lock.",
        _CLIENT_PAGE,
        weight=1,
        risk=Risk.MEDIUM,
        opt_in=_BY_ROLE,
    ),
    postgresql(
        "transaction_timeout",
        Time(1, INT_MAX, "ms", (_NEVER,)),
        "Ends a transaction that takes longer; since 17.",
        _CLIENT_PAGE,
        weight=1,
        risk=Risk.HIGH,
        opt_in=_BY_ROLE,
    ),
    postgresql(
        "idle_session_timeout",
        Time(1, INT_MAX, "ms", (_NEVER,)),
        "Ends a session that does nothing outside of a transaction; since 14.",
        _CLIENT_PAGE,
        weight=1,
        risk=Risk.MEDIUM,
        opt_in="it ends the connections that a pool keeps ready",
    ),
)

_DEAD_PEERS = (
    postgresql(
        "tcp_keepalives_idle",
        Time(1, INT_MAX, "s", (_KERNEL,)),
        "Is after how much silence a client is asked whether it is there.",
        _CONNECTIONS_PAGE,
        weight=2,
    ),
    postgresql(
        "tcp_keepalives_interval",
        Time(1, INT_MAX, "s", (_KERNEL,)),
        "Is how long an answer may take before it is asked again.",
        _CONNECTIONS_PAGE,
        weight=2,
    ),
    postgresql(
        "tcp_keepalives_count",
        Integer(0, INT_MAX),
        "Is how many answers may be missing; 0 is what the kernel does.",
        _CONNECTIONS_PAGE,
        weight=2,
    ),
    postgresql(
        "tcp_user_timeout",
        Time(1, INT_MAX, "ms", (_KERNEL,)),
        "Is how long data may stay unacknowledged before the connection is given up.",
        _CONNECTIONS_PAGE,
        weight=1,
    ),
    postgresql(
        "client_connection_check_interval",
        Time(1, INT_MAX, "ms", (_NEVER,)),
        "Is how often a running query looks whether its client is still there; since 14.",
        _CONNECTIONS_PAGE,
        weight=2,
    ),
)

TUNABLES = (*_AUTOVACUUM, *_GUARDS, *_DEAD_PEERS)
