"""How the memory of a host is shared out."""

from __future__ import annotations

import random

import pytest

from optimizer.model.errors import InvalidValue
from optimizer.planning.budget import Budget, redis_slices, share_out
from optimizer.planning.division import MIB, Cluster, Host, Server
from optimizer.planning.node_sizes import old_space
from optimizer.planning.postgresql_sizes import Demand
from optimizer.planning.shares import read_share

ALL = frozenset({"postgresql", "redis", "node"})


def host(ram: int, demand: Demand | None = None, *, redis: int = 0, node: int = 0) -> Host:
    """Make a host of so many MiB with one cluster, if any, and so many servers and processes."""
    return Host(
        ram * MIB,
        frozenset(),
        clusters=(Cluster("5432", demand),) if demand else (),
        redis=tuple(Server(str(6379 + at)) for at in range(redis)),
        node=tuple(Server(str(at)) for at in range(node)),
    )


def serving(connections: int, cpus: int, major: int = 17) -> Demand:
    """Make a demand with as many parallel workers as the sizing rules count with."""
    return Demand(connections, parallel=min(cpus, 8), major=major)


def mib(budget: Budget) -> dict[str, int]:
    """Return the numbers of the one cluster in MiB, work_mem in KiB."""
    numbers = {name: size // MIB for name, size in budget.numbers_for("5432").items()}
    exact = budget.numbers_for("5432")
    return {**numbers, "work": exact["work"] // 1024, "connections": exact["connections"]}


# The cases J1 to J7, worked out apart from this: host, then what the cluster gets.
CASES = {
    "J1": (host(4096, serving(40, 2), redis=1, node=1), (632, 1764, 4160, 99, 24, 39), 341, 4094),
    "J2": (host(8192, serving(60, 4), redis=1, node=1), (1304, 3736, 6272, 204, 51, 60), 686, 8179),
    "J3": (
        host(16384, serving(100, 8), redis=1, node=2),
        (2616, 7592, 7936, 409, 102, 100),
        1360,
        16375,
    ),
    "J4": (
        host(32768, serving(100, 16), redis=1, node=4),
        (5240, 15785, 17856, 819, 204, 100),
        2704,
        32748,
    ),
    "J5": (
        host(65536, serving(200, 32), redis=1),
        (14976, 42803, 28288, 2048, 512, 200),
        7697,
        65501,
    ),
    "J6": (
        host(24106, serving(60, 2, major=15), redis=1, node=1),
        (3856, 11694, 23296, 602, 150, 60),
        1994,
        24094,
    ),
    "J7": (
        host(131072, serving(300, 32, major=18)),
        (32768, 98304, 78400, 2048, 512, 300),
        16818,
        131062,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_cluster_gets_what_was_worked_out_by_hand(case: str) -> None:
    shape, expected, pages, worst = CASES[case]
    budget = share_out(shape)
    found = mib(budget)
    names = ("buffers", "work", "maintenance", "autovacuum", "connections")
    buffers, cache, *others = expected
    assert [found[name] for name in names] == [buffers, *others]
    # The parts were rounded down to whole MiB there.
    assert 0 <= cache - found["cache"] <= 2
    assert budget.sizes["5432"].huge_pages == pages
    assert abs(budget.worst // MIB - worst) <= 3
    assert budget.worst <= budget.ram


@pytest.mark.parametrize(
    ("shape", "redis", "node", "semi_space", "heap"),
    [
        (CASES["J1"][0], 634, 952, 16, 608),
        (CASES["J2"][0], 1310, 1966, 16, 1472),
        (CASES["J3"][0], 2621, 1966, 32, 1472),
        (CASES["J4"][0], 5242, 1966, 32, 1472),
        (CASES["J6"][0], 3856, 5785, 64, 4096),
        # J8, without PostgreSQL.
        (host(2048, redis=1, node=1), 614, 921, 16, 592),
    ],
)
def test_redis_and_node_get_what_was_worked_out_by_hand(
    shape: Host, redis: int, node: int, semi_space: int, heap: int
) -> None:
    slices = share_out(shape).slices
    assert [size // MIB for size in slices["redis"].values()] == [redis]
    assert {size // MIB for size in slices["node"].values()} == {node}
    assert old_space(node, semi_space) == heap


def test_redis_beside_postgresql_alone() -> None:
    assert share_out(CASES["J5"][0]).slices["redis"]["6379"] // MIB == 14979


@pytest.mark.parametrize(
    ("ram", "connections", "cpus", "major", "buffers", "cache"),
    [
        (8, 100, 4, 16, 2048, 6144),
        (32, 200, 8, 17, 8192, 24576),
        (64, 300, 16, 18, 16384, 49152),
        (128, 40, 32, 17, 32768, 98304),
        (16, 100, 6, 17, 4096, 12288),
        (24, 60, 2, 15, 6144, 18432),
        (256, 500, 64, 18, 65536, 196608),
    ],
)
def test_a_database_host_comes_out_where_pgtune_does(
    ram: int, connections: int, cpus: int, major: int, buffers: int, cache: int
) -> None:
    """shared_buffers and effective_cache_size as pgtune gives them for the same host, with all
    the connections. work_mem is less here: pgtune shares out all memory to it, and leaves
    nothing for the kernel, maintenance and the connections themselves.
    """
    found = mib(share_out(host(ram * 1024, serving(connections, cpus, major))))
    assert (found["buffers"], found["cache"]) == (buffers, cache)
    assert found["connections"] == connections


def test_a_small_database_host_gets_fewer_connections_than_from_pgtune() -> None:
    """2 GiB, 200 connections: pgtune gives 512 MiB, 1536 MiB of cache, and all connections, which
    take 147 % of the memory with the work_mem of 4 MiB that it gives too. The buffers are the
    same here; connections and cache are what there is.
    """
    budget = share_out(host(2048, serving(200, 2, major=15)))
    found = mib(budget)
    assert found["buffers"] == 512
    assert found["work"] >= 4096
    assert 10 <= found["connections"] < 200
    assert 1024 < found["cache"] < 1536
    assert any("not 200" in line.how for line in budget.lines)


def test_asking_for_what_came_out_gives_the_same_again() -> None:
    chance = random.Random(20)  # noqa: S311 - the same hosts every time
    for _ in range(2000):
        ram = chance.randint(1500, 60_000)
        demand = Demand(chance.randint(10, 2000), chance.randint(1, 32), 17)
        try:
            first = share_out(host(ram, demand, redis=1))
        except InvalidValue:
            continue
        lowered = Demand(first.numbers_for("5432")["connections"], demand.parallel, 17)
        assert share_out(host(ram, lowered, redis=1)).clusters == first.clusters


def random_host(chance: random.Random) -> Host:
    """Make a host of any size with anything on it."""

    def limit() -> int | None:
        return chance.choice((None, None, chance.randint(0, 2**34)))

    def demand() -> Demand | None:
        cpus = chance.randint(1, 128)
        found = Demand(
            connections=chance.randint(1, 5000),
            parallel=chance.choice((0, min(cpus, 8), cpus)),
            major=chance.randint(13, 18),
            workers=chance.randint(1, 10),
            is_fixed=chance.random() < 0.2,
        )
        return found if chance.random() < 0.9 else None

    return Host(
        ram=int(2 ** chance.uniform(27, 42)),
        services=frozenset(name for name in sorted(ALL) if chance.random() < 0.3),
        clusters=tuple(Cluster(str(at), demand()) for at in range(chance.choice((0, 1, 1, 3)))),
        redis=tuple(Server(str(at), limit()) for at in range(chance.choice((0, 1, 1, 2)))),
        node=tuple(Server(str(at), limit()) for at in range(chance.choice((0, 1, 4, 8)))),
        shares={name: chance.randint(1, 9) for name in ALL} if chance.random() < 0.3 else {},
    )


def test_no_host_ever_promises_more_than_it_has() -> None:
    """10 000 hosts: kernel + page cache + clusters + Redis + Node in the worst case <= RAM."""
    chance = random.Random(4)  # noqa: S311 - the same hosts every time
    fitting = lowered = 0
    for _ in range(10_000):
        shape = random_host(chance)
        try:
            budget = share_out(shape)
        except InvalidValue as error:
            assert " MiB" in str(error)
            continue
        fitting += 1
        assert budget.worst <= shape.ram == sum(line.bytes for line in budget.lines)
        assert all(line.bytes >= 0 for line in budget.lines)
        for cluster in shape.clusters:
            if cluster.demand is None:
                assert not budget.numbers_for(cluster.name)
                continue
            numbers = budget.numbers_for(cluster.name)
            wanted = cluster.demand.connections
            lowered += numbers["connections"] < wanted
            assert numbers["work"] >= 4 * MIB
            assert numbers["buffers"] <= numbers["cache"] <= shape.ram
            assert min(wanted, 10) <= numbers["connections"] <= wanted
            assert numbers["connections"] == wanted or not cluster.demand.is_fixed
    assert fitting > 3000
    assert lowered > 1000


def test_too_many_connections_are_refused_with_the_sum() -> None:
    fixed = Demand(400, 2, 17, is_fixed=True)
    with pytest.raises(InvalidValue) as caught:
        share_out(host(4096, fixed, redis=1))
    text = str(caught.value)
    assert "400 connections of PostgreSQL 5432 do not fit into the 2267 MiB" in text
    assert "2400 MiB for connections" in text
    assert "of 4096 MiB there are 512 MiB for the kernel, 409 MiB for the page cache" in text
    assert "postgresql.max_connections" in caught.value.hint


def test_a_host_too_small_for_ten_connections_is_refused() -> None:
    with pytest.raises(InvalidValue, match="10 connections of PostgreSQL 5432 do not fit"):
        share_out(host(1024, serving(100, 1)))


def test_a_limit_that_does_not_fit_is_refused() -> None:
    shape = Host(2**30, ALL, redis=(Server("6379", 2**30),))
    with pytest.raises(InvalidValue, match="the memory is too small: of 1024 MiB there are"):
        share_out(shape)


def test_a_limit_of_a_unit_comes_off_before_the_rest_is_shared() -> None:
    limited = (Server("6379", 2**30), Server("6380"))
    slices = share_out(Host(8 * 2**30, frozenset({"node"}), redis=limited)).slices
    left = 8 * 2**30 - 8 * 2**30 // 10 - 2**30
    assert slices["redis"] == {"6379": 2**30, "6380": left * 2 // 5}


def test_shares_are_a_choice() -> None:
    usual = share_out(Host(8 * 2**30, ALL, redis=(Server("6379"),)))
    more = share_out(Host(8 * 2**30, ALL, redis=(Server("6379"),), shares={"redis": 8}))
    assert more.slices["redis"]["6379"] // MIB == 3276
    assert usual.slices["redis"]["6379"] // MIB == 1310
    assert more.worst <= more.ram


def test_two_clusters_share_what_one_would_have() -> None:
    both = (Cluster("5432", serving(50, 4)), Cluster("5433", serving(50, 4)))
    budget = share_out(Host(16 * 2**30, frozenset(), clusters=both))
    one, other = (budget.numbers_for(name) for name in ("5432", "5433"))
    assert one == other
    assert one["slice"] // MIB == 6553
    # The other one's memory is no cache of this one.
    assert one["cache"] // MIB == 16384 - 1639 - 6553 - 300


@pytest.mark.parametrize(
    ("free", "now", "wal"),
    [
        (None, None, 1024),
        (None, 2 * 1024, 2 * 1024),
        (100 * 1024, 1024, 16 * 1024),
        (20 * 1024, 1024, 4 * 1024),
        # Its own log took of what was free, and less than half of that.
        (15 * 1024, 4 * 1024, 4 * 1024),
        (7 * 1024, 4 * 1024, 1024),
        (0, 1024, 64),
    ],
)
def test_wal_takes_a_part_of_its_disk(free: int | None, now: int | None, wal: int) -> None:
    cluster = Cluster(
        "5432",
        serving(20, 2),
        free_wal=None if free is None else free * MIB,
        max_wal=None if now is None else now * MIB,
    )
    budget = share_out(Host(8 * 2**30, frozenset(), clusters=(cluster,)))
    assert budget.numbers_for("5432")["wal"] == wal * MIB


def test_a_cluster_that_cannot_be_asked_keeps_its_share() -> None:
    budget = share_out(Host(8 * 2**30, ALL, clusters=(Cluster("5432", None),)))
    [line] = [line for line in budget.lines if line.what == "PostgreSQL 5432"]
    assert line.bytes // MIB == 3276
    assert budget.numbers_for("5432") == {}


def test_slices_of_redis_without_anything_else_known() -> None:
    assert redis_slices(2**34, {"node"}, (Server("6379"),))["6379"] // MIB == 5898
    assert redis_slices(2**28, ALL, (Server("6379"),)) == {"6379": 0}


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "1001", "٣", {"a": "1"}])
def test_what_is_no_share(text: object) -> None:
    with pytest.raises(InvalidValue, match="is no share"):
        read_share("redis", text)


def test_a_share_of_an_unknown_service() -> None:
    with pytest.raises(InvalidValue, match="no such service") as caught:
        read_share("reddis", "1")
    assert "redis" in caught.value.hint
