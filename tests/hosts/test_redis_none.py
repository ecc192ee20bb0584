"""A host without a Redis server: what a profile wants of one does not apply, and is no error."""

from __future__ import annotations

from testbed.host import Host
from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_FULL


def test_on_a_host_without_a_server_nothing_applies(
    bookworm: Host, controller: MakeController
) -> None:
    one = controller(bookworm)
    planned = one.plan("--profile", REDIS_FULL).expect(0).host("bookworm")
    assert (planned["changes"], planned["unknown"], planned["steps"]) == ([], [], [])
    reasons = {skipped["reason"] for skipped in planned["not_applicable"]}
    assert reasons == {"there is no Redis or Valkey server on this host"}
    assert one.apply("--profile", REDIS_FULL).expect(0).host("bookworm")["state"] == "unchanged"
