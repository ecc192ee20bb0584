"""Huge pages: how many clusters need, what a pool takes from others, and what a plan says of it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest

from optimizer.host.observed import observe
from optimizer.host.wire import parse_answer
from optimizer.model.huge_pages import HugePages
from optimizer.model.observation import Observation
from optimizer.model.plan import HostPlan
from optimizer.model.postgresql import PgCluster, PgSetting
from optimizer.model.transaction import ActionStep, Step, ValueStep
from optimizer.model.tunable import Permission
from optimizer.modules.examination import Examination, examine
from optimizer.modules.host_plan import plan_host
from optimizer.planning.huge_pages import Pool, Tenant, pages_needed
from optimizer.resources import huge_pages_back
from optimizer.scoring.postgresql_huge_pages import huge_pages
from tests.unit.factories import facts, observation, profile
from tests.unit.postgresql_clusters import GOOD
from tests.unit.test_budget_of_host import cluster, integer
from tests.unit.test_postgresql_health_observed import FACT_LINES

MIB, GIB = 2**20, 2**30
PAGE = 2 * MIB
POOL = "/proc/sys/vm/nr_hugepages"
ID = "system.sysctl.vm.nr_hugepages"
FOLLOWS = {
    ID: "{at_least: database_pages + other_pages}",
    "postgresql.shared_buffers": "buffers",
    "postgresql.max_connections": "{at_most: connections}",
    "postgresql.work_mem": "work",
}
NOTHING: frozenset[Permission] = frozenset()
RESTART = frozenset({Permission.RESTART})


def tenant(name: str, gib: float, choice: str = "try", **parts: object) -> Tenant:
    """Make a cluster with so many GiB of buffers, and as much of shared memory."""
    size = int(gib * GIB)
    return replace(Tenant(name, choice, size, size, size), **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tenants", "needed"),
    [
        ((), {}),
        ((tenant("a", 1),), {}),
        ((tenant("a", 2),), {"a": 1024}),
        ((tenant("a", 2, "off"),), {}),
        ((tenant("a", 0.125, "on"),), {"a": 64}),
        # The small one takes pages as well, whichever starts first.
        ((tenant("a", 4), tenant("b", 0.125)), {"a": 2048, "b": 64}),
        ((tenant("a", 4), tenant("b", 0.125, "off")), {"a": 2048}),
    ],
)
def test_what_clusters_need(tenants: tuple[Tenant, ...], needed: dict[str, int]) -> None:
    assert pages_needed(tenants, PAGE) == needed
    assert pages_needed(tenants, 0) == {}


def test_from_which_buffers_on_is_a_choice() -> None:
    assert pages_needed((tenant("a", 1),), PAGE, least=GIB) == {"a": 512}


def test_pages_are_whole() -> None:
    assert pages_needed((tenant("a", 2, shared=2 * GIB + 1),), PAGE) == {"a": 1025}


@pytest.mark.parametrize(
    ("pool", "lost"),
    [
        (Pool(PAGE), 0),
        (Pool(PAGE, 1000), 1000 * PAGE),
        (Pool(PAGE, 1024, tenants=(tenant("a", 2),)), 0),
        (Pool(PAGE, 1100, tenants=(tenant("a", 2),)), 76 * PAGE),
        # One page too few, and nobody has any of them.
        (Pool(PAGE, 1023, tenants=(tenant("a", 2),)), 1023 * PAGE),
        (Pool(PAGE, 1100, others=100, tenants=(tenant("a", 2),)), 1100 * PAGE),
        (Pool(PAGE, 1124, others=100, tenants=(tenant("a", 2),)), 100 * PAGE),
        # More than the budget has for it.
        (Pool(PAGE, 1034, tenants=(tenant("a", 2, shared=1034 * PAGE),)), 10 * PAGE),
        # A small cluster is not what a pool is for, and takes pages that are there.
        (Pool(PAGE, 64, tenants=(tenant("a", 0.125),)), 0),
        (Pool(PAGE, 0, others=50, elsewhere=GIB), 50 * PAGE + GIB),
        (Pool(PAGE, 1000, outside=900 * PAGE), 100 * PAGE),
    ],
)
def test_what_a_pool_takes_from_everybody(pool: Pool, lost: int) -> None:
    assert pool.lost == lost


def database(
    *, mib: int = 128, huge: int | None = 0, choice: str = "try", **parts: object
) -> PgCluster:
    """Make a cluster with so many MiB of buffers, and so many huge pages mapped."""
    settings = {
        "shared_buffers": integer("shared_buffers", str(mib * 128), "8kB"),
        "work_mem": PgSetting("work_mem", "4096", "kB", "integer", "user"),
        "max_connections": integer("max_connections", "100"),
        "huge_pages": PgSetting("huge_pages", choice, "", "enum", "postmaster"),
        **{name: one for name, one in parts.pop("more", {}).items()},  # type: ignore[attr-defined]
    }
    mapped = None if huge is None else huge * PAGE
    return cluster(settings=settings, huge=mapped, unit="postgresql@17-main.service", **parts)


def seen(*clusters: PgCluster, gib: int = 16, **pool: int) -> Observation:
    """Make an observation of a host with these clusters and this pool."""
    found = HugePages(PAGE, **pool)
    reserved = {POOL: str(found.reserved), f"{POOL}_mempolicy": str(found.reserved)}
    return observation(reserved, facts=facts(ram=gib * GIB, huge_pages=found), postgresql=clusters)


def examined(values: Mapping[str, object], of: Observation, **pins: str) -> Examination:
    """Hold a host against a profile; pins: name of a PostgreSQL setting -> why."""
    return examine(profile(values), of, {f"postgresql.{name}": why for name, why in pins.items()})


def planned(
    values: Mapping[str, object], of: Observation, allow: frozenset[Permission] = NOTHING
) -> HostPlan:
    return plan_host("db-1", profile(values), of, {}, allow)


def wanted(found: Examination) -> int:
    """Return how many pages there are to be."""
    return int(next(one.wanted for one in found.verdicts if one.reading.id == ID))


def test_a_database_host_reserves_what_its_cluster_takes_and_nothing_is_lost() -> None:
    found = examined(FOLLOWS, seen(database()))
    assert found.budget is not None
    # 4 GiB of buffers, 4198 MiB with what stands beside them, and 100 connections.
    assert found.budget.sizes["5432"].buffers == 4096
    assert wanted(found) == found.budget.sizes["5432"].huge_pages == 2118
    assert found.pool.lost == 0
    assert "huge pages" not in [line.what for line in found.budget.lines]


@pytest.mark.parametrize(
    "values", [{"postgresql.huge_pages": "off"}, {"postgresql.shared_buffers": "1 GiB"}]
)
def test_nothing_is_reserved_for_what_would_not_use_it(values: dict[str, str]) -> None:
    assert wanted(examined({**FOLLOWS, **values}, seen(database()))) == 0


def test_what_others_have_is_kept_and_comes_off_the_budget() -> None:
    of = seen(database(), total=500, free=100, promised=50)
    found = examined(FOLLOWS, of)
    assert found.budget is not None
    assert found.pool.others == 450
    assert found.pool.lost == 450 * PAGE
    [line] = [line for line in found.budget.lines if line.what == "huge pages"]
    assert line.bytes == 450 * PAGE
    assert wanted(found) == found.budget.sizes["5432"].huge_pages + 450


def test_a_larger_pool_is_kept_and_what_it_has_too_many_is_lost() -> None:
    found = examined(FOLLOWS, seen(database(), total=4000, free=4000))
    assert found.budget is not None
    assert wanted(found) == 4000
    sizes = found.budget.sizes["5432"]
    [line] = [line for line in found.budget.lines if line.what == "huge pages"]
    # Smaller buffers lose more of the pool, and that makes them smaller.
    assert line.bytes == found.pool.lost == 4000 * PAGE - sizes.shared * MIB
    assert sum(line.bytes for line in found.budget.lines) == 16 * GIB


def test_once_it_is_carried_out_nothing_more_is_to_do() -> None:
    first = examined(FOLLOWS, seen(database()))
    assert first.budget is not None
    pages, sizes = wanted(first), first.budget.sizes["5432"]
    after = seen(
        database(mib=sizes.buffers, huge=pages - 4),
        total=pages,
        free=pages - 10,
        promised=pages - 14,
    )
    again = examined(FOLLOWS, after)
    assert (wanted(again), again.pool.others, again.budget) == (pages, 0, first.budget)
    assert not planned(FOLLOWS, after).notes


def test_what_the_server_has_in_there_besides_stays_with_it() -> None:
    more = {"shared_memory_size": integer("shared_memory_size", "1143", "MB")}
    usual = wanted(examined(FOLLOWS, seen(database())))
    # A gigabyte more than 128 MiB of buffers explain.
    assert wanted(examined(FOLLOWS, seen(database(more=more)))) == usual + (1143 - 170) // 2 + 1


def test_large_wal_buffers_are_counted() -> None:
    usual = wanted(examined(FOLLOWS, seen(database())))
    values = {**FOLLOWS, "postgresql.wal_buffers": "64 MiB"}
    more = {"wal_buffers": integer("wal_buffers", "512", "8kB")}
    assert wanted(examined(values, seen(database(more=more)))) == usual + 24


def test_pinned_buffers_count_as_they_are() -> None:
    found = examined(FOLLOWS, seen(database(mib=3072)), shared_buffers="measured")
    assert wanted(found) == (32 + 3072 + 77 + 5) // 2


def test_pages_of_another_size_are_left_alone() -> None:
    more = {"huge_page_size": integer("huge_page_size", "1048576", "kB")}
    assert wanted(examined(FOLLOWS, seen(database(more=more)))) == 0


def test_a_cluster_that_cannot_be_looked_into_is_taken_to_use_what_it_needs() -> None:
    of = seen(database(mib=4096, huge=None), total=2118, free=10)
    assert examined(FOLLOWS, of).pool.others == 0


def test_no_host_promises_what_its_pool_takes() -> None:
    """2000 hosts: what the pool takes from everybody is in the budget, whatever the sizes."""
    chance = random.Random(31)  # noqa: S311 - the same hosts every time
    fitting = 0
    for _ in range(2000):
        gib = chance.choice((2, 4, 8, 16, 64, 256))
        total = chance.randint(0, gib * 300)
        of = seen(
            database(choice=chance.choice(("off", "try"))),
            gib=gib,
            total=total,
            free=chance.randint(0, total),
        )
        pages = chance.choice((FOLLOWS[ID], str(chance.randint(0, gib * 400)), "database_pages"))
        buffers = chance.choice(("buffers", f"{chance.randint(128, gib * 200)} MiB", "untouched"))
        values = {**FOLLOWS, ID: pages, "postgresql.shared_buffers": buffers}
        host = planned(values, of)
        if host.state == "refused":
            assert "MiB" in host.error
            continue
        fitting += 1
        found = examined(values, of)
        lost = sum(line.bytes for line in host.budget if line.what == "huge pages")
        assert lost >= found.pool.lost
        assert sum(line.bytes for line in host.budget) == gib * GIB
        assert all(line.bytes >= 0 for line in host.budget)
    assert fitting > 800


def test_a_server_that_would_not_start_is_refused_with_the_sum() -> None:
    buffers = {"postgresql.shared_buffers": "2 GiB", "postgresql.work_mem": "4 MiB"}
    values = {**FOLLOWS, **buffers, "postgresql.huge_pages": "on", ID: "500"}
    host = planned(values, seen(database()))
    assert host.state == "refused"
    assert host.error == (
        "with huge_pages on it takes 1069 huge pages of 2048 KiB to start: "
        "1069 for the 2138 MiB of shared memory of PostgreSQL 5432; there would be 500"
    )
    assert "database_pages" in host.hint
    assert planned({**values, ID: FOLLOWS[ID]}, seen(database())).state == "planned"


def test_one_that_runs_on_its_pages_is_refused_a_smaller_pool_only() -> None:
    of = seen(database(huge=80, choice="on"), total=80)
    assert planned({"postgresql.work_mem": "8 MiB"}, of).state == "planned"
    assert planned({ID: "10"}, of).state == "refused"
    assert planned({"postgresql.shared_buffers": "256 MiB"}, of).state == "refused"


def test_a_pool_that_waits_for_a_restart_is_said() -> None:
    note = "2118 huge pages (4236 MiB) stay empty until PostgreSQL 5432 is restarted"
    assert note in planned(FOLLOWS, seen(database())).notes
    restarted = planned(FOLLOWS, seen(database()), RESTART)
    assert not any("huge pages" in one for one in restarted.notes)
    kinds = [step.step for step in restarted.steps]
    assert kinds.index("value") < kinds.index("action")


def back(
    cluster_of: PgCluster, after: str, *more: Step, allow: frozenset[Permission] = NOTHING
) -> tuple[int, int]:
    """Return how many steps of a way back are held, and how many notes there are."""
    step = ValueStep(tunable=ID, path=POOL, before="90", after=after)
    of = seen(cluster_of, total=90)
    way = huge_pages_back.guarded((step, *more), of, allow)
    return len(way.held), len(huge_pages_back.staying(way.steps, of, allow))


def test_a_way_back_takes_no_pages_from_a_server_that_has_to_have_them() -> None:
    restart = ActionStep(
        action="restart-postgresql",
        argument="postgresql@17-main.service postgres@/var/run/postgresql:5432",
        needs=(Permission.RESTART,),
    )
    on = database(huge=72, choice="on")
    assert back(on, "0") == (1, 0)
    assert back(on, "0", restart) == (1, 0)
    assert back(on, "0", restart, allow=RESTART) == (0, 0)
    assert back(on, "100") == (0, 0)
    # With `try` it does without after a crash, and keeps them until then.
    assert back(database(huge=72), "0") == (0, 1)
    assert back(database(huge=72), "80") == (0, 0)
    assert back(database(), "0") == (0, 0)


@pytest.mark.parametrize(
    ("choice", "status", "mapped", "mib", "idle", "number", "value"),
    [
        ("off", False, 0, 8192, 0, None, ""),
        ("try", True, None, 8192, 0, 0, "used"),
        ("try", None, 72 * PAGE, 8192, 0, 0, "used, 144 MiB"),
        ("try", None, None, 8192, 0, None, ""),
        ("try", None, 0, 8192, 0, 1, "not used"),
        ("try", False, 0, 128, 0, 0, "not used"),
        ("try", False, 0, 128, 30, 1, "not used, 30 of 90 reserved ones are empty"),
    ],
)
def test_doctor_says_where_a_cluster_does_without(
    choice: str, status: bool | None, mapped: int | None, mib: int, idle: int,
    number: int | None, value: str,
) -> None:  # fmt: skip
    assert GOOD.health is not None
    health = replace(GOOD.health, huge_pages=choice, on_huge_pages=status, shared_buffers=mib * MIB)
    pool = HugePages(PAGE, 90, free=idle) if idle else HugePages(PAGE)
    found = huge_pages(replace(GOOD, health=health, huge=mapped), pool)
    assert (None, "") if found is None else (found.number, found.value) == (number, value)
    assert (found is None) == (number is None)


def test_the_pool_of_a_host_is_read() -> None:
    said = "fact\thuge_pages\t2097152 150 142 64 2 1388314624\n"
    found = observe(parse_answer(f"{FACT_LINES}{said}end\n"), "db-1").facts.huge_pages
    assert found == HugePages(PAGE, 150, 142, 64, 2, GIB)
    assert (found.reserved, found.used, found.idle) == (148, 72, 78)
