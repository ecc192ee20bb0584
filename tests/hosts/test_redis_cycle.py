"""The whole way of a server: plan, apply, restart, roll back, restart; and not a key is lost."""

from __future__ import annotations

from tests.hosts.conftest import MakeController
from tests.hosts.controller import REDIS_FULL
from tests.hosts.redis_lab import KEYS, Look, Server, changes_of, config_after


def test_a_change_is_what_was_planned_and_goes_back_through_restarts_with_all_keys(
    server: Server, controller: MakeController
) -> None:
    one, name = controller(server.host), server.host.name
    before = server.look()
    planned = one.plan("--profile", REDIS_FULL).expect(0).host(name)
    assert planned["not_applicable"] == planned["unknown"] == []
    wanted = config_after(before.config, changes_of(planned, server))

    one.apply("--profile", REDIS_FULL).expect(0)
    applied = server.look()
    assert applied.config == wanted != before.config
    assert applied.keys == KEYS
    _only_our_line_is_new(server, before, applied)
    again = one.plan("--profile", REDIS_FULL, "--detailed-exitcode").expect(0).host(name)
    assert (again["changes"], again["files"], again["steps"]) == ([], [], [])
    assert one.verify().expect(0).host(name)["state"] == "match"

    server.restart()
    assert server.config() == wanted
    assert server.keys() == KEYS
    assert one.verify("--profile", REDIS_FULL).expect(0).host(name)["state"] == "match"

    server.ask("SET written-later 1")
    one.rollback().expect(0)
    _is_back(server, before)
    server.restart()
    _is_back(server, before)


def _only_our_line_is_new(server: Server, before: Look, after: Look) -> None:
    changed = {path for path in after.etc if after.etc[path] != before.etc.get(path)}
    # The folder has a new modification time only, which is not looked at.
    assert changed == {server.conf, server.included}
    assert before.etc.keys() <= after.etc.keys()
    assert after.unit == before.unit
    last = server.host.run(f"tail -n 1 {server.conf}").stdout
    assert last == f"include {server.included}\n"
    rights = [after.etc[server.conf].split()[:3], before.etc[server.conf].split()[:3]]
    assert rights[0] == rights[1]


def _is_back(server: Server, before: Look) -> None:
    now = server.look()
    assert now.config == before.config
    assert now.etc == before.etc
    assert now.unit == before.unit
    # What was written meanwhile stays, also the append-only file, which no start reads any more.
    assert now.keys == KEYS + 1
    assert server.ask("GET written-later") == "1"
    new = {path.partition("set-aside-")[0] for path in now.data - before.data}
    assert new <= {f"{server.folder}/appendonlydir."}
