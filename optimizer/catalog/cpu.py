"""Processors: frequency, sleep states, hardware threads, and who may interrupt which CPU."""

from __future__ import annotations

from optimizer.catalog.declare import KERNEL_DOCS, Area, sysfs
from optimizer.catalog.valuetypes import CPU_MASK, Barring, CpuList
from optimizer.model.tunable import Coupling, Risk
from optimizer.model.values import INT_MAX, SWITCH, Choice, Integer, Sentinel, Text

_POWER = f"{KERNEL_DOCS}/admin-guide/pm"
_WORKQUEUE = f"{KERNEL_DOCS}/core-api/workqueue.html"

_GOVERNOR = "system.cpufreq.scaling_governor"
_PREFERENCE = "system.cpufreq.energy_performance_preference"
_INTERRUPTS = "system.irq.smp_affinity_list"

# Governors with settings: each policy has its own, or all of them share one set.
_CPUFREQ = "/sys/devices/system/cpu/cpufreq"
_GOVERNORS = ("conservative", "ondemand", "schedutil")
_SETTINGS_OF_GOVERNORS = tuple(
    f"{_CPUFREQ}/{folder}{governor}/*" for folder in ("policy*/", "") for governor in _GOVERNORS
)

_NEEDS_CPU_PLAN = "which CPUs work and which keep house has to be chosen for each host"

AREA = Area(
    "Processors",
    (
        # CPUs that come and go take their frequency and interrupt settings with them.
        sysfs(
            "smt.control",
            "/sys/devices/system/cpu/smt/control",
            value=Barring(
                Choice(("on", "off")),
                (("forceoff", "only a reboot could take it back"),),
            ),
            why="Switches hardware threads off, so that nobody shares a core with the hot "
            "thread; half of the CPUs are gone then.",
            docs=f"{KERNEL_DOCS}/admin-guide/hw-vuln/l1tf.html",
            weight=3,
            risk=Risk.HIGH,
            coupling=Coupling(resets=(_GOVERNOR, _PREFERENCE, _INTERRUPTS)),
            opt_in="it halves the CPUs, and every size and pinning made for them is wrong then",
        ),
        sysfs(
            "intel_pstate.no_turbo",
            "/sys/devices/system/cpu/intel_pstate/no_turbo",
            value=SWITCH,
            why="Gives up the turbo range, which costs speed and makes it steady.",
            docs=f"{_POWER}/intel_pstate.html",
            weight=2,
        ),
        sysfs(
            "cpufreq.boost",
            "/sys/devices/system/cpu/cpufreq/boost",
            value=SWITCH,
            why="Allows frequencies above the nominal one, on drivers other than intel_pstate.",
            docs=f"{_POWER}/cpufreq.html",
            weight=2,
        ),
        sysfs(
            "cpufreq.scaling_governor",
            "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
            value=Text(r"[a-z_]{1,15}", "the name of a governor that the driver offers"),
            why="Chooses the frequency; performance keeps it up, so that work after a pause does "
            "not start slowly.",
            docs=f"{_POWER}/cpufreq.html",
            weight=8,
            coupling=Coupling(resets=(_PREFERENCE,), owns=_SETTINGS_OF_GOVERNORS),
        ),
        sysfs(
            "cpufreq.energy_performance_preference",
            "/sys/devices/system/cpu/cpufreq/policy*/energy_performance_preference",
            value=Sentinel(
                Integer(0, 255),
                ("default", "performance", "balance_performance", "balance_power", "power"),
            ),
            why="Tells a processor that chooses its own frequency what to prefer.",
            docs=f"{_POWER}/intel_pstate.html",
            weight=4,
        ),
        sysfs(
            "cpu.resume_latency",
            "/sys/devices/system/cpu/cpu*/power/pm_qos_resume_latency_us",
            value=Sentinel(Integer(0, INT_MAX, "us"), ("n/a",)),
            why="Is the longest a CPU may take to wake up, which rules out deep sleep: n/a allows "
            "no sleep at all, and 0 means no limit.",
            docs=f"{_POWER}/cpuidle.html",
            weight=7,
            risk=Risk.MEDIUM,
        ),
        sysfs(
            "cpuidle.disable",
            "/sys/devices/system/cpu/cpu*/cpuidle/state*/disable",
            value=SWITCH,
            why="Forbids one sleep state of one CPU.",
            docs=f"{_POWER}/cpuidle.html",
            weight=2,
            risk=Risk.MEDIUM,
            opt_in="it names every state of every CPU; system.cpu.resume_latency says it better",
        ),
        sysfs(
            "workqueue.cpumask",
            "/sys/devices/virtual/workqueue/cpumask",
            value=CPU_MASK,
            why="Keeps the kernel's own background work on these CPUs.",
            docs=_WORKQUEUE,
            weight=3,
            opt_in=_NEEDS_CPU_PLAN,
        ),
        sysfs(
            "workqueue.writeback_cpumask",
            "/sys/devices/virtual/workqueue/writeback/cpumask",
            value=CPU_MASK,
            why="Keeps the threads that write file data out on these CPUs.",
            docs=_WORKQUEUE,
            weight=2,
            opt_in=_NEEDS_CPU_PLAN,
        ),
        sysfs(
            "irq.smp_affinity_list",
            "/proc/irq/*/smp_affinity_list",
            value=CpuList(),
            why="Says which CPUs an interrupt may go to; irqbalance changes it again unless the "
            "CPUs are banned there, and drivers that place their own refuse it.",
            docs=f"{KERNEL_DOCS}/core-api/irq/irq-affinity.html",
            weight=3,
            risk=Risk.MEDIUM,
            opt_in=_NEEDS_CPU_PLAN,
        ),
    ),
)
