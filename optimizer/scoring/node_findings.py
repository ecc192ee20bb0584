"""What the numbers of a Node service say about its event loop, heap and handles. Pure.

A service with several processes, as a cluster of workers, is as well as the worst of them.
Source: perf_hooks and v8 of the Node documentation.
"""

from __future__ import annotations

from collections.abc import Callable

from optimizer.model.node_health import NodeHealth, NodeProbe
from optimizer.scoring.check import NEVER
from optimizer.scoring.finding import Finding, duration, size

# Fewer samples, pauses or seconds say nothing.
_LEAST_SAMPLES = 100
_LEAST_PAUSES = 20
_LEAST_SECONDS = 5
# Timers of libuv count whole milliseconds: one may be that late in a loop that has nothing to do.
_TICK = 1.0
_MS = 1000
_DAY = 86_400


def loop_delay_median(service: NodeHealth) -> Finding | None:
    """Tell how late the loop is in every second turn."""
    return _delay(service, "node.loop-delay-median", lambda one: one.window.delay.p50, _TICK)


def loop_delay(service: NodeHealth) -> Finding | None:
    """Tell how late the loop is in 1 turn of 100."""
    return _delay(service, "node.loop-delay", lambda one: one.window.delay.p99, _TICK)


def loop_delay_longest(service: NodeHealth) -> Finding | None:
    """Tell the longest delay of late, and that since the start."""
    found = _delay(service, "node.loop-delay-longest", lambda one: one.window.delay.max, 0.0)
    if found is None:
        return None
    ever = max(one.start.delay.max for one in service.probes) * _MS
    value = f"{found.value}, {_ms(ever)} since the start"
    return Finding(found.check, found.number, value, threshold=found.threshold)


def loop_used(service: NodeHealth) -> Finding | None:
    """Tell how busy the busiest loop is."""
    worst = _worst(service, lambda one: one.window.utilization)
    if worst is None:
        return None
    percent = 100 * worst.window.utilization
    threshold = None if worst.window.seconds >= _LEAST_SECONDS else NEVER
    return Finding("node.loop-used", percent, f"{percent:.0f} %", threshold=threshold)


def heap_used(service: NodeHealth) -> Finding | None:
    """Compare the fullest heap with its limit."""
    worst = _worst(service, _heap_share)
    if worst is None or not worst.heap_limit:
        return None
    percent = 100 * _heap_share(worst)
    value = f"{percent:.0f} % of {size(worst.heap_limit)}"
    return Finding("node.heap-used", percent, value)


def gc_pause(service: NodeHealth) -> Finding | None:
    """Tell how long garbage collection stops the process, and how often."""
    worst = _worst(service, lambda one: one.window.pauses.p99)
    if worst is None:
        return None
    pauses, seconds = worst.window.pauses, worst.window.seconds
    if not pauses.count:
        return Finding("node.gc-pause", 0, f"none in {seconds:.0f} s")
    if pauses.count < _LEAST_PAUSES:
        value = f"{pauses.count} in {seconds:.0f} s, longest {_ms(pauses.max * _MS)}"
        return Finding("node.gc-pause", pauses.p99 * _MS, value, threshold=NEVER)
    spent = sum(one.total for one in worst.window.kinds.values())
    value = f"{_ms(pauses.p99 * _MS)}, {pauses.count} pauses in {seconds:.0f} s"
    if seconds:
        value += f" take {100 * spent / seconds:.1f} % of the time"
    return Finding("node.gc-pause", pauses.p99 * _MS, value)


def open_files(service: NodeHealth) -> Finding | None:
    """Compare the file handles of the process that is nearest to its limit with that."""
    shares = [
        (one.open_files / one.file_limit, one.open_files, one.file_limit)
        for one in service.processes
        if one.open_files and one.file_limit
    ]
    if not shares:
        return None
    share, files, limit = max(shares)
    value = f"{100 * share:.0f} %, {files} of {limit}"
    return Finding("node.open-files", 100 * share, value)


def memory_used(service: NodeHealth) -> Finding | None:
    """Compare memory with the limit of the unit, where it has one."""
    if not service.memory_max or not service.processes:
        return None
    percent = 100 * service.rss / service.memory_max
    value = f"{percent:.0f} % of {size(service.memory_max)}"
    return Finding("node.memory-used", percent, value)


def restarts(service: NodeHealth, uptime: float) -> Finding | None:
    """Count starts by systemd itself. uptime: of the host, seconds."""
    if not service.state:
        return None
    age = max(0.0, uptime - service.active_since)
    if not service.restarts or not uptime or not service.active_since:
        return Finding("node.restarts", service.restarts, str(service.restarts))
    value = f"{service.restarts}, the last {duration(age)} ago"
    threshold = None if age < _DAY else NEVER
    return Finding("node.restarts", service.restarts, value, threshold=threshold)


def _delay(
    service: NodeHealth, check: str, measure: Callable[[NodeProbe], float], free: float
) -> Finding | None:
    """Return the worst of a measure in seconds; free: milliseconds of it that are no delay."""
    worst = _worst(service, measure)
    if worst is None:
        return None
    number = max(0.0, measure(worst) * _MS - free)
    samples = worst.window.delay.count
    if samples < _LEAST_SAMPLES:
        return Finding(check, number, f"no data, {samples} samples", threshold=NEVER)
    return Finding(check, number, f"{_ms(number)} in {worst.window.seconds:.0f} s")


def _worst(service: NodeHealth, measure: Callable[[NodeProbe], float]) -> NodeProbe | None:
    return max(service.probes, key=measure, default=None)


def _heap_share(probe: NodeProbe) -> float:
    return probe.heap_used / probe.heap_limit if probe.heap_limit else 0.0


def _ms(number: float) -> str:
    return f"{number:.2g} ms" if number < 10 else f"{number:.0f} ms"
