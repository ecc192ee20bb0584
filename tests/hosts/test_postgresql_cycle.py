"""The whole way of a cluster: plan, apply, restart, roll back; pg_settings and files tell."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.hosts.arranged import arranged
from tests.hosts.conftest import MakeController
from tests.hosts.controller import POSTGRESQL_FULL
from tests.hosts.postgresql_lab import Cluster, by_effect, differing

FULL = ("--profile", POSTGRESQL_FULL)
RESTART = ("--allow", "restart")
# What is on the command line of a server beats every file.
OVERRIDE = """ExecStart=
ExecStart=-/usr/bin/pg_ctlcluster -o "-c max_connections=77" --skip-systemctl-redirect %i start
"""


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

    # Without the word the files go back, and what is in force stays until a restart, which is said.
    started = cluster.started()
    left = one.rollback().expect(0).host(name)
    assert {change["tunable"] for change in left["pending"]} == pending
    now = cluster.look()
    assert now.files == before.files
    assert {setting: now.text(setting) for setting in now.changed(before)} == wanted["restart"]
    assert cluster.started() == started
    waits = " ".join(one.verify().expect(0).host(name)["notes"])
    assert all(tunable in waits for tunable in pending)
    assert "rollback --allow restart" in waits
    again = one.rollback().expect(0).host(name)
    assert (again["state"], {held["tunable"] for held in again["held_back"]}) == (
        "unchanged",
        pending,
    )
    assert cluster.look() == now

    done = one.rollback(*RESTART).expect(0).host(name)
    assert (done["state"], done["pending"]) == ("applied", [])
    assert {change["tunable"] for change in done["applied"]} == pending
    assert differing(before, cluster.look()) == {}
    assert "restart" not in one.verify().expect(0).said
    one.rollback(*RESTART).expect(1)
    started = cluster.started()
    assert differing(before, cluster.look()) == {}

    # What was finished can be taken back as well, and nothing is restarted for nothing.
    one.rollback("--to", outcome["snapshot"], *RESTART).expect(0)
    assert cluster.started() == started


def test_what_waits_for_a_restart_is_taken_back_without_one(
    pg17: Cluster, controller: MakeController
) -> None:
    one = controller(pg17.host)
    before, started = pg17.look(), pg17.started()
    one.apply(*FULL).expect(0)
    one.rollback().expect(0)
    assert differing(before, pg17.look()) == {}
    assert pg17.started() == started


def test_a_person_who_restarts_in_between_is_reckoned_with(
    pg17: Cluster, controller: MakeController
) -> None:
    one = controller(pg17.host)
    before = pg17.look()
    one.apply(*FULL).expect(0)
    pg17.restart()
    assert one.verify().expect(0).host("pg17")["state"] == "match"
    one.rollback(*RESTART).expect(0)
    assert differing(before, pg17.look()) == {}


@contextmanager
def started_by(cluster: Cluster, lines: str) -> Iterator[None]:
    """Have the unit of a cluster say something more for a while."""
    folder = f"/etc/systemd/system/{cluster.unit}.d"
    made = f"mkdir {folder} && printf '[Service]\\n%s\\n' {shlex.quote(lines)} >{folder}/test.conf"
    reload = "systemctl daemon-reload"
    gone = f"rm -r {folder} && {reload}"
    with arranged(cluster.host, f"{made} && {reload}", gone):
        yield


def test_a_server_that_starts_with_something_else_is_put_back(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    with started_by(pg15, OVERRIDE):
        pg15.restart()
        # A reload marks what a file has and the command line beats.
        pg15.reload()
        before = pg15.look()
        outcome = one.apply(*FULL, *RESTART).expect(3).host("pg15")
        assert outcome["state"] == "restored"
        assert {problem["tunable"] for problem in outcome["problems"]} == {
            pg15.id("max_connections")
        }
        assert differing(before, pg15.look()) == {}
    pg15.restart()


def test_a_server_that_does_not_start_comes_back_as_it_was(
    pg15: Cluster, controller: MakeController
) -> None:
    one = controller(pg15.host)
    before, started = pg15.look(), pg15.started()
    # No file is wrong, so that only a start shows it.
    with started_by(pg15, f"ExecStartPre=/usr/bin/test ! -e {pg15.drop_in}"):
        outcome = one.apply(*FULL, *RESTART).expect(3).host("pg15")
    assert outcome["state"] == "restored"
    assert [problem["what"] for problem in outcome["problems"]] == ["the cluster did not come back"]
    assert differing(before, pg15.look()) == {}
    assert pg15.started() != started


def _changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    # The folder has a new modification time only, which is not looked at.
    return {path for path in {*before, *after} if before.get(path) != after.get(path)}
