"""Servers that want a password: how it is given, what is said without, that it stays secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_FULL, REDIS_SMALL
from tests.hosts.redis_lab import KEYS, Server
from tests.hosts.watched import watched

# No shell, no client and no configuration file may see anything in it. The first word is looked
# for, as it is the same however the rest is quoted.
MARK = "zq7391"
SECRET = MARK + " \"b\\c' $(id) `id` #%s"
SLOWLOG = "slowlog-log-slower-than"
RETRIES = "system.sysctl.net.ipv4.tcp_retries2"


def test_without_the_right_password_it_is_unknown_and_the_rest_is_planned(
    redis7: Server, controller: MakeController
) -> None:
    with redis7.secured(SECRET):
        for data, reason in (
            ({}, "wants a password"),
            ({"redis_password": "wrong"}, "does not accept the user and password"),
            ({"redis_password": SECRET, "redis_user": "nobody"}, "does not accept the user"),
        ):
            planned = controller(redis7.host, **data).plan("--profile", REDIS_SMALL)
            host = planned.expect(0).host("redis7")
            (unknown,) = host["unknown"]
            assert unknown["tunable"] == redis7.id(SLOWLOG)
            assert reason in unknown["reason"]
            assert [change["tunable"] for change in host["changes"]] == [RETRIES]
            assert MARK not in planned.said


def test_the_password_comes_from_the_inventory_or_from_the_environment(
    redis7: Server, controller: MakeController, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis7.secured(SECRET) as server:
        quoted = server.login.removeprefix("AUTH ")
        # As a text, it stands in quotation marks as a whole.
        server.ask(f'ACL SETUSER tuner on ">{quoted[1:]} ~* &* +@all')
        ways = (
            {"redis_password": SECRET},
            {"redis_password": {"6379": SECRET}},
            {"redis_password": SECRET, "redis_user": "tuner"},
        )
        for data in ways:
            _expect_planned(controller(redis7.host, **data).plan("--profile", REDIS_SMALL), redis7)
        monkeypatch.setenv("OPTIMIZER_REDIS_PASSWORD", SECRET)
        _expect_planned(controller(redis7.host).plan("--profile", REDIS_SMALL), redis7)
        monkeypatch.setenv("OPTIMIZER_REDIS_USER", "tuner")
        server.ask("ACL SETUSER default off")
        _expect_planned(controller(redis7.host).plan("--profile", REDIS_SMALL), redis7)
        tuner = server.logging_in(f"AUTH tuner {quoted}")
        tuner.ask("ACL SETUSER default on")
        tuner.ask("ACL DELUSER tuner")


def _expect_planned(outcome: object, server: Server) -> None:
    host = outcome.expect(0).host("redis7")  # type: ignore[attr-defined]
    assert host["unknown"] == []
    changes = {change["tunable"]: change["after"] for change in host["changes"]}
    assert changes[server.id(SLOWLOG)] == "5000"


def test_the_password_shows_nowhere_on_the_whole_way(
    redis7: Server, controller: MakeController
) -> None:
    with redis7.secured(SECRET) as server:
        before = server.look()
        one = controller(redis7.host, redis_password=SECRET)
        with watched(redis7.host) as watch:
            said = [one.plan("--profile", REDIS_FULL)]
            said += [one.apply("--profile", REDIS_FULL), one.verify()]
            assert server.get("appendonly") == "yes"
            said += [one.run("doctor", one.inventory, "--format", "json"), one.rollback()]
            # The watch did see the client.
            assert watch.shows("-cli")
            assert not watch.shows(MARK)
        assert [outcome.code for outcome in said] == [0] * len(said)
        kept = redis7.host.run("cat $(find /var/lib/optimizer -type f); journalctl -o cat").stdout
        for text in (kept, _all(one.state), *(json.dumps(each.out + each.err) for each in said)):
            assert text
            assert MARK not in text
        now = server.look()
        assert (now.config, now.etc, now.keys) == (before.config, before.etc, KEYS)


def _all(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_text(errors="replace") for path in files)
