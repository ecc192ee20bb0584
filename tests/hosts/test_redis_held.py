"""What can lose keys is held back until it is allowed by name, and goes back afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_SMALL
from tests.hosts.redis_lab import KEYS, Server, held_back

AOF = "appendonly"
WANTED = {
    AOF: "no",
    "save": "none",
    "maxmemory-policy": "allkeys-lru",
    "maxmemory": "2mb",
}
# As CONFIG GET prints it.
PRINTED = {"save": "", "maxmemory": str(2 * 2**20)}
STAKES = {
    AOF: f"{KEYS} keys will not be in an append-only file any more",
    "save": f"{KEYS} keys will not be saved any more",
    "maxmemory-policy": f"{KEYS} keys without an expiry may be evicted",
    "maxmemory": "MiB are in use, too much for a limit of 2.0 MiB",
}


@pytest.fixture
def keeper(redis7: Server) -> Iterator[Server]:
    """A server that keeps its keys in an append-only file and in dumps."""
    redis7.set("appendonly", "yes")
    redis7.host.run("sleep 1")
    with redis7.configured("appendonly yes", "save 3600 1"):
        assert redis7.keys() == KEYS
        yield redis7


def _set(*names: str) -> tuple[str, ...]:
    words = (("--set", f"redis.{name}={WANTED[name]}") for name in names)
    return ("--profile", REDIS_SMALL, *(word for pair in words for word in pair))


def test_without_being_allowed_nothing_of_it_is_done_and_the_rest_is(
    keeper: Server, controller: MakeController
) -> None:
    one = controller(keeper.host)
    before = keeper.look()
    planned = one.plan(*_set(*WANTED)).expect(0).host("redis7")
    stakes = held_back(planned)
    assert set(stakes) == {keeper.id(name) for name in WANTED}
    for name, words in STAKES.items():
        assert words in stakes[keeper.id(name)]
    outcome = one.apply(*_set(*WANTED)).expect(0)
    assert held_back(outcome.host("redis7")) == stakes
    wanted = {**before.config, "slowlog-log-slower-than": "5000"}
    assert keeper.config() == wanted
    written = keeper.host.run(f"cat {keeper.included}").stdout
    assert [line for line in written.splitlines() if not line.startswith("#")] == [
        "slowlog-log-slower-than 5000"
    ]
    assert keeper.keys() == KEYS
    one.rollback().expect(0)
    assert keeper.config() == before.config


# In pairs that leave the keys alone: something still saves them, and nothing evicts them yet.
@pytest.mark.parametrize("names", [(AOF, "maxmemory-policy"), ("save", "maxmemory")])
def test_when_it_is_allowed_it_is_done_and_a_rollback_brings_it_back(
    keeper: Server, controller: MakeController, names: tuple[str, ...]
) -> None:
    one = controller(keeper.host)
    before = keeper.look()
    outcome = one.apply(*_set(*names), "--allow", "data").expect(0).host("redis7")
    assert outcome["held_back"] == []
    wanted = {name: PRINTED.get(name, WANTED[name]) for name in names}
    assert {name: keeper.get(name) for name in names} == wanted
    keeper.restart()
    now = keeper.look()
    assert {name: now.config[name] for name in names} == wanted
    assert now.keys == KEYS
    one.rollback().expect(0)
    now = keeper.look()
    assert (now.config, now.etc) == (before.config, before.etc)
    keeper.restart()
    assert keeper.keys() == KEYS
