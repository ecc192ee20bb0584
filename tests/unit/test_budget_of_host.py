"""From a profile and what is seen of a host to its memory budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from optimizer.model.errors import InvalidValue
from optimizer.model.observation import LinedFile, Observation
from optimizer.model.plan import HostPlan
from optimizer.model.postgresql import PgCluster, PgFileSetting, PgSetting
from optimizer.model.redis import RedisInstance
from optimizer.modules.budget import budget_of, with_numbers
from optimizer.modules.host_plan import plan_host
from optimizer.planning.budget import Budget
from tests.unit.factories import facts, observation, profile, read
from tests.unit.shelf import Shelf

CONF = "/etc/postgresql/17/main/postgresql.conf"
OURS = "/etc/postgresql/17/main/conf.d/zz-optimizer.conf"
MIB = 2**20
FOLLOWS = {"postgresql.max_connections": "{at_most: connections}"}


def integer(name: str, text: str, unit: str = "") -> PgSetting:
    """Make a row of pg_settings."""
    return PgSetting(name, text, unit, "integer", "postmaster")


def cluster(live: str = "100", *files: PgFileSetting, **parts: object) -> PgCluster:
    """Make a cluster that has so many connections now."""
    made = PgCluster(
        name="5432",
        address="postgres@/var/run/postgresql:5432",
        cluster="17/main",
        version=170006,
        config_file=CONF,
        config_state=LinedFile("ab" * 32, "644", "104:105", 29000),
        drop_in=OURS,
        included_at=800,
        settings={"max_connections": integer("max_connections", live)},
        files=files,
    )
    return replace(made, **parts)  # type: ignore[arg-type]


def seen(*clusters: PgCluster, gib: int = 16, **parts: object) -> Observation:
    """Make an observation of a host with these clusters."""
    return observation(facts=facts(ram=gib * 2**30), postgresql=clusters, **parts)


def made(values: Mapping[str, object], of: Observation) -> Budget:
    """Return the budget that there has to be."""
    budget = budget_of(profile(values), of)
    assert budget is not None
    return budget


def connections(values: Mapping[str, object], of: Observation) -> int:
    """Return how many connections the budget gives the cluster."""
    return made(values, of).numbers_for("5432")["connections"]


def test_no_budget_where_no_service_runs() -> None:
    assert budget_of(profile({}), seen()) is None


def test_a_service_that_is_only_known_to_run_keeps_its_share() -> None:
    budget = made({}, seen(services=frozenset({"node"})))
    assert [line.what for line in budget.lines] == ["kernel", "Node", "left over"]


def test_what_is_configured_counts_before_what_is_in_force() -> None:
    line = PgFileSetting(CONF, 65, "max_connections", "80")
    assert connections({}, seen(cluster("100", line))) == 80
    assert connections({}, seen(cluster("100"))) == 100


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ("120", 120),
        ("25 * cpus", 100),
        ("{at_least: 90}", 90),
        ("{at_least: 30}", 60),
        ("{at_most: 40}", 40),
        ("connections", 60),
        ("{at_most: connections}", 60),
        ("min(connections, 30)", 30),
        ("untouched", 60),
        ([{"exactly": "20", "when": {"role": "standby"}}, {"exactly": "70"}], 70),
        ([{"exactly": "20", "when": {"role": "standby"}}], 60),
    ],
)
def test_the_profile_counts_first(wanted: object, number: int) -> None:
    line = PgFileSetting(CONF, 65, "max_connections", "60")
    assert connections({"postgresql.max_connections": wanted}, seen(cluster("100", line))) == number


def test_our_own_file_changes_nothing_of_what_it_follows_from() -> None:
    before = cluster("200", PgFileSetting(CONF, 65, "max_connections", "200"))
    first = made(FOLLOWS, seen(before, gib=4))
    number = str(first.numbers_for("5432")["connections"])
    assert int(number) < 200
    ours = PgFileSetting(OURS, 2, "max_connections", number)
    for live in ("200", number):
        after = cluster(live, *before.files, ours)
        assert made(FOLLOWS, seen(after, gib=4)).clusters == first.clusters
    # The same where nothing but our file sets it.
    alone = made(FOLLOWS, seen(cluster(number, ours), gib=4))
    assert alone.clusters == first.clusters


def test_too_many_connections_are_refused_where_nothing_lowers_them() -> None:
    small = seen(cluster("400"), gib=4)
    for values in (
        {"postgresql.work_mem": "work"},
        {"postgresql.max_connections": "400"},
        {"postgresql.max_connections": "{at_least: connections}"},
    ):
        with pytest.raises(InvalidValue, match="400 connections of PostgreSQL 5432 do not fit"):
            budget_of(profile(values), small)


def test_a_profile_that_sizes_nothing_is_not_refused() -> None:
    tiny = replace(seen(cluster("400")), facts=facts(ram=2**27), services=frozenset({"redis"}))
    redis = RedisInstance(name="6379", address="127.0.0.1:6379", config={"maxmemory": "0"})
    tiny = replace(tiny, redis=(redis,))
    assert budget_of(profile({"postgresql.jit": "off"}), tiny) is None
    assert budget_of(profile({"postgresql.shared_buffers": "untouched"}), tiny) is None
    with pytest.raises(InvalidValue, match="the memory is too small"):
        budget_of(profile({"redis.maxmemory": "slice"}), tiny)


def test_a_cluster_that_the_profile_leaves_alone_keeps_its_share() -> None:
    redis = RedisInstance(name="6379", address="127.0.0.1:6379", config={"maxmemory": "0"})
    budget = made({"redis.maxmemory": "slice"}, seen(cluster("400"), gib=4, redis=(redis,)))
    sizes = {line.what: line.bytes // MIB for line in budget.lines}
    assert (sizes["PostgreSQL 5432"], sizes["Redis 6379"]) == (2267, 906)


def test_workers_that_the_profile_wants_are_counted() -> None:
    few = made({"postgresql.max_parallel_workers": "2"}, seen(cluster()))
    many = made({"postgresql.max_parallel_workers": "32"}, seen(cluster()))
    assert few.numbers_for("5432")["work"] > many.numbers_for("5432")["work"]
    usual = made({}, seen(cluster()))
    more = made({"postgresql.autovacuum_max_workers": "6"}, seen(cluster()))
    assert usual.numbers_for("5432")["work"] > more.numbers_for("5432")["work"]


def test_max_wal_size_stays_while_half_of_what_is_free_holds_it() -> None:
    now = {"max_wal_size": integer("max_wal_size", "4096", "MB")}
    found = made({}, seen(cluster(settings=now, free_wal=15 * 2**30)))
    assert found.numbers_for("5432")["wal"] == 4 * 2**30


def test_a_cluster_that_is_down_keeps_its_share() -> None:
    budget = made({}, seen(cluster(problem="is down")))
    assert budget.numbers_for("5432") == {}
    assert "PostgreSQL 5432" in [line.what for line in budget.lines]


def test_what_runs_in_a_container_is_left_out() -> None:
    assert budget_of(profile({}), seen(cluster(is_elsewhere=True))) is None


def test_shares_of_the_profile(shelf: Shelf) -> None:
    shelf.put("base", "memory: {redis: 4, node: 4}\n")
    shelf.put("mine", "extends: base\nmemory: {redis: 10}\n")
    wanted = shelf.load("mine")
    assert wanted.memory == {"redis": 10, "node": 4}
    assert wanted.digest != shelf.load("base").digest
    budget = budget_of(wanted, seen(services=frozenset({"node", "redis"})))
    assert budget is not None
    sizes = {line.what: line.bytes for line in budget.lines}
    assert sizes["Redis"] > 2 * sizes["Node"]


def test_shares_that_are_none(shelf: Shelf) -> None:
    shelf.put("mine", "memory: {reddis: 1, node: 0}\n")
    assert shelf.lint("mine") == [
        "Profile mine.yaml:3: reddis: there is no such service",
        "Profile mine.yaml:3: node: '0' is no share",
    ]


@pytest.fixture
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("profiles"))


def test_readings_get_the_numbers_of_their_server() -> None:
    redis = RedisInstance(name="6379", address="127.0.0.1:6379", config={"maxmemory": "0"})
    both = seen(cluster(), redis=(redis,))
    budget = made({}, both)
    [limit] = read("redis.maxmemory", both)
    assert with_numbers(limit, budget).numbers == {"slice": budget.slices["redis"]["6379"]}
    assert with_numbers(limit, None) is limit
    [count] = read("postgresql.max_connections", both)
    assert with_numbers(count, budget).numbers == budget.numbers_for("5432")


def test_the_plan_of_a_host_has_it() -> None:
    host = plan_host("db-1", profile({}), seen(cluster()), {}, frozenset())
    assert sum(line.bytes for line in host.budget) == 16 * 2**30


def test_the_plan_of_a_host_is_refused_with_the_sum() -> None:
    wanted = profile({"postgresql.max_connections": "900"})
    host = plan_host("db-1", wanted, seen(cluster(), gib=4), {}, frozenset())
    assert host.state == "refused"
    assert "900 connections" in host.error
    assert "of 4096 MiB there are 512 MiB for the kernel" in host.error
    assert "connections" in host.hint


def planned(values: Mapping[str, object], of: Observation, **pins: str) -> HostPlan:
    """Make the plan of the host; pins: name of a PostgreSQL setting -> why."""
    named = {f"postgresql.{name}": why for name, why in pins.items()}
    return plan_host("db-1", profile(values), of, named, frozenset())


def sized(connections: str = "100") -> PgCluster:
    """Make a cluster with what a server has by default."""
    memory = {
        "shared_buffers": integer("shared_buffers", "16384", "8kB"),
        "work_mem": integer("work_mem", "4096", "kB"),
        "maintenance_work_mem": integer("maintenance_work_mem", "65536", "kB"),
        "autovacuum_work_mem": integer("autovacuum_work_mem", "-1", "kB"),
        "max_connections": integer("max_connections", connections),
    }
    return cluster(settings=memory)


def test_what_follows_the_budget_fits_into_it() -> None:
    values = {
        "postgresql.max_connections": "{at_most: connections}",
        "postgresql.shared_buffers": "buffers",
        "postgresql.work_mem": "work",
        "postgresql.maintenance_work_mem": "maintenance",
        "postgresql.autovacuum_work_mem": "autovacuum",
        "redis.maxmemory": "slice",
    }
    redis = RedisInstance(name="6379", address="127.0.0.1:6379", config={"maxmemory": "0"})
    for gib in (2, 3, 16, 512):
        host = planned(values, seen(sized("400"), gib=gib, redis=(redis,)))
        assert host.state == "planned", host.error
        assert len(host.changes) >= 5


@pytest.mark.parametrize(
    ("values", "sizes"),
    [
        ({"postgresql.shared_buffers": "14 GiB"}, "14732 MiB of shared memory"),
        ({"postgresql.work_mem": "256 MiB"}, "MiB for sorts and hashes of 262144 KiB"),
        ({"postgresql.maintenance_work_mem": "12 GiB"}, "MiB for maintenance"),
        ({"postgresql.autovacuum_work_mem": "6 GiB"}, "MiB for maintenance"),
    ],
)
def test_plain_numbers_that_do_not_fit_are_refused_with_the_sum(
    values: dict[str, str], sizes: str
) -> None:
    host = planned(values, seen(sized()))
    assert host.state == "refused"
    assert host.error.startswith("PostgreSQL 5432 may take 13107 MiB, and would take ")
    assert sizes in host.error


def test_plain_numbers_that_fit_together_are_fine() -> None:
    values = {"postgresql.shared_buffers": "6 GiB", "postgresql.work_mem": "4 MiB"}
    assert planned(values, seen(sized())).state == "planned"


def test_a_limit_of_redis_beyond_its_part_is_refused() -> None:
    redis = RedisInstance(name="6379", address="127.0.0.1:6379", config={"maxmemory": "0"})
    host = planned({"redis.maxmemory": "8 GiB"}, seen(sized(), redis=(redis,)))
    assert host.error == "Redis 6379 may take 3744 MiB, and maxmemory is 8192 MiB"


def test_what_is_pinned_counts_as_it_is() -> None:
    values = {"postgresql.max_connections": "connections", "postgresql.work_mem": "work"}
    small = seen(sized("400"), gib=4)
    assert planned(values, small).state == "planned"
    host = planned(values, small, max_connections="the pools need them")
    assert "2400 MiB for 400 connections" in host.error
