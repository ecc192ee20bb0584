"""What fits into the memory of one PostgreSQL cluster. Pure; sizes in MiB unless said.

The worst case counts three sorts or hashes at once for every connection and parallel worker,
one maintenance command, and every autovacuum worker. Shared memory and the private memory of a
connection were measured on PostgreSQL 15 to 17.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# The least that is worth running a server with; work_mem in KiB.
LEAST_WORK = 4 * 1024
LEAST_CONNECTIONS = 10

# Private memory of one connection, and how many sorts or hashes it may have open at a time.
CONNECTION = 6
OPERATIONS = 3

_MOST_WORK = 256 * 1024
# Up to this version vacuum uses no more than 1 GiB.
_SMALL_VACUUM = 16


@dataclass(frozen=True)
class Demand:
    """What a cluster is to serve: connections, and workers of parallel queries and autovacuum.

    is_fixed: whether the number of connections has to stay as it is.
    """

    connections: int
    parallel: int
    major: int
    workers: int = 3
    is_fixed: bool = False


@dataclass(frozen=True)
class Sizes:
    """Sizes of one cluster. demand: what they hold, with the connections that fit.

    buffers, maintenance, autovacuum: shared_buffers, maintenance_work_mem and
    autovacuum_work_mem. work: work_mem in KiB.
    """

    demand: Demand
    buffers: int
    maintenance: int
    autovacuum: int
    work: int

    @property
    def shared(self) -> int:
        """All of the shared memory."""
        return shared_memory(self.buffers, self.demand.connections)

    @property
    def private(self) -> int:
        """Private memory of all connections."""
        return CONNECTION * self.demand.connections

    @property
    def upkeep(self) -> int:
        """One maintenance command and every autovacuum worker at once."""
        return self.maintenance + self.demand.workers * self.autovacuum

    @property
    def operations(self) -> int:
        """All sorts and hashes at once, rounded up."""
        processes = self.demand.connections + self.demand.parallel
        return -(-OPERATIONS * processes * self.work // 1024)

    @property
    def worst(self) -> int:
        """All of it at once."""
        return self.shared + self.upkeep + self.private + self.operations

    @property
    def huge_pages(self) -> int:
        """How many pages of 2 MiB hold the shared memory."""
        return self.shared // 2

    @property
    def is_enough(self) -> bool:
        """Whether work_mem is what a server needs at least."""
        return self.work >= LEAST_WORK


def shared_memory(buffers: int, connections: int) -> int:
    """Return the shared memory of a cluster, in whole huge pages of 2 MiB.

    2.5 % and 32 MiB stand beside the buffers, and a twentieth for each connection.
    """
    return 32 + 2 * -(-(41 * buffers + 2 * connections) // 80)


def fit(envelope: int, ram: int, demand: Demand) -> Sizes:
    """Return the sizes of a cluster within its envelope; `is_enough` says whether they fit.

    Connections are lowered before work_mem goes under 4 MiB. All sizes follow from the number
    that comes out, so asking for just that number gives the same sizes again.
    """
    least = min(demand.connections, LEAST_CONNECTIONS)
    if demand.is_fixed or not _sizes(envelope, ram, demand, least).is_enough:
        connections = demand.connections if demand.is_fixed else least
        return _sizes(envelope, ram, demand, connections)
    low, high = least, demand.connections
    while low < high:
        middle = (low + high + 1) // 2
        if _sizes(envelope, ram, demand, middle).is_enough:
            low = middle
        else:
            high = middle - 1
    return _sizes(envelope, ram, demand, low)


def with_least_work(sizes: Sizes) -> Sizes:
    """Return the sizes with as little work_mem as a server needs."""
    return replace(sizes, work=LEAST_WORK)


def _sizes(envelope: int, ram: int, demand: Demand, connections: int) -> Sizes:
    buffers = max(8, min(envelope * 2 // 5, ram // 4) // 8 * 8)
    most = 1024 if demand.major <= _SMALL_VACUUM else 2048
    maintenance = min(max(envelope // 16, 32), most)
    sizes = Sizes(
        demand=replace(demand, connections=connections),
        buffers=buffers,
        maintenance=maintenance,
        autovacuum=min(max(maintenance // 4, 16), 512),
        work=0,
    )
    left = envelope - sizes.shared - sizes.upkeep - sizes.private
    work = left * 1024 // (OPERATIONS * (connections + demand.parallel))
    return replace(sizes, work=min(work // 64 * 64, _MOST_WORK))
