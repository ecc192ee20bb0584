"""Which facts a setting may use, in conditions and in expressions, by what it belongs to."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.model.tunable import Tunable
from optimizer.planning import conditions

# A host to try expressions on: large enough that shares of it are not zero.
_SAMPLE: Mapping[str, int] = {"cpus": 16, "numa_nodes": 2, "ram": 64 * 2**30}
SAMPLE_WORDS = "16 CPUs, 2 NUMA nodes and 64 GiB"

# What each server has besides, worked out from the memory that it may take in all (slice).
_SAMPLES_OF_SERVERS: Mapping[str, Mapping[str, int]] = {
    "redis": {"slice": 16 * 2**30},
    "postgresql": {
        "slice": 16 * 2**30,
        "buffers": 4 * 2**30,
        "work": 16 * 2**20,
        "maintenance": 2**30,
        "autovacuum": 256 * 2**20,
        "cache": 48 * 2**30,
        "connections": 100,
        "wal": 16 * 2**30,
    },
    "pgbouncer": {"pool": 20, "needed": 4, "room": 60, "pools": 1, "share": 97, "files": 972},
    "node": {
        "slice": 4 * 2**30,
        "process": 2 * 2**30,
        "heap": 1536 * 2**20,
        "workers": 1,
        "processes": 2,
    },
}
_SERVERS: Mapping[str, str] = {
    "redis": "Redis",
    "postgresql": "PostgreSQL",
    "pgbouncer": "PgBouncer",
    "node": "Node",
}

# What the pool of huge pages has besides: pages that clusters need, and that other programs have.
_SAMPLES_OF_TUNABLES: Mapping[str, Mapping[str, int]] = {
    "system.sysctl.vm.nr_hugepages": {"database_pages": 8400, "other_pages": 100},
}


def facts_for(tunable: Tunable) -> frozenset[str]:
    """Return the names that `when:` of this tunable may ask for."""
    match _server(tunable):
        case "pgbouncer":
            return conditions.PGBOUNCER_FACTS
        case "redis":
            return conditions.REDIS_FACTS
        case "postgresql" if tunable.kind == "postgresql-object":
            return conditions.OBJECT_FACTS
        case "postgresql":
            return conditions.POSTGRESQL_FACTS
        case "node":
            return conditions.NODE_FACTS
    is_per_disk = "/block/" in tunable.target
    return conditions.DISK_FACTS if is_per_disk else conditions.HOST_FACTS


def words_for(tunable: Tunable) -> Mapping[str, tuple[str, ...]]:
    """Return what the facts of this tunable may be, where that can be listed."""
    is_postgresql = tunable.module == "postgresql"
    return conditions.POSTGRESQL_WORDS if is_postgresql else conditions.WORD_FACTS


def numbers_for(tunable: Tunable) -> Mapping[str, int]:
    """Return a sample of what expressions of this tunable may use."""
    of_server = _SAMPLES_OF_SERVERS.get(_server(tunable), {})
    return {**_SAMPLE, **of_server, **_SAMPLES_OF_TUNABLES.get(tunable.id, {})}


def servers_with(number: str) -> list[str]:
    """Return the names of the servers whose settings have a number that others have not."""
    return [
        _SERVERS[server] for server, numbers in _SAMPLES_OF_SERVERS.items() if number in numbers
    ]


def _server(tunable: Tunable) -> str:
    """Return the server that a tunable belongs to: its module, but for the pools of a database."""
    return tunable.kind if tunable.kind == "pgbouncer" else tunable.module
