"""The receive path: busy polling, the queues of network devices, and who serves them."""

from __future__ import annotations

from optimizer.catalog.declare import KERNEL_DOCS, Area, sysctl, sysfs
from optimizer.catalog.valuetypes import CPU_MASK
from optimizer.model.tunable import Effect, Risk
from optimizer.model.values import INT_MAX, LONG_MAX, Choice, Integer

_CORE = f"{KERNEL_DOCS}/admin-guide/sysctl/net.html"
_NAPI = f"{KERNEL_DOCS}/networking/napi.html"
_SCALING = f"{KERNEL_DOCS}/networking/scaling.html"

_NEEDS_QUEUE_PLAN = "which CPUs serve which queue has to be chosen for the card of each host"
_NEEDS_BUSY_POLLER = "it only delays packets unless the application polls with SO_PREFER_BUSY_POLL"

AREA = Area(
    "Receive path and network devices",
    (
        # busy_poll is of no use to sockets that were made while busy_read was 0.
        sysctl(
            "net.core.busy_read",
            value=Integer(0, INT_MAX, "us"),
            why="Lets a blocking read spin on the card for so long instead of waiting for its "
            "interrupt, for sockets made afterwards; it burns the CPU meanwhile.",
            docs=f"{_CORE}#busy-read",
            weight=6,
            effect=Effect.NEW_CONNECTIONS,
            risk=Risk.MEDIUM,
        ),
        sysctl(
            "net.core.busy_poll",
            value=Integer(0, INT_MAX, "us"),
            why="Lets poll and epoll spin on the card in the same way, where the driver supports "
            "it; loopback traffic gains nothing.",
            docs=f"{_CORE}#busy-poll",
            weight=6,
            risk=Risk.MEDIUM,
        ),
        sysctl(
            "net.core.netdev_max_backlog",
            value=Integer(0, INT_MAX),
            why="Caps the packets that wait per CPU when they arrive through RPS, loopback or "
            "veth; drivers of real cards mostly bypass this queue.",
            docs=f"{_CORE}#netdev-max-backlog",
            weight=2,
        ),
        sysctl(
            "net.core.netdev_budget",
            value=Integer(1, INT_MAX, "packets"),
            why="Caps the packets of one receive cycle; raising it helps when softnet_stat counts "
            "squeezed cycles, and keeps the application waiting longer.",
            docs=f"{_CORE}#netdev-budget",
            weight=1,
        ),
        sysctl(
            "net.core.netdev_budget_usecs",
            value=Integer(1, INT_MAX, "us"),
            why="Caps the time of one receive cycle.",
            docs=f"{_CORE}#netdev-budget-usecs",
            weight=1,
        ),
        sysctl(
            "net.core.rps_sock_flow_entries",
            value=Integer(0, 2**30),
            why="Is the size of the table that steers packets to the CPU of their application; "
            "cards that steer in hardware do not need it.",
            docs=_SCALING,
            weight=1,
        ),
        sysfs(
            "net.rps_flow_cnt",
            "/sys/class/net/*/queues/rx-*/rps_flow_cnt",
            value=Integer(0, 2**30),
            why="Is the share of one receive queue in the table of rps_sock_flow_entries.",
            docs=_SCALING,
            weight=1,
            opt_in=_NEEDS_QUEUE_PLAN,
        ),
        sysfs(
            "net.rps_cpus",
            "/sys/class/net/*/queues/rx-*/rps_cpus",
            value=CPU_MASK,
            why="Spreads the packets of one receive queue over these CPUs, for cards with fewer "
            "queues than CPUs; each packet then costs an interrupt between CPUs.",
            docs=_SCALING,
            weight=1,
            risk=Risk.MEDIUM,
            opt_in=_NEEDS_QUEUE_PLAN,
        ),
        sysfs(
            "net.xps_cpus",
            "/sys/class/net/*/queues/tx-*/xps_cpus",
            value=CPU_MASK,
            why="Says which CPUs send through this queue, so that they do not contend for it.",
            docs=_SCALING,
            weight=1,
            risk=Risk.MEDIUM,
            opt_in=_NEEDS_QUEUE_PLAN,
        ),
        sysfs(
            "net.napi_defer_hard_irqs",
            "/sys/class/net/*/napi_defer_hard_irqs",
            value=Integer(0, INT_MAX),
            why="Is how many empty polls pass before the interrupt of a queue is armed again.",
            docs=_NAPI,
            weight=2,
            risk=Risk.MEDIUM,
            opt_in=_NEEDS_BUSY_POLLER,
        ),
        sysfs(
            "net.gro_flush_timeout",
            "/sys/class/net/*/gro_flush_timeout",
            value=Integer(0, LONG_MAX, "ns"),
            why="Is when the kernel looks at a queue by itself while its interrupt is deferred.",
            docs=_NAPI,
            weight=2,
            risk=Risk.MEDIUM,
            opt_in=_NEEDS_BUSY_POLLER,
        ),
        sysfs(
            "net.threaded",
            "/sys/class/net/*/threaded",
            value=Choice(("0", "1", "2")),
            why="Serves a device from kernel threads, which can be pinned and given a priority, "
            "rather than from interrupt context.",
            docs=_NAPI,
            weight=1,
            risk=Risk.MEDIUM,
            opt_in="its threads have to be pinned by hand, else they move between CPUs",
        ),
    ),
)
