"""PostgreSQL clusters to check the health of: a good one, and one with all that can be wrong."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.postgresql import PgCluster
from optimizer.model.postgresql_health import (
    PgFound,
    PgHealth,
    PgObject,
    PgReplica,
    PgStandby,
    PgStatement,
)

DAY = 86_400
MIB = 2**20
GIB = 2**30

HEALTHY = PgHealth(
    databases=2,
    uptime=3 * DAY,
    stats_age=30 * DAY,
    connections={"active": 2, "idle": 10},
    max_connections=100,
    reserved=3,
    oldest_transaction=2,
    longest_statement=1,
    wraparound_age=40_000_000,
    wraparound_database="app",
    hits=99_000_000,
    reads=1_000_000,
    temp_bytes=200 * MIB,
    checksum_failures=0,
    checkpoints_timed=8000,
    checkpoints_requested=40,
    replicas=(PgReplica("db-2", "streaming", 0.02, 4096),),
    archive_fails=False,
    huge_pages="try",
    on_huge_pages=True,
    shared_buffers=8 * GIB,
    counts_statements=True,
    has_view=True,
    statements=(PgStatement("app", 4711, 90_000, 1.5, 135_000),),
)
SICK = replace(
    HEALTHY,
    unasked={"vault": "FATAL:  too many connections for database"},
    connections={"idle": 70, "idle in transaction": 26},
    oldest_transaction=2 * DAY,
    oldest_idle=7200,
    longest_statement=1200,
    wraparound_age=1_600_000_000,
    reads=99_000_000,
    deadlocks=900,
    temp_bytes=600 * GIB,
    checksum_failures=2,
    checkpoints_requested=8000,
    inactive_slots=1,
    slots_keep=30 * GIB,
    replicas=(
        PgReplica("db-2", "streaming", 400.0, 3 * GIB),
        PgReplica("db-3", "streaming", None, 0),
    ),
    archive_fails=True,
    archive_failures=77,
    on_huge_pages=False,
    counts_statements=False,
    statements=(PgStatement("app", -4711, 500, 2400.0, 1_200_000),),
    found={
        "unused": PgFound(
            5,
            900 * MIB,
            (
                PgObject("app.public.orders_note", 500 * MIB),
                PgObject("app.public.orders_at", 200 * MIB),
                PgObject("app.public.trades_at", 100 * MIB),
            ),
        ),
        "duplicate": PgFound(
            1, 90 * MIB, (PgObject("app.public.orders_id", 90 * MIB, "public.orders_pkey"),)
        ),
        "invalid": PgFound(1, 0, (PgObject("app.public.trades_new", 0),)),
        "unindexed": PgFound(1, 70_000, (PgObject("app.public.ticks", 70_000),)),
        "dead": PgFound(
            2,
            95,
            (
                PgObject("app.public.orders", 60, age=9 * DAY),
                PgObject("app.public.quotes", 35),
            ),
        ),
    },
)
FOLLOWING = replace(
    HEALTHY,
    replicas=(),
    checkpoints_requested=8000,
    standby=PgStandby(follows=True, streams=False, lag=600),
    conflicts=3000,
    found=SICK.found,
)

GOOD = PgCluster(
    "5432",
    address="postgres@/var/run/postgresql:5432",
    cluster="15/main",
    version=150018,
    unit="postgresql@15-main.service",
    health=HEALTHY,
)
BAD = replace(GOOD, name="5433", version=170010, health=SICK)
STANDBY = replace(GOOD, name="5434", is_standby=True, health=FOLLOWING)
DOWN = PgCluster(
    "5435",
    problem="is not running: cluster 15/old is down",
    unit="postgresql@15-old.service",
    cluster="15/old",
)
