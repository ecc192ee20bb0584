"""One memory budget for a host: the worst cases of everything on it fit into its RAM. Pure.

What is inside a PostgreSQL cluster is worked out in whole MiB, all else in bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from optimizer.model.errors import InvalidValue
from optimizer.model.plan import BudgetLine
from optimizer.planning.budget_lines import LEFT_OVER, add_up, lines_of
from optimizer.planning.division import (
    MIB,
    Cluster,
    Division,
    Host,
    Server,
    divide_memory,
    refuse_too_little,
)
from optimizer.planning.node_sizes import NodeSizes, node_sizes
from optimizer.planning.postgresql_sizes import Sizes, fit, with_least_work
from optimizer.planning.wal_sizes import most_wal


@dataclass(frozen=True)
class Budget:
    """What everything on a host may take, in bytes.

    ram: what there is. lines: the parts, and last what is left over; they add up to it.
    clusters: name -> numbers of a PostgreSQL cluster (see `numbers_for`). slices: `redis` or
    `node` -> name -> all that it may take. sizes: name of a cluster -> what was worked out for
    it, with the huge pages that hold its shared memory; they are part of it, nothing on top.
    processes: name of a Node service -> what one of its processes may take.
    """

    ram: int
    lines: tuple[BudgetLine, ...]
    clusters: Mapping[str, Mapping[str, int]]
    slices: Mapping[str, Mapping[str, int]]
    sizes: Mapping[str, Sizes]
    processes: Mapping[str, NodeSizes] = field(default_factory=dict)

    @property
    def worst(self) -> int:
        """Bytes that everything takes at once in the worst case."""
        return sum(line.bytes for line in self.lines if line.what != LEFT_OVER)

    def numbers_for(self, cluster: str) -> Mapping[str, int]:
        """Return what expressions of a PostgreSQL cluster may use; empty for an unknown one.

        slice: all of it; buffers, work, maintenance, autovacuum, cache, wal: for shared_buffers,
        work_mem, maintenance_work_mem, autovacuum_work_mem, effective_cache_size and
        max_wal_size, all in bytes. connections: for max_connections.
        """
        return self.clusters.get(cluster, {})


def share_out(host: Host) -> Budget:
    """Share out the memory of a host. Raises InvalidValue, with the sum, where it is too little."""
    division = divide_memory(host)
    refuse_too_little(division)
    sizes = dict(_fitted(host, division))
    return Budget(
        ram=host.ram,
        lines=add_up(tuple(lines_of(host, division, sizes)), host.ram),
        clusters={
            one.name: _numbers(one, division, sizes) for one in host.clusters if one.name in sizes
        },
        slices=division.slices,
        sizes=sizes,
        processes={
            one.name: node_sizes(division.slices["node"][one.name], one.processes, one.semi_space)
            for one in host.node
        },
    )


def redis_slices(
    ram: int, services: Collection[str], servers: Sequence[Server]
) -> Mapping[str, int]:
    """Return the bytes that each Redis server may take, with the usual shares; 0: too little."""
    host = Host(ram, frozenset(services), redis=tuple(servers))
    return divide_memory(host).slices["redis"]


def _fitted(host: Host, division: Division) -> Iterator[tuple[str, Sizes]]:
    for cluster in host.clusters:
        if cluster.demand is None:
            continue
        sizes = fit(division.clusters[cluster.name] // MIB, division.ram // MIB, cluster.demand)
        if not sizes.is_enough:
            raise _too_much(cluster.name, sizes, division)
        yield cluster.name, sizes


def _too_much(name: str, sizes: Sizes, division: Division) -> InvalidValue:
    needed, demand = with_least_work(sizes), sizes.demand
    hint = "Give it a larger share (`memory:` in the profile), or the host more memory."
    if demand.is_fixed:
        hint = "Set postgresql.max_connections to connections, or to less, in the profile."
    return InvalidValue(
        what=(
            f"{demand.connections} connections of PostgreSQL {name} do not fit into the "
            f"{division.clusters[name] // MIB} MiB that it may take: {needed.shared} MiB of shared "
            f"memory, {needed.upkeep} MiB for maintenance, {needed.private} MiB for connections "
            f"and {needed.operations} MiB for sorts and hashes of 4 MiB are {needed.worst} MiB; "
            f"{division.in_words()}"
        ),
        hint=hint,
    )


def _numbers(cluster: Cluster, division: Division, sizes: Mapping[str, Sizes]) -> dict[str, int]:
    own = sizes[cluster.name]
    return {
        "slice": division.clusters[cluster.name],
        "buffers": own.buffers * MIB,
        "work": own.work * 1024,
        "maintenance": own.maintenance * MIB,
        "autovacuum": own.autovacuum * MIB,
        "cache": _cache(cluster.name, division, own),
        "connections": own.demand.connections,
        "wal": most_wal(_mib(cluster.free_wal), _mib(cluster.max_wal)) * MIB,
    }


def _cache(name: str, division: Division, own: Sizes) -> int:
    """What a cluster may count on as cache: its own buffers, and what nobody else has."""
    elsewhere = sum(size for other, size in division.clusters.items() if other != name)
    rest = division.ram - division.others - elsewhere - own.private * MIB
    return max(own.buffers * MIB, min(division.ram * 3 // 4, rest))


def _mib(count: int | None) -> int | None:
    return None if count is None else count // MIB
