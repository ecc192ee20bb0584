"""What no profile may set: settings without any effect, and settings that break a host."""

from __future__ import annotations

from optimizer.catalog.declare import KERNEL_DOCS, PARAMETERS, Area, refuse

_IP = f"{KERNEL_DOCS}/networking/ip-sysctl.html"
_SCHEDULER = f"{KERNEL_DOCS}/scheduler/sched-debug.html"

_PAGES = (
    "the kernel computes it from the memory of the host, and it counts in pages: what was "
    "meant in bytes switches its protection off"
)
_GONE = (
    "kernels since 5.13 have no such sysctl, and from 6.6 on the scheduler has no use for most "
    "of its values"
)

AREA = Area(
    "Refused",
    (
        refuse(
            "sysctl",
            "net.ipv4.tcp_low_latency",
            "Chose between two ways to receive until kernel 4.14.",
            _IP,
            refused="kernels since 4.14 read nothing from it; remove it",
        ),
        refuse(
            "sysctl",
            "net.ipv4.tcp_tw_recycle",
            "Shortened TIME_WAIT and broke clients behind address translation.",
            _IP,
            refused="kernels since 4.12 do not have it; net.ipv4.tcp_tw_reuse is what is left",
        ),
        refuse(
            "sysctl",
            "net.ipv4.tcp_mem",
            "Is where TCP starts to save memory, and where it stops taking any.",
            _IP,
            refused=_PAGES,
        ),
        refuse(
            "sysctl",
            "net.ipv4.udp_mem",
            "Is where UDP starts to save memory, and where it stops taking any.",
            _IP,
            refused=_PAGES,
        ),
        *(
            refuse(
                "sysctl",
                f"kernel.sched_{name}_ns",
                "Tuned the time slices of an earlier scheduler.",
                _SCHEDULER,
                refused=_GONE,
            )
            for name in ("latency", "min_granularity", "wakeup_granularity", "migration_cost")
        ),
        refuse(
            "boot",
            "idle",
            "Chooses how a CPU waits for work; poll never lets it rest.",
            PARAMETERS,
            refused="a CPU that polls takes heat and turbo from the others and slows its "
            "hardware thread down; use system.cpu.resume_latency",
        ),
        refuse(
            "boot",
            "mitigations",
            "Switches the protection against processor flaws.",
            PARAMETERS,
            refused="without them every process can read the memory of the others; that is a "
            "decision to make outside of a profile",
        ),
        refuse(
            "boot",
            "elevator",
            "Chose the I/O scheduler of all disks.",
            PARAMETERS,
            refused="kernels since 5.0 ignore it; use system.block.scheduler",
        ),
    ),
)
