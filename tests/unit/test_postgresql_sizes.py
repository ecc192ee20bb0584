"""What fits into the memory of one cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.planning.postgresql_sizes import Demand, fit

DEMAND = Demand(connections=100, parallel=8, major=17)


def test_all_connections_where_they_fit() -> None:
    sizes = fit(6553, 16384, DEMAND)
    assert sizes.demand == DEMAND
    assert (sizes.buffers, sizes.work, sizes.shared) == (2616, 7936, 2720)
    assert sizes.worst <= 6553


def test_fewer_connections_before_less_work_mem() -> None:
    sizes = fit(1587, 4096, replace(DEMAND, parallel=2))
    assert sizes.demand.connections == 39
    assert sizes.work >= 4096
    more = fit(1587, 4096, Demand(40, 2, 17, is_fixed=True))
    assert not more.is_enough


def test_never_fewer_than_ten() -> None:
    sizes = fit(300, 1024, DEMAND)
    assert sizes.demand.connections == 10
    assert not sizes.is_enough


def test_fewer_than_ten_where_fewer_are_wanted() -> None:
    assert fit(1000, 4096, replace(DEMAND, connections=5)).demand.connections == 5


def test_a_fixed_number_is_kept_even_where_it_does_not_fit() -> None:
    sizes = fit(1587, 4096, Demand(500, 2, 17, is_fixed=True))
    assert sizes.demand.connections == 500
    assert not sizes.is_enough


@pytest.mark.parametrize(("major", "maintenance"), [(13, 1024), (16, 1024), (17, 2048)])
def test_vacuum_uses_more_than_one_gib_from_17_on(major: int, maintenance: int) -> None:
    sizes = fit(100_000, 131_072, replace(DEMAND, major=major))
    assert sizes.maintenance == maintenance
    assert sizes.autovacuum == maintenance // 4


def test_more_autovacuum_workers_leave_less_for_sorts() -> None:
    assert fit(6553, 16384, replace(DEMAND, workers=6)).work < fit(6553, 16384, DEMAND).work


@given(
    envelope=st.integers(0, 2**22),
    connections=st.integers(1, 5000),
    parallel=st.integers(0, 64),
)
def test_what_is_enough_fits(envelope: int, connections: int, parallel: int) -> None:
    demand = Demand(connections, parallel, 17)
    sizes = fit(envelope, envelope * 2, demand)
    if not sizes.is_enough:
        return
    assert sizes.worst <= envelope
    assert sizes.huge_pages * 2 - sizes.shared in (0, 1)
    # One more would have been too many.
    if sizes.demand.connections < connections:
        one_more = replace(demand, connections=sizes.demand.connections + 1, is_fixed=True)
        assert not fit(envelope, envelope * 2, one_more).is_enough
