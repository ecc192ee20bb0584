"""How many connections the pools of a host may have. Pure.

Connections come and go through pools of one user and one database each, in one PgBouncer or
several, and all of them have to fit what the server behind them lets clients have. How many a pool
needs follows from Little's law: transactions a second times the time that one takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

# Busy connections are to be half of a pool, so that a burst finds one that is free.
HEADROOM = 2
# What a reserve may have beside the size of a pool.
RESERVE = Fraction(1, 4)
# In place of what is not known: more than any pool has.
UNLIMITED = 262_143


@dataclass(frozen=True)
class Database:
    """One database of a PgBouncer, with the pools that users have to it.

    server: port of the cluster on this host; empty where it is elsewhere.
    pools: users that it has, at least one. size, reserve, limit: its own ones, None where those
    of the PgBouncer hold; limit: of all its pools together, 0 for none.
    busy: transactions that are under way on average.
    """

    server: str
    pools: int = 1
    size: int | None = None
    reserve: int | None = None
    limit: int | None = None
    busy: float = 0.0

    def most(self, usual: Usual) -> int:
        """Return the connections that it may come to have."""
        size = usual.size if self.size is None else self.size
        reserve = usual.reserve if self.reserve is None else self.reserve
        limit = usual.limit if self.limit is None else self.limit
        every = self.pools * (size + reserve)
        return min(every, limit) if limit else every


@dataclass(frozen=True)
class Usual:
    """What holds for the databases of a PgBouncer that have nothing of their own.

    size: default_pool_size. reserve: reserve_pool_size. limit: max_db_connections, 0 for none.
    """

    size: int
    reserve: int = 0
    limit: int = 0


@dataclass(frozen=True)
class Pooler:
    """One PgBouncer: its databases, and what they usually get now."""

    name: str
    usual: Usual
    databases: tuple[Database, ...] = ()

    @property
    def needed(self) -> int:
        """What the busiest pool of the usual size needs by Little's law."""
        busiest = max((one.busy for one in self.databases if one.size is None), default=0.0)
        return max(1, -(-int(HEADROOM * busiest * 1000) // 1000))

    @property
    def pools(self) -> int:
        """Pools of the usual size."""
        return sum(one.pools for one in self.databases if one.size is None)


def room(pooler: Pooler, every: Sequence[Pooler], clients: Mapping[str, int]) -> int:
    """Return the largest usual size with which the pools of all PgBouncers fit their servers.

    clients: port of a cluster on this host -> connections that it has for clients. The reserve,
    a quarter of the size, fits beside it. UNLIMITED where no server is on this host; below 1 where
    nothing fits.
    """
    rooms = [_room(server, every, clients[server]) for server in _servers(pooler, clients)]
    return min((one.numerator // one.denominator for one in rooms), default=UNLIMITED)


def share(pooler: Pooler, every: Sequence[Pooler], clients: Mapping[str, int]) -> int:
    """Return what one database may have at most, whatever the number of its users; 0 for no limit.

    A limit that is in force and low enough stays.
    """
    shares = [_per_database(server, every, clients[server]) for server in _servers(pooler, clients)]
    present = pooler.usual.limit
    if not shares:
        return present
    most = max(1, min(shares))
    return min(present, most) if present else most


def total(server: str, poolers: Sequence[Pooler]) -> int:
    """Return the connections that all pools to a server may come to have."""
    return sum(one.most(pooler.usual) for pooler, one in _behind(server, poolers))


def _servers(pooler: Pooler, clients: Mapping[str, int]) -> list[str]:
    return sorted({one.server for one in pooler.databases if one.server in clients})


def _behind(server: str, poolers: Sequence[Pooler]) -> list[tuple[Pooler, Database]]:
    return [(one, base) for one in poolers for base in one.databases if base.server == server]


def _room(server: str, poolers: Sequence[Pooler], clients: int) -> Fraction:
    """Return the size at which all pools to a server take just what it has.

    What a plan may change itself, such as a limit, is not looked at: the size would follow it.
    """
    fixed, rising = 0, Fraction(0)
    for _, one in _behind(server, poolers):
        fixed += one.pools * ((one.size or 0) + (one.reserve or 0))
        rising += one.pools * (int(one.size is None) + (one.reserve is None) * RESERVE)
    return (clients - fixed) / rising if rising else Fraction(clients)


def _per_database(server: str, poolers: Sequence[Pooler], clients: int) -> int:
    found = [one for _, one in _behind(server, poolers)]
    own = sum(one.limit for one in found if one.limit)
    others = sum(1 for one in found if not one.limit)
    return max(0, clients - own) // max(1, others)
