"""Turning the append-only file on: first live and complete, then at the next start."""

from __future__ import annotations

import pytest

from tests.hosts.arranged import arranged
from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_SMALL
from tests.hosts.lab import Lab
from tests.hosts.redis_lab import KEYS, Server

WORDS = ("--profile", REDIS_SMALL, "--set", "redis.appendonly=yes")
CHECK = "redis-check-aof {folder}/appendonlydir/appendonly.aof.manifest 2>&1"


def test_the_file_is_complete_before_a_restart_could_read_it_and_all_keys_come_back(
    redis7: Server, controller: MakeController
) -> None:
    one = controller(redis7.host)
    before = redis7.look()
    one.apply(*WORDS, "--no-confirm").expect(0)
    # In force and whole, and a restart at this moment would still read the dump.
    assert redis7.get("appendonly") == "yes"
    assert redis7.info("aof_rewrite_in_progress") == "0"
    assert "is valid" in redis7.host.run(CHECK.format(folder=redis7.folder)).stdout
    assert redis7.look().etc == before.etc
    one.confirm().expect(0)
    # Without a dump, so that it is this file that is read.
    redis7.ask("SET written-later 1")
    redis7.systemctl("stop")
    redis7.host.run(f"rm {redis7.folder}/dump.rdb")
    redis7.systemctl("start")
    redis7.wait()
    assert redis7.keys() == KEYS + 1
    assert redis7.get("appendonly") == "yes"
    one.rollback().expect(0)
    redis7.restart()
    assert redis7.keys() == KEYS + 1


# The folder of the file cannot be made, or what goes into it cannot be written; and what is said.
BLOCKED = {
    "a file is in its place": (
        "touch {folder}/appendonlydir",
        "rm -f {folder}/appendonlydir",
        "Unable to turn on AOF",
    ),
    "the rewrite fails": (
        "mkdir {folder}/appendonlydir && chown redis: {folder}/appendonlydir && "
        "chown root:root {folder} && chmod 755 {folder}",
        "chown redis:redis {folder} && chmod 750 {folder} && rm -rf {folder}/appendonlydir",
        # At once, and not when the patience with it is at its end.
        "its append-only file could not be written",
    ),
}


@pytest.mark.parametrize("how", BLOCKED)
def test_when_the_file_cannot_be_written_the_host_is_restored(
    redis7: Server, controller: MakeController, lab: Lab, how: str
) -> None:
    before = redis7.look()
    do, undo, words = (text.format(folder=redis7.folder) for text in BLOCKED[how])
    with arranged(redis7.host, do, undo):
        outcome = controller(redis7.host).apply(*WORDS).expect(3).host("redis7")
    assert outcome["state"] == "restored"
    found = {one["tunable"]: one["found"] for one in outcome["problems"]}
    assert words in found[redis7.id("appendonly")]
    assert redis7.look() == before
    assert lab.changes("redis7") == {}
