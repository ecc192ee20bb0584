"""Sizes that a profile gives as plain numbers, held against the memory budget. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from optimizer.model.errors import InvalidValue
from optimizer.model.observation import Observation
from optimizer.modules.left import as_left, numbers
from optimizer.planning.budget import Budget
from optimizer.planning.comparing import Verdict
from optimizer.planning.division import MIB
from optimizer.planning.postgresql_sizes import Sizes

_SIZES = ("shared_buffers", "work_mem", "maintenance_work_mem", "autovacuum_work_mem")
_HEAP = "--max-old-space-size"
_HINT = "Follow the budget (slice, buffers, work, connections), or share the memory otherwise."


def refuse_overcommitment(
    verdicts: Collection[Verdict], budget: Budget | None, observation: Observation
) -> None:
    """Raise InvalidValue, with the sum, where what is wanted takes more than its server may.

    What is pinned or left alone counts as it is on the server.
    """
    if budget is None:
        return
    sized = {
        (one.reading.tunable.module, one.reading.instance)
        for one in verdicts
        if one.wanted
        and one.reading.tunable.target in (*_SIZES, "max_connections", "maxmemory", _HEAP)
    }
    for (module, name), texts in as_left(verdicts, observation).items():
        if (module, name) not in sized:
            continue
        values = numbers(texts)
        if module == "postgresql" and name in budget.sizes:
            _refuse_cluster(name, _sizes(budget.sizes[name], values), budget)
        elif module == "redis" and name in budget.slices["redis"]:
            _refuse_redis(name, values, budget.slices["redis"][name])
        elif module == "node" and name in budget.processes and _HEAP in values:
            _refuse_node(name, values[_HEAP], budget)


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


def _refuse_node(name: str, heap: int, budget: Budget) -> None:
    sizes = budget.processes[name]
    worst = sizes.worst(heap)
    if heap > sizes.heap and worst > sizes.process:
        what = (
            f"each process of Node {name} may take {sizes.process // MIB} MiB, and would take "
            f"{worst // MIB} MiB with a heap of {heap // MIB} MiB"
        )
        raise InvalidValue(what=what, hint=_HINT.replace("buffers, work, connections", "heap"))
