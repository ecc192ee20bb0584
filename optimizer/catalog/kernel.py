"""The scheduler and the kernel's own noise: balancing, timers, watchdogs."""

from __future__ import annotations

from optimizer.catalog.declare import KERNEL_DOCS, MANUAL, Area, sysctl
from optimizer.catalog.valuetypes import Barring
from optimizer.model.tunable import Risk
from optimizer.model.values import INT_MAX, LONG_MAX, SWITCH, Choice, Integer

_KERNEL = f"{KERNEL_DOCS}/admin-guide/sysctl/kernel.html"
# The highest HZ a kernel is built with; the timeout is kept in ticks.
_TICKS_PER_SECOND_MAX = 1000

AREA = Area(
    "Scheduler and kernel noise",
    (
        sysctl(
            "kernel.numa_balancing",
            value=Integer(0, 3),
            why="Takes pages away on purpose to see which NUMA node uses them; each look is a "
            "page fault for a service that is bound to its node anyway.",
            docs=f"{_KERNEL}#numa-balancing",
            weight=5,
        ),
        sysctl(
            "kernel.timer_migration",
            value=SWITCH,
            why="Moves timers from idle CPUs to busy ones, where they interrupt the work.",
            docs=f"{_KERNEL}#timer-migration",
            weight=3,
        ),
        sysctl(
            "kernel.sched_autogroup_enabled",
            value=SWITCH,
            why="Shares the CPU between login sessions before it shares it between processes, "
            "which suits desktops.",
            docs=f"{MANUAL}/man7/sched.7.html",
            weight=2,
        ),
        sysctl(
            "kernel.sched_rt_runtime_us",
            value=Barring(
                Integer(0, INT_MAX, "us"),
                (("-1", "a spinning real-time thread would then lock its CPU for good"),),
            ),
            why="Is the share of each second that real-time threads may take; -1, no limit, lets "
            "one that spins lock the host and is refused.",
            docs=f"{KERNEL_DOCS}/scheduler/sched-rt-group.html",
            weight=1,
            risk=Risk.HIGH,
            opt_in="only a host with real-time threads on isolated CPUs has a use for it",
        ),
        # One word for both detectors; what it does to them is in modules/watchdogs.py.
        sysctl(
            "kernel.watchdog",
            value=SWITCH,
            why="Switches both detectors of locked CPUs off, or the one of the scheduler on.",
            docs=f"{_KERNEL}#watchdog",
            weight=1,
        ),
        sysctl(
            "kernel.soft_watchdog",
            value=SWITCH,
            why="Wakes a thread on every CPU to see that the scheduler still runs there.",
            docs=f"{_KERNEL}#soft-watchdog",
            weight=1,
        ),
        sysctl(
            "kernel.nmi_watchdog",
            value=SWITCH,
            why="Interrupts every CPU from a performance counter to see that it still answers.",
            docs=f"{_KERNEL}#nmi-watchdog",
            weight=3,
        ),
        sysctl(
            "kernel.hung_task_timeout_secs",
            value=Integer(0, LONG_MAX // _TICKS_PER_SECOND_MAX, "s"),
            why="Is how often all tasks are searched for one that waits for ever; 0 never looks.",
            docs=f"{_KERNEL}#hung-task-timeout-secs",
            weight=1,
        ),
        sysctl(
            "kernel.split_lock_mitigate",
            value=SWITCH,
            why="Slows programs down whose atomic operation spans two cache lines, since it stops "
            "all other CPUs.",
            docs=f"{_KERNEL}#split-lock-mitigate",
            weight=1,
            risk=Risk.MEDIUM,
        ),
        sysctl(
            "kernel.io_uring_disabled",
            value=Choice(("0", "1", "2")),
            why="Keeps programs from using io_uring (1: unprivileged ones, 2: all), which "
            "PostgreSQL 18 and Node can be told to use.",
            docs=f"{_KERNEL}#io-uring-disabled",
            weight=1,
            risk=Risk.MEDIUM,
        ),
    ),
)
