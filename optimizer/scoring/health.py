"""Live checks of a host against thresholds. Source: proc_meminfo(5), accounting/psi.rst."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from optimizer.model.observation import Facts
from optimizer.model.profile import Threshold
from optimizer.model.result import HealthCheck
from optimizer.scoring.checks import CHECKS, threshold_of

# Every check with its default threshold.
DEFAULTS: Mapping[str, Threshold] = MappingProxyType({})


def system_health(
    facts: Facts, thresholds: Mapping[str, Threshold] = DEFAULTS
) -> tuple[HealthCheck, ...]:
    """Check memory and services of a host; thresholds: those of a profile, by check."""
    found: list[tuple[str, float, str, str]] = []
    if facts.ram_available:
        percent = 100.0 * facts.ram_available / facts.ram
        found.append(("system.memory-available", percent, f"{percent:.0f} %", ""))
    if facts.memory_pressure is not None:
        pressure = facts.memory_pressure
        found.append(("system.memory-pressure", pressure, f"{pressure:.1f} %", ""))
    if facts.init == "systemd":
        failed = facts.failed_units
        advice = f"systemctl status {failed[0]}" if failed else ""
        found.append(("system.failed-units", len(failed), ", ".join(failed) or "none", advice))
    return tuple(
        CHECKS[name].judge(number, value, threshold_of(name, thresholds), advice)
        for name, number, value, advice in found
    )
