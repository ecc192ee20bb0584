"""The way back after writes went on: settings go back, but not over keys that came since."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_SMALL
from tests.hosts.redis_lab import KEYS, Server, held_back

SMALL_LIMIT = str(20 * 2**20)
LARGE_LIMIT = str(200 * 2**20)
WORDS = ("--profile", REDIS_SMALL, "--set", "redis.maxmemory=200mb")
MORE = 3 * KEYS


@pytest.fixture
def full(redis7: Server) -> Iterator[Server]:
    """A server that had a low limit, and evicts what is above it."""
    with redis7.configured("maxmemory 20mb", "maxmemory-policy allkeys-lru"):
        assert redis7.keys() == KEYS
        yield redis7


def test_a_limit_that_would_throw_new_keys_away_is_held_back_until_it_is_allowed(
    full: Server, controller: MakeController
) -> None:
    one = controller(full.host)
    before = full.look()
    one.apply(*WORDS).expect(0)
    full.fill(MORE)
    planned = one.rollback("--dry-run").expect(0).host("redis7")
    stakes = held_back(planned)
    # Half of a server is not put back.
    assert set(stakes) == {full.id("maxmemory"), full.id("slowlog-log-slower-than")}
    assert "MiB are in use, too much for a limit of 20.0 MiB" in stakes[full.id("maxmemory")]
    outcome = one.rollback().expect(0).host("redis7")
    # How much is used moves a little between two looks.
    assert held_back(outcome).keys() == stakes.keys()
    assert full.get("maxmemory") == LARGE_LIMIT
    assert full.keys() == MORE
    # Nor does the next start throw them away.
    full.restart()
    assert full.keys() == MORE
    full.ask("FLUSHALL")
    one.rollback().expect(0)
    now = full.look()
    assert (now.config, now.etc) == (before.config, before.etc)


def test_a_limit_that_would_throw_new_keys_away_goes_back_when_that_is_allowed(
    full: Server, controller: MakeController
) -> None:
    one = controller(full.host)
    before = full.look()
    one.apply(*WORDS).expect(0)
    full.fill(MORE)
    outcome = one.rollback("--allow", "data").expect(0).host("redis7")
    assert held_back(outcome) == {}
    now = full.look()
    assert (now.config, now.etc) == (before.config, before.etc)
    assert full.get("maxmemory") == SMALL_LIMIT
