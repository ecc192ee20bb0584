"""What shares the memory of a host, and what each part of it may take at most. Pure; in bytes.

What has a limit of its own gets that; the rest is divided in the ratio of the shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optimizer.model.errors import InvalidValue
from optimizer.planning.postgresql_sizes import Demand
from optimizer.planning.shares import SHARES, divide, kernel, page_cache

NAMES: Mapping[str, str] = {"postgresql": "PostgreSQL", "redis": "Redis", "node": "Node"}
MIB = 2**20
# A server, or one process of a Node service, with less has nothing left beside its buffers.
_LEAST: Mapping[str, int] = {"redis": 48 * MIB, "node": 192 * MIB}


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL cluster.

    demand: None for one that nothing is worked out for, which keeps its share whole.
    free_wal: bytes free where its WAL is. max_wal: bytes of max_wal_size now. None: not known.
    """

    name: str
    demand: Demand | None
    free_wal: int | None = None
    max_wal: int | None = None


@dataclass(frozen=True)
class Server:
    """A Redis server or a Node service.

    limit: bytes that its unit may take; None for no limit. processes: that share it.
    semi_space: of each Node process, in bytes.
    """

    name: str
    limit: int | None = None
    processes: int = 1
    semi_space: int = 0


@dataclass(frozen=True)
class Host:
    """What shares the memory of a host.

    ram: bytes that can be used, limits of cgroups respected. services: what runs on it; those
    without a cluster, server or process in the lists keep their share whole.
    shares: service -> share, where it is not the usual one. lost: bytes that nobody can have.
    """

    ram: int
    services: frozenset[str]
    clusters: tuple[Cluster, ...] = ()
    redis: tuple[Server, ...] = ()
    node: tuple[Server, ...] = ()
    shares: Mapping[str, int] = field(default_factory=dict)
    lost: int = 0

    @property
    def servers(self) -> Mapping[str, tuple[Server, ...]]:
        """The servers that are known one by one, by service."""
        return {"redis": self.redis, "node": self.node}

    @property
    def running(self) -> frozenset[str]:
        """All services on the host."""
        known = {service for service, servers in self.servers.items() if servers}
        return self.services | known | ({"postgresql"} if self.clusters else frozenset())


@dataclass(frozen=True)
class Division:
    """The memory of a host, divided.

    cache: kept free for the page cache. lost: as in Host. clusters: name -> all that a cluster
    may take. slices: `redis` or `node` -> name -> all that a server may take. unnamed: shares of
    services of which no single server is known. ratio: shares of the services that had to share.
    processes: name of a Node service -> how many share its slice.
    """

    ram: int
    kernel: int
    cache: int
    lost: int
    clusters: Mapping[str, int]
    slices: Mapping[str, Mapping[str, int]]
    unnamed: Mapping[str, int]
    ratio: Mapping[str, int]
    processes: Mapping[str, int] = field(default_factory=dict)

    @property
    def others(self) -> int:
        """What is set apart for all but PostgreSQL clusters and the page cache."""
        slices = sum(sum(one.values()) for one in self.slices.values())
        return self.kernel + self.lost + slices + sum(self.unnamed.values())

    def in_words(self) -> str:
        """Return the sum in words, for errors."""
        parts = [f"{self.kernel // MIB} MiB for the kernel"]
        parts += [f"{self.cache // MIB} MiB for the page cache"] if self.cache else []
        parts += [f"{self.lost // MIB} MiB for huge pages of no cluster"] if self.lost else []
        for service, slices in {"postgresql": self.clusters, **self.slices}.items():
            named = NAMES[service]
            parts += [f"{size // MIB} MiB for {named} {name}" for name, size in slices.items()]
        unnamed = self.unnamed.items()
        parts += [f"{size // MIB} MiB for {NAMES[service]}" for service, size in unnamed]
        return f"of {self.ram // MIB} MiB there are " + ", ".join(parts)


def divide_memory(host: Host) -> Division:
    """Divide the memory of a host; sizes may come out as 0, or too large a limit may not fit."""
    ram = host.ram
    limits = {
        service: {one.name: one.limit for one in servers if one.limit is not None}
        for service, servers in host.servers.items()
    }
    cache = page_cache(ram, host.running)
    taken = sum(sum(one.values()) for one in limits.values())
    ratio = _ratio(host)
    parts = divide(ram - kernel(ram) - cache - host.lost - taken, ratio)
    slices: dict[str, dict[str, int]] = {}
    for service, servers in host.servers.items():
        unlimited = len(servers) - len(limits[service])
        each = parts[service] // unlimited if unlimited else 0
        slices[service] = {one.name: limits[service].get(one.name, each) for one in servers}
    each = parts["postgresql"] // len(host.clusters) if host.clusters else 0
    known = {"postgresql": host.clusters, **host.servers}
    return Division(
        ram=ram,
        kernel=kernel(ram),
        cache=cache,
        lost=host.lost,
        clusters={one.name: each for one in host.clusters},
        slices=slices,
        unnamed={service: size for service, size in parts.items() if not known[service]},
        ratio=ratio,
        processes={one.name: one.processes for one in host.node},
    )


def refuse_too_little(division: Division) -> None:
    """Raise InvalidValue, with the sum, where limits or a server do not fit."""
    if division.others + division.cache + sum(division.clusters.values()) > division.ram:
        raise InvalidValue(what=f"the memory is too small: {division.in_words()}")
    for service, slices in division.slices.items():
        for name, size in slices.items():
            processes = division.processes.get(name, 1) if service == "node" else 1
            least = _LEAST[service] * processes
            if size < least:
                of = f" for its {processes} processes" if processes > 1 else ""
                what = f"{NAMES[service]} {name} needs {least // MIB} MiB at least{of}"
                raise InvalidValue(what=f"{what}; {division.in_words()}")


def _ratio(host: Host) -> dict[str, int]:
    """The shares of those that share: not of a service whose servers all have their own limit."""
    shares = {**SHARES, **host.shares}
    limited = {
        service
        for service, servers in host.servers.items()
        if servers and all(one.limit is not None for one in servers)
    }
    return {name: shares[name] for name in SHARES if name in host.running - limited}
