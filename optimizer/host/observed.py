"""From the answer of a probe to an observation."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from optimizer.host.node_health_observed import node_healths
from optimizer.host.node_observed import node_services, values_of
from optimizer.host.packages_observed import packages
from optimizer.host.pgbouncer_observed import parameters_of, poolers
from optimizer.host.postgresql_objects_observed import objects_of
from optimizer.host.postgresql_observed import clusters, settings_of
from optimizer.host.redis_observed import lined_files, parameters, redis_instances
from optimizer.host.wire import EMPTY, Answer, GarbledAnswer, decode_manifest, decode_pending
from optimizer.model.boot import Grub
from optimizer.model.huge_pages import HugePages
from optimizer.model.observation import (
    ConfigLine,
    Disk,
    Facts,
    FileState,
    LiveValue,
    Observation,
    Unit,
    ValueState,
)

# What reading a text of another shape can end in: the numbers, lists and names of an answer are
# whatever the host says.
_MISREAD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def _told(error: Exception) -> str:
    """Say what could not be read, but never at length what a host has sent."""
    return f"{type(error).__name__}: {str(error)[:200]}"


def observe(answers: Sequence[Answer], host: str) -> Observation:
    """Build the observation of one host. GarbledAnswer: the answer is cut or mixed up."""
    if not any(answer.word == "end" for answer in answers):
        raise GarbledAnswer(host=host, what="it ends before its end")
    by_word: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for answer in answers:
        by_word[answer.word].append(answer.fields)
    try:
        return _observation(by_word)
    except _MISREAD as error:
        raise GarbledAnswer(host=host, what=_told(error)) from error


def _observation(by_word: dict[str, list[tuple[str, ...]]]) -> Observation:
    servers, databases = redis_instances(by_word), clusters(by_word)
    pooled = poolers(by_word)
    programs = node_services(by_word)
    manifests = _snapshots(by_word["snapshot"])
    return Observation(
        facts=_facts(by_word),
        values={
            **_values(by_word),
            **{value.path: value for server in servers for value in parameters(server)},
            **{value.path: value for database in databases for value in settings_of(database)},
            **{value.path: value for database in databases for value in objects_of(database)},
            **{value.path: value for pooler in pooled for value in parameters_of(pooler)},
            **{value.path: value for program in programs for value in values_of(program)},
        },
        absent=frozenset(fields[0] for fields in by_word["absent"]),
        files={fields[0]: _file(fields) for fields in by_word["file"]},
        links={path: target for path, target in by_word["link"]},
        directories=frozenset(fields[0] for fields in by_word["directory"]),
        config=_config(by_word["config"]),
        config_files=_config_files(by_word["config-file"]),
        modules={name: state for name, state in by_word["module"]},
        units=_units(by_word),
        users=frozenset(fields[0] for fields in by_word["user"]),
        groups=frozenset(fields[0] for fields in by_word["group"]),
        authorities={name: state for name, state in by_word["authority"]},
        snapshots=manifests,
        damaged=_damaged(by_word["damaged"], manifests),
        undone=frozenset(fields[0] for fields in by_word["undone"]),
        pending=decode_pending(by_word["pending"][0]) if by_word["pending"] else None,
        broken=by_word["broken"][0][0] if by_word["broken"] else "",
        is_torn="torn" in by_word,
        unheld=_unheld(by_word["unheld"]),
        lined=lined_files(by_word["lined"]),
        redis=servers,
        postgresql=databases,
        pgbouncer=pooled,
        packages=packages(by_word),
        node_health=node_healths(by_word),
        node=programs,
        library_users=frozenset(fields[0] for fields in by_word["library-user"]),
        services=frozenset(fields[0] for fields in by_word["service"]),
        grub=Grub(*by_word["grub"][0]) if by_word["grub"] else None,
    )


def _values(by_word: dict[str, list[tuple[str, ...]]]) -> dict[str, LiveValue]:
    dependents = {path: names for path, names in by_word["depends"]}
    edited = {path: files for path, files in by_word["edited"]}
    return {
        value.path: replace(
            value,
            dependents=dependents.get(value.path, ""),
            edited=edited.get(value.path, ""),
        )
        for value in map(_value, by_word["value"])
    }


def _value(fields: tuple[str, ...]) -> LiveValue:
    path, state, text, *raw = fields
    options = tuple(word.strip("[]") for word in raw[0].split()) if raw else ()
    return LiveValue(path, ValueState(state), "" if text == EMPTY else text, options)


def _file(fields: tuple[str, ...]) -> FileState:
    _, described, content = fields
    sha256, mode, owner = described.split(" ")
    return FileState(bytes.fromhex(content), mode, owner, sha256)


def _config(rows: list[tuple[str, ...]]) -> dict[str, tuple[ConfigLine, ...]]:
    areas: dict[str, list[ConfigLine]] = defaultdict(list)
    for area, path, number, *text in rows:
        areas[area].append(ConfigLine(path, int(number), "\t".join(text).strip()))
    return {area: tuple(lines) for area, lines in areas.items()}


def _config_files(rows: list[tuple[str, ...]]) -> dict[str, dict[str, float]]:
    """Area -> path -> time of the last change, seconds since the epoch; 0 for a mask."""
    areas: dict[str, dict[str, float]] = defaultdict(dict)
    for area, path, target, changed in rows:
        areas[area][path] = 0.0 if target == "/dev/null" else float(changed or 0)
    return dict(areas)


def _units(by_word: dict[str, list[tuple[str, ...]]]) -> dict[str, Unit]:
    properties: dict[str, dict[str, str]] = defaultdict(dict)
    limits: dict[str, dict[str, str]] = defaultdict(dict)
    for name, line in by_word["unit"]:
        key, _, value = line.partition("=")
        properties[name][key] = value
    for name, limit, soft, hard in by_word["limit"]:
        limits[name][limit] = f"{soft}:{hard}"
    for name, directive, value in by_word["process"]:
        limits[name][directive] = value
    lines: dict[str, list[ConfigLine]] = defaultdict(list)
    for name, path, number, *text in by_word["unit-line"]:
        lines[name].append(ConfigLine(path, int(number), "\t".join(text).strip()))
    return {
        name: Unit(name, found, limits.get(name, {}), tuple(lines[name]))
        for name, found in properties.items()
    }


def _snapshots(rows: list[tuple[str, ...]]) -> dict[str, str]:
    manifests: dict[str, list[str]] = defaultdict(list)
    for name, *line in rows:
        manifests[name].append("\t".join(line))
    return {name: "\n".join(lines) + "\n" for name, lines in manifests.items()}


def _damaged(rows: list[tuple[str, ...]], manifests: Mapping[str, str]) -> dict[str, str]:
    """Snapshot -> why it cannot be believed: what the host says, or a form that is not known."""
    damaged = {fields[0]: fields[1] for fields in rows}
    for name, manifest in manifests.items():
        try:
            decode_manifest(manifest)
        except GarbledAnswer as error:
            damaged.setdefault(name, str(error.values["what"]))
    return damaged


def _unheld(rows: list[tuple[str, ...]]) -> dict[str, dict[str, str]]:
    left: dict[str, dict[str, str]] = defaultdict(dict)
    for name, path, text in rows:
        left[name][path] = text
    return dict(left)


def _facts(by_word: dict[str, list[tuple[str, ...]]]) -> Facts:
    fact = {name: " ".join(value) for name, *value in by_word["fact"]}
    return Facts(
        hostname=fact["hostname"],
        machine_id=fact.get("machine_id", ""),
        boot_id=fact["boot_id"],
        os=fact.get("os", "unknown"),
        os_version=fact.get("os_version", ""),
        os_name=fact.get("os_name", fact.get("os", "unknown")),
        kernel=fact["kernel"],
        cpus=_usable_cpus(fact),
        ram=_usable_ram(fact),
        virtualization=fact.get("virtualization", "none"),
        init=fact["init"],
        uid=int(fact["uid"]),
        cmdline=fact.get("cmdline", ""),
        numa_nodes=int(fact["numa_nodes"]),
        disks=tuple(Disk(name, kind) for name, kind in by_word["disk"]),
        tools=frozenset(name.removeprefix("has_") for name in fact if name.startswith("has_")),
        now=float(fact.get("now", 0)),
        uptime=float(fact.get("uptime", 0)),
        ram_available=int(fact.get("mem_available", 0)),
        memory_pressure=float(fact["memory_pressure"]) if "memory_pressure" in fact else None,
        failed_units=tuple(fact.get("failed_units", "").split()),
        file_limit=int(found) if (found := fact.get("file_limit", "")).isdecimal() else None,
        state_free=int(fact["state_free"]) if fact.get("state_free") else None,
        ram_outside=int(float(fact["mem_total"])) - _usable_ram(fact),
        huge_pages=_huge_pages(fact.get("huge_pages", "")),
        cpus_present=_count(fact.get("cpus_present", "")),
    )


def _usable_cpus(fact: dict[str, str]) -> int:
    """Count the CPUs that affinity and the cgroup quota leave."""
    counts = [_count(fact["cpus_allowed"])] if "cpus_allowed" in fact else [int(fact["processors"])]
    quota, _, period = fact.get("cpu.max", "max").partition(" ")
    if quota != "max" and period:
        counts.append(max(1, int(quota) // int(period)))
    return min(counts)


def _count(cpulist: str) -> int:
    spans = re.findall(r"(\d+)(?:-(\d+))?", cpulist)
    return sum(int(last or first) - int(first) + 1 for first, last in spans)


def _usable_ram(fact: dict[str, str]) -> int:
    total = int(float(fact["mem_total"]))
    limit = fact.get("memory.max", "max")
    return total if limit == "max" else min(total, int(limit))


def _huge_pages(text: str) -> HugePages:
    """Read the numbers of the default pool, and take it out of the bytes of all pools."""
    if not text:
        return HugePages()
    size, total, free, promised, surplus, everywhere = map(int, text.split())
    return HugePages(size, total, free, promised, surplus, max(0, everywhere - total * size))
