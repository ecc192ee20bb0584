"""From the answer of a probe to the Node services of a host."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from optimizer.model.errors import InvalidValue
from optimizer.model.node import NodeService, UnitLine, value_path
from optimizer.model.observation import LiveValue, ValueState
from optimizer.model.values import parse_size

Rows = Mapping[str, Sequence[tuple[str, ...]]]

# An empty Environment= of a unit file: what was set before it counts no more.
_RESET = "@reset"
_DIRECTIVE = re.compile(r"[A-Z][a-z]+[A-Za-z]*")
_SECONDS = re.compile(r"([0-9.]+)(ms|us|s|min)")
_SCALES = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}

_WHY: Mapping[str, str] = {
    "container": "runs in a container: set its variables where the container is defined",
    "user": "is run by a user's own systemd, which is not managed from here",
    "none": "is run by no unit: make it a service to have it managed",
}
_PM2 = (
    "is run by pm2, which keeps the environment that a program was started with: set its "
    "variables in the ecosystem file, then pm2 restart NAME --update-env"
)
_TRANSIENT = "was started by systemd-run and has no file: make it a service to have it managed"


def node_services(by_word: Rows) -> tuple[NodeService, ...]:
    """Build every Node service that the probe found, by name."""
    plain: dict[str, dict[str, str]] = defaultdict(dict)
    for name, key, text in by_word["node"]:
        plain[name][key] = text
    return tuple(_service(name, found, by_word) for name, found in sorted(plain.items()))


def values_of(service: NodeService) -> Iterator[LiveValue]:
    """Yield what its first process was started with, and its limits, as values at paths."""
    for name, text in {**service.variables, **service.limits}.items():
        yield LiveValue(value_path(service.unit, name), ValueState.WRITABLE, text)


def _service(name: str, found: Mapping[str, str], by_word: Rows) -> NodeService:
    kind = found.get("kind", "none")
    lines = _lines(_of(name, by_word["node-line"]))
    service = NodeService(
        name=name,
        problem=_problem(kind, found),
        is_elsewhere=kind == "container",
        unit=name if kind == "unit" else "",
        pid=int(found.get("pid", "0")),
        workers=int(found.get("workers", "0")),
        executable=found.get("executable", ""),
        version=found.get("version", ""),
        user=found.get("user", "root"),
        variables=dict(_pairs(name, by_word["node-variable"])),
        limits=dict(_pairs(name, by_word["node-limit"])),
        configured=dict(_pairs(name, by_word["node-configured"])),
        files={
            variable: UnitLine(path, variable, text)
            for path, variable, text in _of(name, by_word["node-file"])
        },
        lines=lines,
        flags=dict(_pairs(name, by_word["node-flag"])),
        refused=dict(_pairs(name, by_word["node-refused"])),
        memory_max=_bytes(found.get("MemoryMax", "")),
        cpu_quota=_cpus(found.get("CPUQuotaPerSecUSec", "")),
        reloads=found.get("reloads", ""),
    )
    return _without_our_limit(service)


def _problem(kind: str, found: Mapping[str, str]) -> str:
    if found.get("pm2") == "yes" and kind != "container":
        return _PM2
    if found.get("Transient") == "yes":
        return _TRANSIENT
    if found.get("unsafe") == "yes":
        program = found.get("executable", "its program")
        return f"{program} is run by root and can be changed by others"
    return _WHY.get(kind, "")


def _without_our_limit(service: NodeService) -> NodeService:
    """A limit that our own file sets follows from the budget, and not the budget from it."""
    if not any(one.path == service.drop_in and one.name == "MemoryMax" for one in service.lines):
        return service
    theirs = service.set_by("MemoryMax")
    limit = _bytes(theirs.text) if theirs else None
    return replace(service, memory_max=limit)


def _lines(rows: Sequence[tuple[str, ...]]) -> tuple[UnitLine, ...]:
    lines: list[UnitLine] = []
    for path, name, text in rows:
        if name == _RESET:
            lines = [one for one in lines if _DIRECTIVE.fullmatch(one.name)]
        else:
            lines.append(UnitLine(path, name, text))
    return tuple(lines)


def _of(name: str, rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [fields for owner, *fields in rows if owner == name]  # type: ignore[misc]


def _pairs(name: str, rows: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    return ((key, text) for key, text in _of(name, rows))


def _bytes(text: str) -> int | None:
    """Read a limit as systemd prints it, or as a unit file has it; None for no plain size."""
    try:
        return parse_size(text)
    except InvalidValue:
        return None


def _cpus(text: str) -> float | None:
    """Read CPU time for each second: `1.500000s`, `250ms`, infinity."""
    parts = _SECONDS.findall(text)
    return sum(float(number) * _SCALES[unit] for number, unit in parts) if parts else None
