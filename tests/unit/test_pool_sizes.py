"""Sizes of pools: whatever the host, they fit the server, and what fits stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import profiles
from optimizer.model.observation import Observation
from optimizer.model.pgbouncer import Parameter, PgBouncer, Pool, PooledDatabase, Traffic
from optimizer.model.plan import HostPlan
from optimizer.model.profile import Profile
from optimizer.modules.host_plan import plan_host
from optimizer.planning.pool_sizes import UNLIMITED, Database, Pooler, Usual, room, share, total
from optimizer.planning.pools import poolers_of
from tests.unit.pgbouncers import POOLER, cluster, config, seen

DIRECTORY = Path(__file__).parents[2] / "profiles"
NAMES = ("production", "hft", "trading-agents", "trading-bot", "titan")
RESERVED = 3


@cache
def pools_only(name: str) -> Profile:
    """Return a shipped profile with nothing but PgBouncer in it."""
    whole = profiles.load(name, directories=[DIRECTORY])
    kept = {one: it for one, it in whole.settings.items() if "pgbouncer" in one}
    assert kept
    return replace(whole, settings=kept)


def one(size: int = 20, *databases: Database, limit: int = 0) -> Pooler:
    return Pooler("6432", Usual(size, 0, limit), databases or (Database("5432"),))


def test_littles_law_with_room_for_a_burst() -> None:
    # 500 transactions a second of 8 ms are 4 at a time.
    assert one(20, Database("5432", busy=500 * 0.008)).needed == 8
    assert one(20, Database("5432", busy=0.0)).needed == 1
    assert one(20, Database("5432", size=5, busy=40)).needed == 1


def test_room_is_shared_by_all_pools_and_leaves_the_reserve() -> None:
    clients = {"5432": 97}
    assert room(one(), [one()], clients) == 77
    two = one(20, Database("5432", pools=2))
    assert room(two, [two], clients) == 38
    other = replace(one(), name="6433")
    assert room(one(), [one(), other], clients) == 38
    fixed = one(20, Database("5432"), Database("5432", size=47))
    # The reserve of a quarter is on top of the 47 too.
    assert room(fixed, [fixed], clients) == 33
    away = one(20, Database(""))
    assert room(away, [away], clients) == UNLIMITED


def test_a_share_that_is_low_enough_stays() -> None:
    clients = {"5432": 97}
    assert share(one(), [one()], clients) == 97
    assert share(one(limit=50), [one(limit=50)], clients) == 50
    assert share(one(limit=200), [one(limit=200)], clients) == 97
    two = one(20, Database("5432"), Database("5432"))
    assert share(two, [two], clients) == 48
    away = one(20, Database(""), limit=7)
    assert share(away, [away], clients) == 7


def test_a_limit_of_a_database_bounds_all_of_its_pools() -> None:
    many = one(20, Database("5432", pools=10), limit=50)
    assert total("5432", [many]) == 50
    assert total("5432", [one(20, Database("5432", pools=10))]) == 200


@dataclass(frozen=True)
class Drawn:
    """A host: its CPUs, connections of its clusters, and every PgBouncer."""

    cpus: int
    connections: Mapping[str, int]
    poolers: tuple[PgBouncer, ...]

    def seen(self) -> Observation:
        clusters = tuple(cluster(most, name) for name, most in self.connections.items())
        made = seen(*self.poolers, clusters=clusters)
        return replace(made, facts=replace(made.facts, cpus=self.cpus))


@st.composite
def hosts(draw: st.DrawFn) -> Drawn:
    """Draw a host with up to three PgBouncers before up to two clusters."""
    names = draw(st.sampled_from([("5432",), ("5432", "5433")]))
    return Drawn(
        draw(st.integers(1, 128)),
        {name: draw(st.integers(10, 2000)) for name in names},
        tuple(draw(poolers(f"643{at}")) for at in range(draw(st.integers(1, 3)))),
    )


@st.composite
def poolers(draw: st.DrawFn, name: str) -> PgBouncer:
    size = draw(st.integers(1, 200))
    mode = draw(st.sampled_from(["session", "transaction", "statement"]))
    values = config(
        default_pool_size=str(size),
        reserve_pool_size=str(draw(st.integers(0, 50))),
        max_db_connections=str(draw(st.integers(0, 300))),
        pool_mode=mode,
    )
    bases, pools, traffic = [], [], []
    for at in range(draw(st.integers(1, 3))):
        own = draw(st.booleans()) and draw(st.booleans())
        base = f"db{at}"
        bases.append(
            PooledDatabase(
                base,
                draw(st.sampled_from(["", "127.0.0.1", "elsewhere"])),
                draw(st.sampled_from(["5432", "5433", "5434"])),
                size=draw(st.integers(1, 30)) if own else size,
                own=frozenset({"pool_size"}) if own else frozenset(),
            )
        )
        users = range(draw(st.integers(0, 6)))
        pools += [Pool(base, f"u{user}", active=1, mode=mode) for user in users]
        rate, time = draw(st.integers(0, 5000)), draw(st.integers(0, 50)) / 1000
        traffic.append(Traffic(base, rate, time))
    return replace(
        POOLER,
        name=name,
        address=f"postgres@/run/{name}:{name}",
        config=values,
        databases=tuple(bases),
        pools=tuple(pools),
        traffic=tuple(traffic),
        open_files=draw(st.sampled_from([1024, 65536, None])),
    )


def planned(profile: Profile, drawn: Drawn) -> HostPlan:
    return plan_host("db-1", profile, drawn.seen(), {}, frozenset())


def carried_out(plan: HostPlan, drawn: Drawn) -> Drawn:
    """Return the host as it is after its plan."""
    after: dict[tuple[str, str], str] = {}
    for change in plan.changes:
        name, _, instance = change.tunable.rstrip("]").partition("[")
        if change.allowed:
            after[instance, name.rpartition(".")[2]] = change.after or ""
    return replace(drawn, poolers=tuple(_changed(one, after) for one in drawn.poolers))


def _changed(pooler: PgBouncer, after: Mapping[tuple[str, str], str]) -> PgBouncer:
    values = {
        name: replace(found, value=after.get((pooler.name, name), found.value))
        for name, found in pooler.config.items()
    }
    size = int(values["default_pool_size"].value)
    bases = [one if one.own else replace(one, size=size) for one in pooler.databases]
    return replace(pooler, config=values, databases=tuple(bases))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(drawn=hosts())
def test_the_pools_of_shipped_profiles_fit_and_do_not_flap(name: str, drawn: Drawn) -> None:
    profile = pools_only(name)
    plan = planned(profile, drawn)
    if plan.state == "refused":
        assert "connections for clients" in plan.error
        return
    after = carried_out(plan, drawn)
    for server, most in drawn.connections.items():
        assert total(server, poolers_of(after.poolers)) <= most - RESERVED
    sizes = ("default_pool_size", "min_pool_size", "reserve_pool_size", "max_db_connections")
    again = planned(profile, after)
    assert again.state == "planned"
    moved = [one for one in again.changes if one.allowed and one.before != one.after]
    assert not [one.tunable for one in moved if any(size in one.tunable for size in sizes)]


@settings(max_examples=30, deadline=None)
@given(drawn=hosts(), connections=st.integers(60, 500))
def test_what_can_be_made_to_fit_is_not_refused(drawn: Drawn, connections: int) -> None:
    # No database has a size of its own, and there are fewer pools than connections.
    bare = [
        replace(one, databases=tuple(replace(base, own=frozenset()) for base in one.databases))
        for one in drawn.poolers
    ]
    easy = Drawn(drawn.cpus, dict.fromkeys(drawn.connections, connections), tuple(bare))
    assert planned(pools_only("production"), easy).state == "planned"


def test_a_pool_in_use_is_between_what_it_needs_and_what_the_cpus_can_use() -> None:
    def sized(size: int, busy: float, cpus: int) -> str:
        pooler = replace(
            POOLER,
            config={**POOLER.config, "default_pool_size": Parameter("x", str(size))},
            traffic=(Traffic("app", busy * 100, 0.01),),
        )
        plan = planned(pools_only("production"), Drawn(cpus, {"5432": 400}, (pooler,)))
        name = "postgresql.pgbouncer.default_pool_size[6432]"
        found = [change.after for change in plan.changes if change.tunable == name]
        return found[0] or "" if found else str(size)

    assert sized(20, busy=1, cpus=8) == "20"  # 2 are needed, 32 are useful
    assert sized(20, busy=1, cpus=2) == "8"
    assert sized(4, busy=6, cpus=8) == "12"
    assert sized(4, busy=60, cpus=8) == "32"
