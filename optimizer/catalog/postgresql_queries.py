"""PostgreSQL: what the planner assumes, and what a query may use to be faster.

Source: chapters "Query Planning" and "Resource Consumption" of the PostgreSQL manual;
pg_settings of 15, 17 and 18.
"""

from __future__ import annotations

from optimizer.catalog.declare import postgresql
from optimizer.catalog.postgresql_values import ON_OFF, Real, Words
from optimizer.model.tunable import Effect, Risk
from optimizer.model.values import Integer

_PLANNER_PAGE = "runtime-config-query"
_PAGE = "runtime-config-resource"

_PLANNER = (
    postgresql(
        "random_page_cost",
        Real(0, 1000000),
        "Is what a page out of order costs, measured by one in order; the default is that of a "
        "turning disk and keeps the planner from indexes.",
        _PLANNER_PAGE,
        weight=5,
        risk=Risk.MEDIUM,
    ),
    postgresql(
        "default_statistics_target",
        Integer(1, 10000),
        "Is how much detail ANALYZE keeps of each column.",
        _PLANNER_PAGE,
        weight=2,
    ),
    postgresql(
        "jit",
        ON_OFF,
        "Compiles expensive queries to machine code first, which takes short ones longer than it "
        "saves.",
        _PLANNER_PAGE,
        weight=3,
    ),
)

_DISK = (
    postgresql(
        "effective_io_concurrency",
        Integer(0, 1000),
        "Is how many pages are asked for ahead: of bitmap scans until 17, of all scans since 18.",
        _PAGE,
        weight=2,
    ),
    postgresql(
        "maintenance_io_concurrency",
        Integer(0, 1000),
        "Is the same for VACUUM and its like.",
        _PAGE,
        weight=1,
        opt_in="the default is enough for one such job at a time",
    ),
    postgresql(
        "io_method",
        Words(("sync", "worker", "io_uring")),
        "Is how 18 and later read ahead; io_uring needs a build and a kernel that have it.",
        _PAGE,
        weight=1,
        effect=Effect.RESTART,
        risk=Risk.HIGH,
        opt_in="the default needs neither, and io_uring has to be measured on the host",
    ),
    postgresql(
        "io_workers",
        Integer(1, 32),
        "Is how many processes read ahead for all others, with io_method worker.",
        _PAGE,
        weight=2,
    ),
    postgresql(
        "io_max_concurrency",
        Integer(-1, 1024),
        "Caps what one process may have asked for; -1 works it out from shared_buffers.",
        _PAGE,
        weight=1,
        effect=Effect.RESTART,
        opt_in="the server works it out",
    ),
)

_PARALLEL = (
    postgresql(
        "max_worker_processes",
        Integer(0, 262143),
        "Caps the processes for parallel queries, replication and extensions together; a standby "
        "needs at least as many as its primary to start.",
        _PAGE,
        weight=2,
        effect=Effect.RESTART,
        risk=Risk.HIGH,
    ),
    postgresql(
        "max_parallel_workers",
        Integer(0, 1024),
        "Caps those of parallel queries; each may take work_mem as its leader does.",
        _PAGE,
        weight=2,
    ),
    postgresql(
        "max_parallel_workers_per_gather",
        Integer(0, 1024),
        "Caps those of one query; 0 leaves the CPUs to other connections.",
        _PAGE,
        weight=2,
    ),
    postgresql(
        "max_parallel_maintenance_workers",
        Integer(0, 1024),
        "Caps those that build one index or vacuum the indexes of one table.",
        _PAGE,
        weight=2,
    ),
)

TUNABLES = (*_PLANNER, *_DISK, *_PARALLEL)
