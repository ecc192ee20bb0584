"""How the memory of a host is shared out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.planning.budget import SHARES, reserve, shares

MIB = 2**20


@pytest.mark.parametrize(
    ("ram", "services", "redis"),
    [
        # The unit's limit of Redis in the cases J1, J4, J5 and J8, worked out apart from this.
        (4096, {"postgresql", "redis", "node"}, 634),
        (32768, {"postgresql", "redis", "node"}, 5242),
        (65536, {"postgresql", "redis"}, 14979),
        (2048, {"redis", "node"}, 614),
    ],
)
def test_the_share_of_redis(ram: int, services: set[str], redis: int) -> None:
    assert shares(ram * MIB, services)["redis"] // MIB == redis


@given(st.integers(0, 2**44), st.sets(st.sampled_from(sorted(SHARES)), min_size=1))
def test_what_is_shared_out_is_never_more_than_there_is(ram: int, services: set[str]) -> None:
    found = shares(ram, services)
    assert found.keys() == services
    assert all(share >= 0 for share in found.values())
    assert sum(found.values()) + min(reserve(ram), ram) <= ram
