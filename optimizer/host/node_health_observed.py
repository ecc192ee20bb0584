"""From the answer of a probe to the health of Node services.

What the probe of a service says is written by that service, so it is taken apart with care: an
answer that is none is the fault of one process, never of the host.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from optimizer.model.node_health import (
    AgentUse,
    NodeHealth,
    NodeProbe,
    NodeProcess,
    NodeSpan,
    Pauses,
    Quantiles,
)

Rows = Mapping[str, Sequence[tuple[str, ...]]]

# Begins the reason why there is no answer.
_NO_ANSWER = "@"
# A probe names no more kinds than there are.
_MOST_KINDS = 64


def node_healths(by_word: Rows) -> tuple[NodeHealth, ...]:
    """Return the health of each Node service, by name.

    Raises ValueError and KeyError for lines that are cut.
    """
    said = {pid: "\t".join(text) for pid, *text in by_word["node-said"]}
    processes: dict[str, list[NodeProcess]] = defaultdict(list)
    for name, pid, parent, *numbers in by_word["node-process"]:
        processes[name].append(_process(int(pid), parent, numbers, said.get(pid)))
    units: dict[str, dict[str, str]] = defaultdict(dict)
    for name, key, *value in by_word["node-unit"]:
        units[name][key] = " ".join(value)
    return tuple(
        _service(name, processes.get(name, []), units.get(name, {}))
        for name in sorted(processes.keys() | units.keys())
    )


def _service(name: str, processes: list[NodeProcess], unit: Mapping[str, str]) -> NodeHealth:
    since = _whole(unit.get("ActiveEnterTimestampMonotonic", ""))
    return NodeHealth(
        name=name,
        processes=tuple(sorted(processes, key=lambda one: one.pid)),
        state=unit.get("ActiveState", ""),
        restarts=_whole(unit.get("NRestarts", "")) or 0,
        active_since=(since or 0) / 1e6,
        memory_max=_whole(unit.get("MemoryMax", "")),
    )


def _process(pid: int, parent: str, numbers: Sequence[str], said: str | None) -> NodeProcess:
    rss, files, limit = numbers
    probe, problem = _answer(pid, said) if said is not None else (None, "")
    return NodeProcess(
        pid=pid,
        parent=_whole(parent) or 0,
        rss=_whole(rss) or 0,
        # Nobody has no file open: there is nothing to be seen.
        open_files=_whole(files) or None,
        file_limit=_whole(limit),
        probe=probe,
        problem=problem,
    )


def _answer(pid: int, said: str) -> tuple[NodeProbe | None, str]:
    if said.startswith(_NO_ANSWER):
        return None, said.removeprefix(_NO_ANSWER)
    try:
        found = json.loads(said)
        if found["pid"] != pid:
            return None, "another process answers"
        return _probe(found), ""
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return None, "an answer that cannot be read"


def _probe(said: Any) -> NodeProbe:
    return NodeProbe(
        version=_printable(said["version"]),
        uptime=_number(said["uptime"]),
        resolution=_number(said["resolution"]),
        start=_span(said["start"]),
        window=_span(said["window"]),
        heap_used=int(_number(said["heap"]["used"])),
        heap_limit=int(_number(said["heap"]["limit"])),
        rss=int(_number(said["rss"])),
        resources={name: int(_number(count)) for name, count in _few(said["resources"])},
        agents={
            name: AgentUse(*(int(_number(one[key])) for key in ("used", "free", "waiting")))
            for name, one in _few(said["agents"])
        },
    )


def _span(said: Any) -> NodeSpan:
    return NodeSpan(
        seconds=_number(said["seconds"]),
        utilization=_number(said["utilization"]),
        delay=_quantiles(said["delay"]),
        pauses=_quantiles(said["gc"]),
        kinds={
            kind: Pauses(int(_number(one["count"])), _number(one["total"]), _number(one["max"]))
            for kind, one in _few(said["gc"]["kinds"])
        },
    )


def _quantiles(said: Any) -> Quantiles:
    return Quantiles(
        int(_number(said["count"])),
        *(_number(said[name]) for name in ("p50", "p99", "max")),
    )


def _few(said: Any) -> list[tuple[str, Any]]:
    return [(_printable(name), one) for name, one in list(said.items())[:_MOST_KINDS]]


def _number(value: Any) -> float:
    """Return a number that is one. ValueError: JSON in Python also knows NaN and Infinity."""
    number = float(value)
    if isinstance(value, str) or not math.isfinite(number) or not 0 <= number < 2**63:
        raise ValueError(f"{value!r} is no measure")
    return number


def _printable(name: Any) -> str:
    # JSON carries what the host's answer itself never holds: it must not reach a terminal.
    return "".join(one if one.isprintable() else "?" for one in str(name)[:64])


def _whole(text: str) -> int | None:
    """Read a whole number; None for a limit that is none, and for what could not be read."""
    return int(text) if text.isdecimal() and len(text) < 20 else None
