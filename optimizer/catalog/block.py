"""Block devices: the request queue of each disk."""

from __future__ import annotations

from optimizer.catalog.declare import KERNEL_DOCS, Area, sysfs
from optimizer.model.tunable import Coupling
from optimizer.model.values import INT_MAX, Choice, Integer

_QUEUE = f"{KERNEL_DOCS}/admin-guide/abi-stable.html"

AREA = Area(
    "Block devices",
    (
        # A new scheduler starts with a queue of its own size, and with settings of its own.
        sysfs(
            "block.scheduler",
            "/sys/block/*/queue/scheduler",
            value=Choice(("none", "mq-deadline", "kyber", "bfq"), (("deadline", "mq-deadline"),)),
            why="Orders the requests of a disk; flash answers fastest unordered, a turning disk "
            "needs its writes in order and its reads in time.",
            docs=f"{KERNEL_DOCS}/block/switching-sched.html",
            weight=4,
            coupling=Coupling(
                resets=("system.block.nr_requests", "system.block.wbt_lat_usec"),
                owns=("/sys/block/*/queue/iosched/*",),
            ),
        ),
        sysfs(
            "block.nr_requests",
            "/sys/block/*/queue/nr_requests",
            value=Integer(4, 65536),
            why="Is how many requests may wait for a disk; a longer queue helps throughput and "
            "delays the last request in it.",
            docs=_QUEUE,
            weight=1,
            # mq-deadline works its own limit out anew.
            coupling=Coupling(resets=("/sys/block/*/queue/iosched/async_depth",)),
        ),
        sysfs(
            "block.read_ahead_kb",
            "/sys/block/*/queue/read_ahead_kb",
            value=Integer(0, INT_MAX, "kB"),
            why="Is how far a file read in order is read ahead; too far and random reads drag in "
            "data that nobody wants.",
            docs=_QUEUE,
            weight=2,
        ),
        sysfs(
            "block.rq_affinity",
            "/sys/block/*/queue/rq_affinity",
            value=Choice(("0", "1", "2")),
            why="Says where a request is completed: 1 near the CPU that asked, 2 on that CPU.",
            docs=_QUEUE,
            weight=2,
        ),
        sysfs(
            "block.nomerges",
            "/sys/block/*/queue/nomerges",
            value=Choice(("0", "1", "2")),
            why="Saves the search for requests that could be joined, which flash hardly needs.",
            docs=_QUEUE,
            weight=1,
        ),
        sysfs(
            "block.wbt_lat_usec",
            "/sys/block/*/queue/wbt_lat_usec",
            value=Integer(0, INT_MAX, "us"),
            why="Holds background writes back while reads take longer than this; 0 never does.",
            docs=_QUEUE,
            weight=1,
        ),
    ),
)
