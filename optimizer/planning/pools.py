"""What sizing has to know of a PgBouncer, from what it said of itself. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from optimizer.model.pgbouncer import PgBouncer
from optimizer.planning.pool_sizes import Database, Pooler, Usual


def poolers_of(found: Iterable[PgBouncer]) -> tuple[Pooler, ...]:
    """Return every PgBouncer that answers."""
    return tuple(_pooler(one) for one in found if not one.problem)


def _pooler(one: PgBouncer) -> Pooler:
    pools = Counter(pool.database for pool in one.pools)
    busy = {row.database: row.busy for row in one.traffic}
    return Pooler(
        name=one.name,
        usual=Usual(
            size=one.number("default_pool_size", 20),
            reserve=one.number("reserve_pool_size"),
            limit=one.number("max_db_connections"),
        ),
        databases=tuple(
            Database(
                server=base.port if base.is_here else "",
                pools=max(1, pools[base.name]),
                size=base.size if "pool_size" in base.own else None,
                reserve=base.reserve if "reserve_pool_size" in base.own else None,
                limit=base.limit if "max_db_connections" in base.own else None,
                busy=busy.get(base.name, 0.0),
            )
            for base in one.databases
        ),
    )
