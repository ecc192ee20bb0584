"""From a profile and one observation to the memory budget of the host. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from optimizer.model.errors import InvalidValue
from optimizer.model.observation import Observation
from optimizer.model.postgresql import PgCluster
from optimizer.model.profile import Constraint, Profile
from optimizer.model.reading import Reading
from optimizer.modules.connections import Asker
from optimizer.modules.node_demand import NodeAsker
from optimizer.planning.budget import Budget, share_out
from optimizer.planning.division import Cluster, Host, Server
from optimizer.planning.postgresql_sizes import Demand

# What takes memory by the gigabyte, or follows from it: a profile without any of it promises
# nothing of memory.
_SIZED = frozenset(
    {
        "postgresql.shared_buffers",
        "postgresql.work_mem",
        "postgresql.maintenance_work_mem",
        "postgresql.autovacuum_work_mem",
        "postgresql.max_connections",
        "postgresql.effective_cache_size",
        "postgresql.max_wal_size",
        "postgresql.min_wal_size",
        "redis.maxmemory",
        "node.max-old-space-size",
        "node.memory-max",
    }
)
# What a server has without any setting.
_CONNECTIONS = 100
_PARALLEL = 8
_WORKERS = 3
# Units of pg_settings that max_wal_size is counted in, in bytes.
_UNITS: Mapping[str, int] = {"kB": 2**10, "MB": 2**20}


def budget_of(profile: Profile, observation: Observation, lost: int = 0) -> Budget | None:
    """Return the memory budget of a host; None where none of the services runs.

    Raises InvalidValue, with the sum, where something does not fit and the profile sizes any of
    it; None where it sizes nothing. A cluster that does not fit keeps its share whole where the
    profile leaves the sizes of clusters alone. lost: bytes of huge pages in nobody's part.
    """
    host = Host(
        ram=observation.facts.ram,
        services=observation.services,
        clusters=tuple(
            _cluster(one, profile, observation)
            for one in observation.postgresql
            if not one.is_elsewhere
        ),
        redis=tuple(
            Server(one.name, one.memory_max)
            for one in observation.redis
            if not one.is_elsewhere and one.role != "sentinel"
        ),
        node=tuple(_node_servers(profile, observation)),
        shares=profile.memory,
        lost=lost,
    )
    if not host.running:
        return None
    sized = _sized(profile)
    try:
        return share_out(host)
    except InvalidValue:
        if "postgresql" in sized:
            raise
    unsized = tuple(replace(one, demand=None) for one in host.clusters)
    try:
        return share_out(replace(host, clusters=unsized))
    except InvalidValue:
        if sized:
            raise
        return None


def with_numbers(reading: Reading, budget: Budget | None) -> Reading:
    """Return a reading with what its expressions may use of the budget."""
    if budget is None or reading.tunable.kind == "pgbouncer":
        return reading
    module, name = reading.tunable.module, reading.instance
    found = dict(budget.numbers_for(name)) if module == "postgresql" else {}
    if name in budget.slices.get(module, {}):
        found["slice"] = budget.slices[module][name]
    if module == "node" and name in budget.processes:
        sizes = budget.processes[name]
        found |= {"process": sizes.process, "heap": sizes.heap}
    return replace(reading, numbers={**reading.numbers, **found}) if found else reading


def _node_servers(profile: Profile, observation: Observation) -> Iterator[Server]:
    asker = NodeAsker(profile, observation.facts)
    return (asker.server(one) for one in observation.node if not one.is_elsewhere)


def _sized(profile: Profile) -> frozenset[str]:
    """Return the modules that a profile sizes something of."""
    return frozenset(
        profile.settings[name].tunable.module
        for name in _SIZED & profile.settings.keys()
        for one in profile.settings[name].alternatives
        if one.constraint is not Constraint.UNTOUCHED
    )


def _cluster(cluster: PgCluster, profile: Profile, observation: Observation) -> Cluster:
    if cluster.problem:
        return Cluster(cluster.name, demand=None)
    asker = Asker(profile, observation.facts, cluster)
    connections, is_fixed = asker.number("max_connections", _CONNECTIONS)
    return Cluster(
        cluster.name,
        Demand(
            connections=max(1, connections),
            parallel=max(0, asker.number("max_parallel_workers", _PARALLEL)[0]),
            major=cluster.major,
            workers=max(1, asker.number("autovacuum_max_workers", _WORKERS)[0]),
            is_fixed=is_fixed,
        ),
        free_wal=cluster.free_wal,
        max_wal=_max_wal(cluster),
    )


def _max_wal(cluster: PgCluster) -> int | None:
    setting = cluster.settings.get("max_wal_size")
    if setting is None or setting.unit not in _UNITS or not setting.setting.isdecimal():
        return None
    return int(setting.setting) * _UNITS[setting.unit]
