"""PostgreSQL: what it counts and what it writes to its log.

Source: chapters "Error Reporting and Logging" and "Run-time Statistics" of the PostgreSQL
manual; pg_settings of 15, 17 and 18.
"""

from __future__ import annotations

from optimizer.catalog.declare import postgresql
from optimizer.catalog.postgresql_values import ON_OFF, Libraries, Real, Time, Words, kibibytes
from optimizer.catalog.valuetypes import Barring
from optimizer.model.tunable import Effect, Risk
from optimizer.model.values import INT_MAX

_PAGE = "runtime-config-logging"
_STATISTICS_PAGE = "runtime-config-statistics"

_NEVER = (-1, "never")
_SAMPLE = "log_min_duration_statement alone shows what is slow"

_STATISTICS = (
    postgresql(
        "shared_preload_libraries",
        Libraries(),
        "Names libraries that the server loads when it starts, pg_stat_statements to count what "
        "each statement takes; a name that is not installed keeps it from starting.",
        "runtime-config-client",
        weight=4,
        effect=Effect.RESTART,
        risk=Risk.HIGH,
    ),
    postgresql(
        "compute_query_id",
        Words(("auto", "on", "off", "regress")),
        "Gives statements of one shape one number; auto does where pg_stat_statements asks.",
        _STATISTICS_PAGE,
        weight=1,
        opt_in="auto, the default, is right",
    ),
    postgresql(
        "track_io_timing",
        ON_OFF,
        "Measures how long queries wait for the disk; cheap where the clock is.",
        _STATISTICS_PAGE,
        weight=2,
    ),
    postgresql(
        "track_wal_io_timing",
        ON_OFF,
        "Measures how long writes of the log take; since 14.",
        _STATISTICS_PAGE,
        weight=1,
        opt_in="it looks at the clock around each commit",
    ),
)

_LOG = (
    postgresql(
        "log_min_duration_statement",
        Time(0, INT_MAX, "ms", (_NEVER,)),
        "Logs statements that take at least this long; 0 logs all of them.",
        _PAGE,
        weight=4,
    ),
    postgresql(
        "log_min_duration_sample",
        Time(0, INT_MAX, "ms", (_NEVER,)),
        "Logs a share of the statements that take at least this long.",
        _PAGE,
        weight=1,
        opt_in=_SAMPLE,
    ),
    postgresql(
        "log_statement_sample_rate",
        Real(0, 1),
        "Is the share that log_min_duration_sample logs.",
        _PAGE,
        weight=1,
        opt_in=_SAMPLE,
    ),
    postgresql(
        "log_statement",
        Barring(
            Words(("none", "ddl", "mod", "all")),
            (("all", "it takes a third of the throughput, and writes what the statements carry, "
              "passwords among it, to the log"),),
        ),
        "Logs statements by what they do: ddl those that change tables and roles, mod those that "
        "change rows as well.",
        _PAGE,
        weight=2,
        risk=Risk.MEDIUM,
    ),
    postgresql(
        "log_duration",
        ON_OFF,
        "Logs how long every statement takes, without saying which it was.",
        _PAGE,
        weight=2,
        risk=Risk.MEDIUM,
    ),
    postgresql(
        "log_checkpoints",
        ON_OFF,
        "Logs each checkpoint: what started it, and how much it wrote.",
        _PAGE,
        weight=2,
    ),
    postgresql(
        "log_lock_waits",
        ON_OFF,
        "Logs who waited for a lock for longer than deadlock_timeout, and for whom.",
        _PAGE,
        weight=2,
    ),
    postgresql(
        "log_temp_files",
        kibibytes(0, _NEVER),
        "Logs sorts and hashes that went to disk with at least this much; 0 logs all.",
        _PAGE,
        weight=2,
    ),
    postgresql(
        "log_autovacuum_min_duration",
        Time(0, INT_MAX, "ms", (_NEVER,)),
        "Logs what autovacuum did where it took at least this long; 0 logs all.",
        _PAGE,
        weight=1,
    ),
)  # fmt: skip

TUNABLES = (*_STATISTICS, *_LOG)
