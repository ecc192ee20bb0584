"""Node services to check the health of: a good one, and one with all that can be wrong."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.node_health import (
    NodeHealth,
    NodeProbe,
    NodeProcess,
    NodeSpan,
    Pauses,
    Quantiles,
)

UPTIME = 400_000.0
MIB = 2**20

CALM = NodeSpan(
    seconds=55,
    utilization=0.12,
    delay=Quantiles(count=10_000, p50=0.0001, p99=0.0012, max=0.004),
    pauses=Quantiles(count=200, p50=0.0004, p99=0.002, max=0.003),
    kinds={"minor": Pauses(200, 0.11, 0.003)},
)
LATE = NodeSpan(
    seconds=50,
    utilization=0.97,
    delay=Quantiles(count=4_000, p50=0.012, p99=0.151, max=1.4),
    pauses=Quantiles(count=90, p50=0.01, p99=0.13, max=0.4),
    kinds={"minor": Pauses(80, 0.5, 0.02), "major": Pauses(10, 1.5, 0.4)},
)
PROBE = NodeProbe(
    version="20.19.2",
    uptime=300_000,
    resolution=0.005,
    start=replace(CALM, delay=replace(CALM.delay, max=0.083)),
    window=CALM,
    heap_used=200 * MIB,
    heap_limit=2048 * MIB,
    rss=300 * MIB,
)
FULL = replace(PROBE, start=LATE, window=LATE, heap_used=2000 * MIB)

GOOD = NodeHealth(
    name="web.service",
    processes=(
        NodeProcess(100, 1, 60 * MIB, 22, 524_288, PROBE),
        NodeProcess(101, 100, 300 * MIB, 150, 524_288, PROBE),
    ),
    state="active",
    active_since=100_000,
    memory_max=1024 * MIB,
)
BAD = NodeHealth(
    name="api.service",
    processes=(
        NodeProcess(200, 1, 500 * MIB, 990, 1024, PROBE),
        NodeProcess(201, 200, 500 * MIB, 22, 1024, FULL),
        NodeProcess(202, 200, 10 * MIB, 22, 1024, problem="no answer within 3 s"),
    ),
    state="active",
    restarts=7,
    active_since=UPTIME - 600,
    memory_max=1024 * MIB,
)
# What is known of any Node process, and of one that this account cannot look into.
UNWATCHED = NodeHealth("old.service", (NodeProcess(300, 1, 48 * MIB, 19, 1024),), "active")
HIDDEN = NodeHealth("pid 400", (NodeProcess(400, 1, 48 * MIB),))
DOWN = NodeHealth("gone.service", state="failed", restarts=5)
