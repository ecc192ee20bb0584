"""Every health check of Node services as data, as those of the other servers are.

Sources: perf_hooks, v8 and process of the Node documentation; systemd.service(5); document 004 of
the seeds for the limit of the event loop: 10 ms, 5 ms or 1 ms.
"""

from __future__ import annotations

from optimizer.model.profile import Threshold
from optimizer.scoring.check import Bad, Check

_PERF_HOOKS = "perf_hooks: monitorEventLoopDelay; document 004 of the seeds"
_LOOK_AT_LOOP = "Look for synchronous work: node --cpu-prof shows it; worker_threads take it away."

NODE = (
    Check(
        "node.server",
        Bad.ABOVE,
        Threshold(0, 1),
        "1 when its probe gives no answer, 2 when its unit does not run",
        "Look into its log.",
        "systemd: ActiveState",
        warning_when="its probe gives no answer",
        critical_when="it does not run",
    ),
    Check(
        "node.loop-delay-median",
        Bad.ABOVE,
        Threshold(5, 10),
        "delay of the event loop that every second turn exceeds",
        f"The loop is late all the time. {_LOOK_AT_LOOP}",
        _PERF_HOOKS,
        unit="ms",
        good=2,
    ),
    Check(
        "node.loop-delay",
        Bad.ABOVE,
        Threshold(10, 100),
        "delay of the event loop that 1 turn in 100 exceeds",
        _LOOK_AT_LOOP,
        _PERF_HOOKS,
        unit="ms",
        good=5,
    ),
    Check(
        "node.loop-delay-longest",
        Bad.ABOVE,
        Threshold(100, 1000),
        "longest delay of the event loop",
        _LOOK_AT_LOOP,
        _PERF_HOOKS,
        unit="ms",
        good=50,
    ),
    Check(
        "node.loop-used",
        Bad.ABOVE,
        Threshold(80, 95),
        "share of the time that the event loop was busy",
        "It is near what one core can do: more workers or hosts, or less to do.",
        "perf_hooks: eventLoopUtilization",
        unit="%",
        good=60,
    ),
    Check(
        "node.heap-used",
        Bad.ABOVE,
        Threshold(80, 92),
        "used heap as a share of its limit",
        "Raise node.max-old-space-size where the host has the room, or look for a leak:"
        " node --heapsnapshot-signal=SIGUSR2.",
        "v8: getHeapStatistics",
        unit="%",
        good=65,
    ),
    Check(
        "node.gc-pause",
        Bad.ABOVE,
        Threshold(20, 100),
        "pause for garbage collection that 1 in 100 exceeds, from 20 pauses on",
        "Raise node.max-semi-space-size for many short ones, or keep less alive for long ones.",
        "perf_hooks: PerformanceObserver gc",
        unit="ms",
        good=10,
    ),
    Check(
        "node.restarts",
        Bad.ABOVE,
        Threshold(0, 5),
        "times that systemd started it again by itself, the last one within a day",
        "Look into its log for why it ended; systemctl restart counts anew.",
        "systemd: NRestarts",
    ),
    Check(
        "node.open-files",
        Bad.ABOVE,
        Threshold(80, 95),
        "file handles of a process as a share of its limit",
        "Raise the LimitNOFILE of its unit, or look for handles that are never closed.",
        "proc_pid_limits(5)",
        unit="%",
        good=50,
    ),
    Check(
        "node.memory-used",
        Bad.ABOVE,
        Threshold(85, 95),
        "memory of all its processes as a share of the MemoryMax of its unit",
        "Above it the kernel ends it: lower node.max-old-space-size, or raise MemoryMax.",
        "systemd.resource-control(5): MemoryMax",
        unit="%",
        good=75,
    ),
)
