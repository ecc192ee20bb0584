"""Health of one Node service against thresholds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from optimizer.model.node_health import NodeHealth
from optimizer.model.profile import Threshold
from optimizer.model.result import HealthCheck
from optimizer.scoring import node_findings as findings
from optimizer.scoring.finding import Finding, duration, size
from optimizer.scoring.health import DEFAULTS
from optimizer.scoring.judging import judged

# In the order in which they are told.
_OF_SERVICE = (
    findings.loop_delay_median,
    findings.loop_delay,
    findings.loop_delay_longest,
    findings.loop_used,
    findings.heap_used,
    findings.gc_pause,
    findings.open_files,
    findings.memory_used,
)


def node_health(
    service: NodeHealth,
    thresholds: Mapping[str, Threshold] = DEFAULTS,
    uptime: float = 0.0,
) -> tuple[HealthCheck, ...]:
    """Check one service; names carry its unit, as in `node.heap-used[web.service]`.

    uptime: of the host, seconds. What was not read, as there is no probe in it, is left out.
    """
    return judged(_findings(service, uptime), thresholds, service.name)


def _findings(service: NodeHealth, uptime: float) -> Iterator[Finding]:
    found = [
        _server(service),
        *(find(service) for find in _OF_SERVICE),
        findings.restarts(service, uptime),
    ]
    yield from (one for one in found if one is not None)


def _server(service: NodeHealth) -> Finding:
    name = "node.server"
    if not service.processes:
        state = service.state or "gone"
        return Finding(name, 2, f"does not run: {state}", f"systemctl status {service.name}")
    processes = len(service.processes)
    parts = [
        *sorted({f"Node {one.version}" for one in service.probes}),
        "1 process" if processes == 1 else f"{processes} processes",
        size(service.rss),
    ]
    if service.probes:
        parts.append(f"up {duration(max(one.uptime for one in service.probes))}")
    silent = [one.problem for one in service.processes if one.problem]
    if silent:
        told = f"{len(silent)} of {processes} probes give no answer: {silent[0]}"
        return Finding(name, 1, ", ".join((*parts, told)))
    # A process that is not watched is no fault: its event loop is just not known.
    if not service.probes:
        parts.append("without the probe, so nothing is known of its event loop")
    return Finding(name, 0, ", ".join(parts))
