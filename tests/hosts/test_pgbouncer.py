"""The whole way of a PgBouncer: clients, plan, apply, restart, roll back; its console tells."""

from __future__ import annotations

from typing import Any

from tests.hosts.arranged import arranged
from tests.hosts.conftest import MakeController
from tests.hosts.controller import PGBOUNCER_FULL
from tests.hosts.pgbouncer_lab import INI, OURS, PoolerHost

FULL = ("--profile", PGBOUNCER_FULL)
RESTART = ("--allow", "restart")


def test_a_change_is_what_was_planned_and_goes_back_through_restarts(
    pooler: PoolerHost, controller: MakeController
) -> None:
    one, name = controller(pooler.host), pooler.host.name
    # Ten clients for 10 ms each, over and over: nearly ten connections are busy.
    pooler.bench(seconds=3, clients=10)
    before, started = pooler.look(), pooler.started()
    planned = one.plan(*FULL).expect(0)
    assert "verysecret" not in planned.out
    plan = planned.host(name)
    wanted = _by_effect(plan, pooler)
    assert wanted["reload"]["default_pool_size"] == "6"
    assert wanted["reload"]["max_db_connections"] == "97"
    assert wanted["reload"]["max_client_conn"] == "500"
    assert wanted["restart"] == {"listen_backlog": "4096"}
    # PgBouncer 1.18 cannot follow prepared statements.
    left_out = {skipped["tunable"] for skipped in plan["not_applicable"]}
    has_them = "max_prepared_statements" in before.config
    assert left_out == (set() if has_them else {pooler.id("max_prepared_statements")})

    outcome = one.apply(*FULL).expect(0).host(name)
    applied = pooler.look()
    assert applied.changed(before) == wanted["reload"]
    assert pooler.started() == started
    assert _changed(before.files, applied.files) == {INI, OURS}
    assert applied.files[OURS].startswith("f 644 0:0 ")
    assert applied.files[INI].rpartition(" ")[0] == before.files[INI].rpartition(" ")[0]
    kept = pooler.host.run("cat $(find /var/lib/optimizer -type f); journalctl -o cat").stdout
    ours = "".join(path.read_text() for path in one.state.rglob("*") if path.is_file())
    assert kept and ours and "verysecret" not in kept + ours
    again = one.plan(*FULL, "--detailed-exitcode").expect(0).host(name)
    assert again["steps"] == again["files"] == []
    assert one.verify().expect(0).host(name)["state"] == "match"

    one.apply(*FULL, *RESTART).expect(0)
    restarted = pooler.look()
    assert restarted.changed(before) == wanted["reload"] | wanted["restart"]
    assert pooler.started() != started
    assert one.verify(*FULL).expect(0).host(name)["state"] == "match"

    one.rollback("--to", outcome["snapshot"], *RESTART).expect(0)
    back = pooler.look()
    assert (back.config, back.files) == (before.config, before.files)
    pooler.restart()
    assert pooler.look() == before


def test_what_a_reload_cannot_do_alone_is_left_alone_and_a_refused_file_goes_back(
    pool15: PoolerHost, controller: MakeController
) -> None:
    one, name = controller(pool15.host), pool15.host.name
    before = pool15.look()
    # Somebody set a value over the console that no file has.
    pool15.ask("SET client_idle_timeout = 77")
    held = one.plan(*FULL).expect(0).host(name)
    assert held["steps"] == []
    assert "a reload would change client_idle_timeout" in held["changes"][0]["advice"]
    pool15.ask("RELOAD")

    # Another section at the end: what we write there would be no parameter.
    with pool15.with_line("[users]"):
        held = one.plan(*FULL).expect(0).host(name)
        assert held["steps"] == []
        assert "has to be the last section" in held["changes"][0]["advice"]

    # A hand-edited file is kept, with whatever it has, and comes back byte for byte.
    with pool15.with_line("query_timeout = 33"):
        edited = pool15.look()
        one.apply(*FULL).expect(0)
        assert pool15.look().config["query_timeout"] == "33"
        # Somebody writes behind our line, and has not had it read yet.
        pool15.host.run(f"cp -p {INI} /run/kept; echo 'query_wait_timeout = 44' >>{INI}")
        (drift, *_) = one.verify().expect(2).host(name)["drift"]
        assert drift["tunable"] == pool15.id("query_wait_timeout")
        assert (drift["live"], drift["boot"]) == ("30", "44")
        assert drift["source"].startswith(f"{INI}:")
        pool15.host.run(f"cat /run/kept >{INI}; rm /run/kept")
        one.rollback().expect(0)
        assert pool15.look() == edited

    # Its account cannot read our file, which a reload would not say.
    with arranged(pool15.host, "chmod 700 /etc/pgbouncer", "chmod 755 /etc/pgbouncer"):
        assert "readable" in one.apply(*FULL).expect(3).said
    pool15.ask("RELOAD")
    assert pool15.look() == before

    # A file that somebody else's line names is missing, so that no reload can work.
    with pool15.with_line("%include /etc/pgbouncer/broken.ini"):
        said = one.apply(*FULL).expect(3).said
        assert "default_pool_size" in said
        assert OURS not in pool15.look().files
    pool15.ask("RELOAD")
    assert pool15.look() == before


def _by_effect(plan: Any, pooler: PoolerHost) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for change in plan["changes"]:
        name = change["tunable"].removeprefix("postgresql.pgbouncer.").partition("[")[0]
        assert pooler.id(name) == change["tunable"]
        found.setdefault(change["effect"], {})[name] = change["after"]
    return found


def _changed(before: Any, after: Any) -> set[str]:
    return {path for path in {*before, *after} if before.get(path) != after.get(path)}
