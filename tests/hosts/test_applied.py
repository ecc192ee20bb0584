"""A host with the hft profile on it: what was applied, and that it stays so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from testbed.host import Host
from tests.hosts.arranged import value, with_value
from tests.hosts.conftest import guarded
from tests.hosts.controller import Controller, Outcome, new_controller
from tests.hosts.lab import STATE, Lab
from tests.hosts.scan import difference, scan

RETRIES = "system.sysctl.net.ipv4.tcp_retries2"
RETRIES_PATH = "/proc/sys/net/ipv4/tcp_retries2"


@dataclass(frozen=True)
class Applied:
    """A host, the controller that applied the profile, and what that said."""

    host: Host
    controller: Controller
    outcome: Outcome

    @property
    def result(self) -> object:
        """What apply said about the host."""
        return self.outcome.host(self.host.name)


@pytest.fixture(scope="module")
def applied(
    lab: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Applied]:
    with guarded(lab, "trixie", request) as host:
        controller = new_controller(tmp_path_factory.mktemp("controller"), host)
        yield Applied(host, controller, controller.apply("--profile", "hft").expect(0))
        controller.rollback().expect(0)


def test_applying_again_plans_nothing(applied: Applied) -> None:
    planned = applied.controller.plan("--profile", "hft", "--detailed-exitcode").expect(0)
    host = planned.host("trixie")
    assert (host["changes"], host["files"], host["steps"]) == ([], [], [])


def test_applying_again_writes_nothing(applied: Applied) -> None:
    before = scan(applied.host)
    outcome = applied.controller.apply("--profile", "hft").expect(0)
    assert outcome.host("trixie")["state"] == "unchanged"
    # The scan has the snapshots and the host's history in it, too.
    assert difference(before, scan(applied.host)) == {}


def test_values_of_a_read_only_area_are_left_out_with_the_reason_and_the_rest_is_applied(
    applied: Applied,
) -> None:
    planned = applied.controller.plan("--profile", "hft").host("trixie")
    reasons = {skipped["tunable"]: skipped["reason"] for skipped in planned["not_applicable"]}
    assert reasons["system.sysctl.vm.swappiness"] == "/proc/sys/vm is read-only here"
    assert "/sys is read-only here" in reasons["system.thp.enabled"]
    assert value(applied.host, RETRIES_PATH) == "8"


def test_verify_finds_a_match_with_what_was_applied(applied: Applied) -> None:
    outcome = applied.controller.verify().expect(0)
    assert outcome.host("trixie")["state"] == "match"
    assert outcome.host("trixie")["checked"] > 0


def test_verify_names_a_value_that_somebody_changed_by_hand(applied: Applied) -> None:
    with_value(applied.host, RETRIES_PATH, "11")
    try:
        outcome = applied.controller.verify().expect(2)
    finally:
        with_value(applied.host, RETRIES_PATH, "8")
    (drift,) = outcome.host("trixie")["drift"]
    assert (drift["tunable"], drift["expected"], drift["live"]) == (RETRIES, "8", "11")


def test_the_score_is_what_apply_foretold(applied: Applied) -> None:
    foretold = applied.outcome.host("trixie")["score_after"]
    scored = applied.controller.run(
        "score", applied.controller.inventory, "--profile", "hft", "--format", "json"
    )
    assert scored.expect(0).host("trixie")["score"] == foretold


def test_logs_are_looked_at_every_hour(applied: Applied) -> None:
    calendar = applied.host.run("systemctl show logrotate.timer -p TimersCalendar").stdout
    assert "OnCalendar=*-*-* *:00:00 ;" in calendar


def test_the_snapshot_is_kept_on_both_sides_for_root_only(applied: Applied) -> None:
    identity = applied.outcome.host("trixie")["snapshot"]
    manifest = f"{STATE}/snapshots/{identity}/manifest"
    kept = applied.host.run(f"stat -c '%a %U' {STATE}; sha256sum <{manifest}")
    assert kept.stdout.split()[:3] == ["700", "root", identity]
    copies = list(applied.controller.state.glob(f"snapshots/*/{identity}/manifest"))
    assert [oct(copy.stat().st_mode & 0o777) for copy in copies] == ["0o600"]


def test_history_lists_the_snapshot_and_the_run(applied: Applied) -> None:
    identity = applied.outcome.host("trixie")["snapshot"]
    listed = applied.controller.run("history", applied.controller.inventory, "--format", "json")
    (snapshot,) = listed.expect(0).document["snapshots"]
    assert (snapshot["id"], snapshot["state"]) == (identity, "in effect")
    runs = applied.controller.run("history", "--format", "json").expect(0).document["runs"]
    assert applied.outcome.document["run"] in [run["id"] for run in runs]


def test_nothing_of_the_journal_is_left(applied: Applied) -> None:
    found = applied.host.run(
        f"ls {STATE}; systemctl list-units --all --plain --no-legend 'optimizer-restore*'; "
        "systemctl list-unit-files --no-legend 'optimizer-restore*'",
        check=False,
    )
    assert found.stdout.split() == ["history", "snapshots"]
