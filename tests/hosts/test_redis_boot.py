"""A boot before the confirmation: the server starts as it was, and no boot waits for it."""

from __future__ import annotations

import time

from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_FULL
from tests.hosts.lab import STATE
from tests.hosts.redis_lab import KEYS, Server

# Of a container, on a loaded machine: an empty one is up after two.
PATIENCE = 12


def test_a_boot_brings_the_old_state_and_all_keys_without_waiting_for_the_server(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    before = redis7.look()
    one.apply("--profile", REDIS_FULL, "--no-confirm", "--confirm-timeout", "600").expect(0)
    assert redis7.get("appendonly") == "yes"
    began = time.monotonic()
    redis7.host.reboot()
    took = time.monotonic() - began
    redis7.wait()
    now = redis7.look()
    assert (now.config, now.etc, now.keys) == (before.config, before.etc, KEYS)
    assert redis7.host.run(f"ls {STATE}").stdout.split() == ["history", "snapshots"]
    assert now.data == before.data
    assert took < PATIENCE
