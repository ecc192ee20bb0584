"""PgBouncer: pools, what they wait for, clients, and how connections are kept alive.

Source: "pgbouncer.ini" of the PgBouncer manual; SHOW CONFIG of 1.18 and 1.24.
"""

from __future__ import annotations

from optimizer.catalog.declare import Area, package, pgbouncer
from optimizer.catalog.postgresql_values import ON_OFF_WORDS, Time
from optimizer.catalog.spelling import meant, spellings
from optimizer.model.tunable import Effect, Risk
from optimizer.model.values import INT_MAX, Choice, Integer

_COUNT = Integer(0, INT_MAX)
_SIZE = Integer(1, INT_MAX)
_SECONDS = Time(0, 10**9, "s")
_SWITCH = Choice(("1", "0"), tuple((word, "1" if on == "on" else "0") for word, on in ON_OFF_WORDS))

_SESSIONS = (
    "transaction and statement break what a session keeps: SET, LISTEN, temporary tables, advisory "
    "locks, cursors WITH HOLD, and before 1.21 prepared statements; its clients have to be made "
    "for that"
)

_POOLS = (
    pgbouncer(
        "pool_mode",
        Choice(("session", "transaction", "statement")),
        "Is when a connection goes back into its pool; with transaction few serve many clients.",
        weight=3,
        risk=Risk.HIGH,
        opt_in=_SESSIONS,
    ),
    pgbouncer(
        "default_pool_size",
        _SIZE,
        "Is how many connections each user has to each database, unless the database has a number "
        "of its own.",
        weight=5,
        risk=Risk.MEDIUM,
    ),
    pgbouncer(
        "min_pool_size",
        _COUNT,
        "Is how many connections of a pool in use stay open, so that a burst finds them.",
        weight=2,
    ),
    pgbouncer(
        "reserve_pool_size",
        _COUNT,
        "Is how many more a pool gets when a client has waited for reserve_pool_timeout.",
        weight=3,
    ),
    pgbouncer(
        "reserve_pool_timeout",
        _SECONDS,
        "Is how long a client waits before the reserve is used; 0 never uses it.",
        weight=2,
    ),
    pgbouncer(
        "max_db_connections",
        _COUNT,
        "Is what all pools of one database have together, so that new users cannot take more than "
        "the server has; 0 sets no limit.",
        weight=4,
        risk=Risk.MEDIUM,
    ),
    pgbouncer(
        "max_user_connections",
        _COUNT,
        "Is what all pools of one user have together; 0 sets no limit.",
        weight=2,
        opt_in="which user may have how many is for whoever gives the users out",
    ),
    pgbouncer(
        "max_prepared_statements",
        _COUNT,
        "Is how many named prepared statements it follows for each connection in the modes "
        "transaction and statement; 0, the default of 1.21 and 1.22, follows none, and they fail.",
        weight=2,
    ),
)

_TIMES = (
    pgbouncer(
        "query_wait_timeout",
        _SECONDS,
        "Ends a client that has waited this long for a connection; 0 lets it wait for ever.",
        weight=3,
    ),
    pgbouncer(
        "server_idle_timeout",
        _SECONDS,
        "Closes a connection that nobody used for this long; 0 never does.",
        weight=2,
    ),
    pgbouncer(
        "server_lifetime",
        _SECONDS,
        "Closes a connection of this age when nobody uses it, so that its memory on the server is "
        "given back; 0 closes it after each use.",
        weight=2,
    ),
    pgbouncer(
        "server_check_delay",
        _SECONDS,
        "Is how long a connection may have been idle before it is tried out first.",
        weight=2,
    ),
    pgbouncer(
        "server_connect_timeout",
        _SECONDS,
        "Gives a connection up that is not made in this time.",
        weight=2,
    ),
    pgbouncer(
        "server_login_retry",
        _SECONDS,
        "Is how long it waits before it tries a server again that did not let it in.",
        weight=2,
    ),
    pgbouncer(
        "idle_transaction_timeout",
        _SECONDS,
        "Ends a client that is idle within a transaction for this long; 0 never does.",
        weight=2,
    ),
)

_CLIENTS = (
    pgbouncer(
        "max_client_conn",
        _SIZE,
        "Is how many clients may be connected; each takes an open file.",
        weight=3,
    ),
    pgbouncer(
        "listen_backlog",
        _SIZE,
        "Is how many clients may wait to be accepted; net.core.somaxconn cuts it.",
        weight=2,
        effect=Effect.RESTART,
    ),
    pgbouncer(
        "so_reuseport",
        _SWITCH,
        "Lets several PgBouncers listen on one port, as one uses a single CPU.",
        weight=2,
        effect=Effect.RESTART,
        opt_in="each has to be given a configuration and a socket of its own first",
    ),
)

_KEEPALIVE = (
    pgbouncer(
        "tcp_keepalive",
        _SWITCH,
        "Has the kernel look whether the other side is still there.",
        weight=2,
    ),
    pgbouncer(
        "tcp_keepidle",
        _SECONDS,
        "Is how long a connection is silent before it is looked at; 0 is the kernel's own time.",
        weight=1,
    ),
    pgbouncer(
        "tcp_keepintvl",
        _SECONDS,
        "Is how long it takes from one look to the next; 0 is the kernel's own time.",
        weight=1,
    ),
    pgbouncer(
        "tcp_keepcnt",
        _COUNT,
        "Is after how many looks without an answer a connection is given up; 0 is the kernel's "
        "own number.",
        weight=1,
    ),
    pgbouncer(
        "tcp_user_timeout",
        Time(0, INT_MAX, "ms"),
        "Gives a connection up whose data is not acknowledged for this long; 0 is the kernel's "
        "own time.",
        weight=1,
    ),
)

_INSTALLED = package(
    "postgresql.pgbouncer.installed",
    "pgbouncer",
    "Is Debian's package of PgBouncer, beside a cluster. Its service starts at once with the "
    "package's own configuration, which has no databases; the next plan tunes it.",
    "https://www.pgbouncer.org/install.html",
    weight=2,
    opt_in="it brings packages and a service that nobody uses before its databases are named",
)

AREA = Area("PgBouncer", (_INSTALLED, *_POOLS, *_TIMES, *_CLIENTS, *_KEEPALIVE))

_SPELLED = spellings(AREA.tunables)


def nearest(name: str) -> str | None:
    """Return the id that a mistyped one was probably meant to be."""
    return meant(name, ("postgresql.pgbouncer", "pgbouncer"), _SPELLED)
