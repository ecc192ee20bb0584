"""A server that is killed, or a controller that is: the host comes back with all saved keys."""

from __future__ import annotations

import signal

import pytest

from tests.hosts.conftest import MakeController
from tests.hosts.controller import QUICK, REDIS_FULL, REDIS_SMALL, finish, wait_for
from tests.hosts.history import expect_in_time
from tests.hosts.lab import STATE, Lab
from tests.hosts.redis_lab import KEYS, Look, Server, changes_of, config_after

PROGRESS = f"{STATE}/journal/progress"
LOGINS = "/run/optimizer-logins"
PHRASE = "kept for the timer"


# At the first value, and at the one that takes the longest.
@pytest.mark.parametrize("moment", ["^intent", "^intent.*/appendonly"])
def test_a_server_that_is_killed_in_between_is_as_before_or_confirmed(
    redis7: Server, controller: MakeController, lab: Lab, moment: str
) -> None:
    one = controller(redis7.host)
    before = redis7.look()
    planned = one.plan("--profile", REDIS_FULL).expect(0).host("redis7")
    process = redis7.info("process_id")
    running = one.start("apply", one.inventory, *_words())
    redis7.host.run(
        f"until grep -q '{moment}' {PROGRESS} 2>/dev/null; do :; done; kill -KILL {process}"
    )
    outcome = finish(running)
    redis7.wait()
    now = redis7.look()
    assert now.keys == KEYS
    assert redis7.info("process_id") != process
    if outcome.code == 0:
        assert now.config == config_after(before.config, changes_of(planned, redis7))
        assert one.verify().expect(0).host("redis7")["state"] == "match"
        one.rollback().expect(0)
    else:
        assert outcome.expect(3).host("redis7")["state"] == "restored"
        assert (now.config, now.etc) == (before.config, before.etc)
        # A child that saves is killed with its parent, and leaves half a file.
        assert {path for path in now.data if "/temp-" not in path} == before.data
    assert set(lab.changes("redis7")) == {"pid redis-server.service"}


def _words(profile: str = REDIS_FULL) -> tuple[str, ...]:
    words = ("--profile", profile, "--yes", "--format", "json")
    return (*words, "--confirm-timeout", QUICK)


def test_when_the_controller_is_killed_the_timer_logs_in_and_puts_everything_back(
    redis7: Server, controller: MakeController
) -> None:
    with redis7.secured(PHRASE) as server:
        before = server.look()
        _apply_and_die(server, controller, REDIS_SMALL)
        assert server.get("slowlog-log-slower-than") == "5000"
        assert redis7.host.run(f"stat -c '%a %U' {LOGINS}").stdout == "600 root\n"
        _expect_back(server, before)
        expect_in_time(redis7.host)


def test_the_timer_takes_an_append_only_file_back_as_well(
    redis7: Server, controller: MakeController
) -> None:
    with redis7.secured(PHRASE) as server:
        before = server.look()
        _apply_and_die(server, controller, REDIS_FULL)
        assert server.get("appendonly") == "yes"
        # What the timer does, ahead of its time: it grants a minute for such a file.
        redis7.host.run("systemctl start $(systemctl show -P Unit 'optimizer-restore-*.timer')")
        _expect_back(server, before)


def _apply_and_die(server: Server, controller: MakeController, profile: str) -> None:
    """Let the controller die while its host writes values, and the host write them all."""
    one = controller(server.host, redis_password=PHRASE)
    running = one.start("apply", one.inventory, *_words(profile))
    wait_for(server.host, f"grep -q ^intent {PROGRESS} 2>/dev/null")
    running.send_signal(signal.SIGKILL)
    running.communicate()
    wait_for(server.host, f"grep -q applied {STATE}/history 2>/dev/null")


def _expect_back(server: Server, before: Look) -> None:
    wait_for(server.host, f"[ ! -e {STATE}/journal ]")
    now = server.look()
    assert (now.config, now.etc, now.data) == (before.config, before.etc, before.data)
    assert now.keys == KEYS
    assert server.host.run(f"ls {LOGINS}", check=False).stdout == ""
