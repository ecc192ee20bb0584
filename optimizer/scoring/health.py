"""Live checks of a host against thresholds. Source: proc_meminfo(5), accounting/psi.rst."""

from __future__ import annotations

from typing import Literal

from optimizer.model.observation import Facts
from optimizer.model.result import HealthCheck

Status = Literal["optimal", "good", "warning", "critical"]

# MemAvailable as a share of RAM, percent; used memory says little, as caches can go.
_MEMORY_LEFT = ((30.0, "optimal"), (15.0, "good"), (8.0, "warning"))
# Share of the last 10 s that some task waited for memory, percent.
_PRESSURE = ((20.0, "critical"), (5.0, "warning"), (1.0, "good"))


def system_health(facts: Facts) -> tuple[HealthCheck, ...]:
    """Check memory and services of a host."""
    checks = [_memory_left(facts)] if facts.ram_available else []
    if facts.memory_pressure is not None:
        checks.append(_pressure(facts.memory_pressure))
    if facts.init == "systemd":
        checks.append(_services(facts.failed_units))
    return tuple(checks)


def _memory_left(facts: Facts) -> HealthCheck:
    percent = 100.0 * facts.ram_available / facts.ram
    status = next((name for least, name in _MEMORY_LEFT if percent >= least), "critical")
    return HealthCheck(
        name="memory available",
        status=status,
        value=f"{percent:.0f} %",
        threshold="warning below 15 %, critical below 8 %",
        recommendation="" if percent >= 15 else "Free memory, or give the services less of it.",
    )


def _pressure(percent: float) -> HealthCheck:
    status = next((name for above, name in _PRESSURE if percent > above), "optimal")
    return HealthCheck(
        name="memory pressure",
        status=status,
        value=f"{percent:.1f} %",
        threshold="warning above 5 %, critical above 20 % of the last 10 s",
        recommendation="" if percent <= 5 else "Tasks wait for memory: look for what grew.",
    )


def _services(failed: tuple[str, ...]) -> HealthCheck:
    status: Status = "warning" if failed else "optimal"
    return HealthCheck(
        name="failed units",
        status=status,
        value=", ".join(failed) or "none",
        threshold="warning when a unit has failed",
        recommendation=f"systemctl status {failed[0]}" if failed else "",
    )
