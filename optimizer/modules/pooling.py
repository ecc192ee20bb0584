"""From an observation to the numbers of every PgBouncer, and the sum that has to fit. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from optimizer.model.errors import InvalidValue
from optimizer.model.observation import Observation
from optimizer.model.postgresql import PgCluster
from optimizer.model.profile import Profile
from optimizer.model.reading import Reading
from optimizer.modules.connections import Asker
from optimizer.planning.budget import Budget
from optimizer.planning.comparing import Status, Verdict
from optimizer.planning.pool_sizes import Pooler, Usual, room, share, total
from optimizer.planning.pools import poolers_of

Clients = Mapping[str, int]

_SIZES = ("default_pool_size", "reserve_pool_size", "max_db_connections")
_HINT = (
    "Make the pools smaller (default_pool_size, or pool_size in [databases]), or raise "
    "postgresql.max_connections."
)


def clients_of(profile: Profile, observation: Observation, budget: Budget | None) -> Clients:
    """Return port of a cluster -> connections for clients, now and as the plan will leave it."""
    return {
        one.name: max(0, _connections(one, profile, observation, budget))
        for one in observation.postgresql
        if not one.problem and "max_connections" in one.settings
    }


def _connections(
    cluster: PgCluster, profile: Profile, observation: Observation, budget: Budget | None
) -> int:
    asker = Asker(profile, observation.facts, cluster)
    present = int(cluster.settings["max_connections"].setting)
    if budget and cluster.name in budget.sizes:
        wanted = budget.sizes[cluster.name].demand.connections
    else:
        wanted = asker.number("max_connections", present)[0]
    reserved = asker.number("superuser_reserved_connections", 3)[0]
    # Since PostgreSQL 16 some may be kept for other roles too.
    reserved += asker.number("reserved_connections", 0)[0]
    return min(present, wanted) - reserved


class Pooling:
    """What expressions of PgBouncer's settings may use, worked out once for a host."""

    def __init__(self, profile: Profile, observation: Observation, budget: Budget | None) -> None:
        self._seen = {one.name: one for one in observation.pgbouncer}
        self._poolers = poolers_of(observation.pgbouncer)
        self._clients = clients_of(profile, observation, budget) if self._poolers else {}

    def with_numbers(self, reading: Reading) -> Reading:
        """Return a reading of a PgBouncer with its numbers; any other as it is.

        pool: the usual size now. needed: by Little's law. room: the largest that fits. pools: how
        many have the usual size. share: of one database. files: clients that its open files allow.
        """
        if reading.tunable.kind != "pgbouncer":
            return reading
        one = next((one for one in self._poolers if one.name == reading.instance), None)
        if one is None:
            return reading
        numbers = {
            "pool": one.usual.size,
            "needed": one.needed,
            "room": max(1, room(one, self._poolers, self._clients)),
            "pools": one.pools,
            "share": share(one, self._poolers, self._clients),
            "files": self._seen[one.name].free_files,
        }
        return replace(reading, numbers={**reading.numbers, **numbers})

    def refuse_crowds(self, verdicts: Collection[Verdict]) -> None:
        """Raise InvalidValue, with the sum, where the pools of a profile do not fit a server.

        What is pinned or left alone counts as it is.
        """
        wanted = [_as_wanted(one, verdicts) for one in self._poolers]
        sized = {
            verdict.reading.instance
            for verdict in verdicts
            if verdict.wanted and _is_size(verdict) and verdict.status is not Status.PINNED
        }
        for server, most in self._clients.items():
            behind = [one for one in wanted if any(base.server == server for base in one.databases)]
            if sized.isdisjoint(one.name for one in behind):
                continue
            every = total(server, wanted)
            if every > most:
                raise InvalidValue(what=_crowded(server, most, every, behind), hint=_HINT)


def _is_size(verdict: Verdict) -> bool:
    tunable = verdict.reading.tunable
    return tunable.kind == "pgbouncer" and tunable.target in _SIZES


def _as_wanted(pooler: Pooler, verdicts: Collection[Verdict]) -> Pooler:
    values = {
        verdict.reading.tunable.target: int(verdict.wanted)
        for verdict in verdicts
        if _is_size(verdict)
        and verdict.reading.instance == pooler.name
        and verdict.wanted.isdecimal()
        and not verdict.reading.blocked
    }
    usual = Usual(
        size=values.get("default_pool_size", pooler.usual.size),
        reserve=values.get("reserve_pool_size", pooler.usual.reserve),
        limit=values.get("max_db_connections", pooler.usual.limit),
    )
    return replace(pooler, usual=usual)


def _crowded(server: str, most: int, every: int, poolers: Collection[Pooler]) -> str:
    parts = [
        f"PgBouncer {pooler.name}: {part}" for pooler in poolers for part in _parts(server, pooler)
    ]
    return (
        f"PostgreSQL {server} has {most} connections for clients, and its pools may take {every}: "
        f"{'; '.join(parts)}"
    )


def _parts(server: str, pooler: Pooler) -> list[str]:
    return [
        f"{one.pools} of {one.size if one.size is not None else pooler.usual.size} with "
        f"{one.reserve if one.reserve is not None else pooler.usual.reserve} in reserve"
        for one in pooler.databases
        if one.server == server
    ]
