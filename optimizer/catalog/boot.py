"""Boot parameters: what only the next boot can change. Any other one may be named too."""

from __future__ import annotations

import re

from optimizer.catalog.declare import FLAG, Area, Family, boot
from optimizer.catalog.valuetypes import CpuList
from optimizer.model.boot import PRESENT
from optimizer.model.tunable import Risk, Tunable
from optimizer.model.values import INT_MAX, SWITCH, Choice, Integer, Text

_PREFIX = "system.boot."
_NAME = re.compile(r"[a-z0-9_]+([.-][A-Za-z0-9_]+)*")
_PAGE_SIZE = Choice(("2M", "1G"))

_NEEDS_CPU_PLAN = "which CPUs are isolated has to be chosen for each host, and CPU 0 stays out"
_GIVES_UP_STEERING = "the processor then no longer chooses its own frequency"

AREA = Area(
    "Boot parameters",
    (
        boot(
            "isolcpus",
            CpuList(("nohz", "domain", "managed_irq")),
            "Keeps the scheduler from placing anything on these CPUs that was not pinned there.",
            weight=4,
            risk=Risk.HIGH,
            opt_in=_NEEDS_CPU_PLAN,
        ),
        boot(
            "nohz_full",
            CpuList(),
            "Stops the clock tick on these CPUs while one thread runs there alone; every system "
            "call costs more, which services that make many do not like.",
            weight=4,
            opt_in=_NEEDS_CPU_PLAN,
        ),
        boot(
            "rcu_nocbs",
            CpuList(),
            "Moves the kernel's deferred clean-up away from these CPUs.",
            weight=2,
            opt_in=_NEEDS_CPU_PLAN,
        ),
        boot(
            "rcu_nocb_poll",
            FLAG,
            "Lets the threads of that clean-up look for work instead of being woken by it.",
            opt_in=_NEEDS_CPU_PLAN,
        ),
        boot(
            "irqaffinity",
            CpuList(),
            "Sends interrupts to these CPUs unless somebody says otherwise.",
            weight=3,
            opt_in=_NEEDS_CPU_PLAN,
        ),
        boot(
            "intel_idle.max_cstate",
            Integer(1, 9),
            "Caps the depth of sleep on Intel processors; 0 would only hand them to another driver "
            "that sleeps deeply, and is refused.",
            weight=3,
        ),
        boot(
            "processor.max_cstate",
            Integer(1, 9),
            "Caps the depth of sleep where the firmware's description is used instead.",
            weight=3,
        ),
        boot(
            "skew_tick",
            SWITCH,
            "Staggers the clock ticks of the CPUs, so that they do not meet at the same locks.",
            weight=3,
            risk=Risk.LOW,
        ),
        boot(
            "nosoftlockup",
            FLAG,
            "Leaves the detector of locked CPUs off from the start.",
            risk=Risk.LOW,
        ),
        boot(
            "nowatchdog",
            FLAG,
            "Leaves both detectors of locked CPUs off from the start.",
            opt_in="a host that locks up then stays silent about it",
        ),
        boot(
            "tsc",
            Choice(("reliable", "unstable", "noirqtime", "nowatchdog", "recalibrate")),
            "Tells the kernel what to think of the processor's clock; reliable stops checking it.",
            opt_in="a clock that does go wrong is then not noticed",
        ),
        boot(
            "nosmt",
            Choice((PRESENT, "force"), (("", PRESENT), ("on", PRESENT), ("true", PRESENT))),
            "Leaves hardware threads off from the start.",
            weight=3,
            risk=Risk.HIGH,
            opt_in="it halves the CPUs, and every size and pinning made for them is wrong then",
        ),
        boot(
            "transparent_hugepage",
            Choice(("always", "madvise", "never")),
            "Is system.thp.enabled from the first moment on.",
            risk=Risk.LOW,
        ),
        boot(
            "default_hugepagesz",
            _PAGE_SIZE,
            "Is the size of the huge pages that programs get when they name none.",
        ),
        boot(
            "hugepagesz",
            _PAGE_SIZE,
            "Is the size of the pages that hugepages reserves.",
        ),
        boot(
            "hugepages",
            Integer(0, INT_MAX, "pages"),
            "Reserves huge pages while memory is still in one piece, which a large pool needs.",
            weight=3,
            risk=Risk.HIGH,
        ),
        boot(
            "rcupdate.rcu_normal_after_boot",
            SWITCH,
            "Keeps the kernel from hurrying its clean-up by interrupting all CPUs.",
        ),
        boot(
            "rcutree.nohz_full_patience_delay",
            Integer(0, 5000, "ms"),
            "Is how long clean-up waits before it disturbs a CPU that runs without a tick.",
        ),
        boot(
            "intel_pstate",
            Choice(("active", "passive", "disable", "force", "no_hwp", "hwp_only")),
            "Chooses who steers the frequency of Intel processors.",
            opt_in=_GIVES_UP_STEERING,
        ),
        boot(
            "amd_pstate",
            Choice(("active", "passive", "guided", "disable")),
            "Chooses who steers the frequency of AMD processors.",
            opt_in=_GIVES_UP_STEERING,
        ),
        boot(
            "audit",
            SWITCH,
            "Switches the audit of system calls, which costs a little on each of them.",
            risk=Risk.HIGH,
            opt_in="without it nobody can tell later who did what on the host",
        ),
        boot(
            "mce",
            Choice(("ignore_ce", "dont_log_ce", "no_cmci")),
            "Stops the search for memory errors that the hardware corrected by itself.",
            risk=Risk.HIGH,
            opt_in="a failing memory module is then not noticed until it fails for good",
        ),
    ),
)


def parameter(name: str) -> Tunable | None:
    """Return the tunable of any other boot parameter; which values it takes is not known."""
    target = name.removeprefix(_PREFIX)
    if not name.startswith(_PREFIX) or not _NAME.fullmatch(target):
        return None
    return boot(
        target, Text(), "Is not in the catalogue: its values are not checked.", weight=1,
        is_known=False,
    )  # fmt: skip


FAMILY = Family(
    "system.boot.<parameter>", "any other parameter of the kernel command line", parameter
)
