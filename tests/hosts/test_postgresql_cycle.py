"""The whole way of a cluster: plan, apply, restart, roll back; pg_settings and files tell."""

from __future__ import annotations

from collections.abc import Mapping

from tests.hosts.conftest import MakeController
from tests.hosts.controller import POSTGRESQL_FULL
from tests.hosts.postgresql_lab import Cluster, by_effect, differing

FULL = ("--profile", POSTGRESQL_FULL)
RESTART = ("--allow", "restart")


def test_a_change_is_what_was_planned_and_goes_back_through_restarts(
    cluster: Cluster, controller: MakeController
) -> None:
    one, name = controller(cluster.host), cluster.host.name
    before, started = cluster.look(), cluster.started()
    planned = one.plan(*FULL).expect(0).host(name)
    assert planned["not_applicable"] == planned["unknown"] == []
    wanted = by_effect(planned, cluster)
    assert wanted.keys() == {"reload", "restart"}
    pending = set(map(cluster.id, wanted["restart"]))

    outcome = one.apply(*FULL).expect(0).host(name)
    applied = cluster.look()
    assert {setting: applied.text(setting) for setting in applied.changed(before)} == (
        wanted["reload"]
    )
    assert applied.pending == set(wanted["restart"])
    assert {change["tunable"] for change in outcome["pending"]} == pending
    assert cluster.started() == started
    assert _changed_files(before.files, applied.files) == {cluster.drop_in}
    assert applied.files[cluster.drop_in].startswith("f 644 ")
    again = one.plan(*FULL, "--detailed-exitcode").expect(0).host(name)
    assert again["steps"] == again["files"] == []
    waiting = next(note for note in again["notes"] if note.startswith("waits for a restart"))
    assert all(tunable in waiting for tunable in pending)
    assert one.verify().expect(0).host(name)["state"] == "match"

    outcome_of_restart = one.apply(*FULL, *RESTART).expect(0).host(name)
    assert outcome_of_restart["pending"] == []
    restarted = cluster.look()
    assert {setting: restarted.text(setting) for setting in restarted.changed(before)} == (
        wanted["reload"] | wanted["restart"]
    )
    assert restarted.pending == set()
    assert cluster.started() != started
    assert one.verify(*FULL).expect(0).host(name)["state"] == "match"

    one.rollback("--to", outcome["snapshot"], *RESTART).expect(0)
    assert differing(before, cluster.look()) == {}
    cluster.restart()
    assert differing(before, cluster.look()) == {}


def test_what_waits_for_a_restart_is_taken_back_without_one(
    pg17: Cluster, controller: MakeController
) -> None:
    one = controller(pg17.host)
    before, started = pg17.look(), pg17.started()
    one.apply(*FULL).expect(0)
    one.rollback().expect(0)
    now = pg17.look()
    assert (now.values, now.lines, now.files) == (before.values, before.lines, before.files)
    assert pg17.started() == started
    # PostgreSQL keeps its mark on a setting that no file has any more, until it is restarted.
    pg17.restart()
    assert differing(before, pg17.look()) == {}


def _changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    # The folder has a new modification time only, which is not looked at.
    return {path for path in {*before, *after} if before.get(path) != after.get(path)}
