"""One host with PostgreSQL, Redis and Node: its memory is shared out among all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.host import Host
from tests.hosts.arranged import restarted_unit
from tests.hosts.conftest import MakeController, guarded
from tests.hosts.controller import PROFILES
from tests.hosts.lab import Lab
from tests.hosts.postgresql_lab import debian, differing

SHARED = ("--profile", str(PROFILES / "memory.yaml"))
UNIT = """[Service]
ExecStart=/usr/bin/node -e "setInterval(() => {}, 1000)"
"""


@pytest.fixture
def together(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    with guarded(lab, "together", request) as host:
        yield host


def test_all_services_of_a_host_are_found_and_their_parts_are_its_memory(
    together: Host, controller: MakeController
) -> None:
    one, cluster = controller(together), debian(together, "15")
    cluster.wait()
    before = cluster.look()
    with restarted_unit(together, "feed.service", UNIT):
        plan = one.plan(*SHARED).expect(0).host("together")
        parts = {line["what"]: line["bytes"] for line in plan["budget"]}
        assert sum(parts.values()) == _memory(together)
        assert [what for what in parts if "redis" in what.lower()] == ["Redis 6379"]
        assert [what for what in parts if what.startswith("Node")]
        assert parts["PostgreSQL 5432, shared memory"] > 0
        told = " ".join(one.run("plan", one.inventory, "--explain", *SHARED).expect(0).out.split())
        assert all(what in told for what in parts)
        one.apply(*SHARED, "--allow", "restart").expect(0)
        _check_sizes(together, parts)
        assert one.verify().expect(0).host("together")["state"] == "match"
        one.rollback("--allow", "restart").expect(0)
    assert differing(before, cluster.look()) == {}


def _memory(host: Host) -> int:
    """Return what a host may use, by its own account: the limit of its cgroup or all there is."""
    limit = host.run("cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max").stdout.strip()
    whole = int(host.run("awk '/^MemTotal/ { print $2 }' /proc/meminfo").stdout) * 1024
    return whole if limit == "max" else min(whole, int(limit))


def _check_sizes(host: Host, parts: dict[str, int]) -> None:
    """What is in force has to be within the part of its service."""
    shared = debian(host, "15").ask("SELECT pg_size_bytes(current_setting('shared_memory_size'))")
    assert 0 < int(shared) <= parts["PostgreSQL 5432, shared memory"]
    limit = host.run("redis-cli CONFIG GET maxmemory | tail -n 1").stdout
    assert 0 < int(limit) <= parts["Redis 6379"]
