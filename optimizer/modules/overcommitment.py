"""Sizes that a profile gives as plain numbers, held against the memory budget. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from optimizer.model.errors import InvalidValue
from optimizer.planning.budget import Budget
from optimizer.planning.comparing import Status, Verdict
from optimizer.planning.division import MIB
from optimizer.planning.postgresql_sizes import Sizes

_HINT = "Follow the budget (slice, buffers, work, connections), or share the memory otherwise."


def refuse_overcommitment(verdicts: Iterable[Verdict], budget: Budget | None) -> None:
    """Raise InvalidValue, with the sum, where what is wanted takes more than its server may.

    What is pinned counts as it is, what the profile leaves alone as the budget has it.
    """
    if budget is None:
        return
    wanted: dict[tuple[str, str], dict[str, int]] = {}
    for verdict in verdicts:
        reading = verdict.reading
        text = reading.live or "" if verdict.status is Status.PINNED else verdict.wanted
        if text.isdecimal():
            server = wanted.setdefault((reading.tunable.module, reading.instance), {})
            server[reading.tunable.target] = int(text)
    for (module, name), values in wanted.items():
        if module == "postgresql" and name in budget.sizes:
            _refuse_cluster(name, _sizes(budget.sizes[name], values), budget)
        elif module == "redis" and name in budget.slices["redis"]:
            _refuse_redis(name, values, budget.slices["redis"][name])


def _sizes(usual: Sizes, values: Mapping[str, int]) -> Sizes:
    """Return what the wanted values come to; sizes in bytes, rounded up to whole MiB."""
    buffers, maintenance, autovacuum = (
        -(-values[name] // MIB) if name in values else size
        for name, size in (
            ("shared_buffers", usual.buffers),
            ("maintenance_work_mem", usual.maintenance),
            ("autovacuum_work_mem", usual.autovacuum),
        )
    )
    connections = values.get("max_connections", usual.demand.connections)
    work = values.get("work_mem", usual.work * 1024)
    return replace(
        usual,
        demand=replace(usual.demand, connections=connections),
        buffers=buffers,
        maintenance=maintenance,
        autovacuum=autovacuum,
        work=-(-work // 1024),
    )


def _refuse_cluster(name: str, sizes: Sizes, budget: Budget) -> None:
    most = budget.numbers_for(name)["slice"] // MIB
    if sizes.worst > most:
        what = (
            f"PostgreSQL {name} may take {most} MiB, and would take {sizes.worst} MiB: "
            f"{sizes.shared} MiB of shared memory, {sizes.upkeep} MiB for maintenance, "
            f"{sizes.private} MiB for {sizes.demand.connections} connections and "
            f"{sizes.operations} MiB for sorts and hashes of {sizes.work} KiB"
        )
        raise InvalidValue(what=what, hint=_HINT)


def _refuse_redis(name: str, values: Mapping[str, int], most: int) -> None:
    limit = values.get("maxmemory", 0)
    if limit > most:
        what = f"Redis {name} may take {most // MIB} MiB, and maxmemory is {limit // MIB} MiB"
        raise InvalidValue(what=what, hint=_HINT)
