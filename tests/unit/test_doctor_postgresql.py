"""doctor and score on hosts with PostgreSQL clusters, from what was seen to what is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.app import doctor as doctor_
from optimizer.app import score as score_
from optimizer.app.requests import ProfileRequest
from optimizer.model.fleet import Target
from optimizer.model.postgresql import PgCluster
from optimizer.model.result import HostScore
from optimizer.views import doctor as doctor_view
from optimizer.views import score as score_view
from optimizer.views.text import Asked, Look
from tests.unit.conftest import Golden
from tests.unit.factories import FakeFleet, facts, observation
from tests.unit.postgresql_clusters import BAD, DOWN, GOOD, STANDBY
from tests.unit.probed import Probed, probed
from tests.unit.shelf import Shelf

ASKED = Asked("hosts.py", "hft")
HOST = facts(ram_available=9 * 2**30, state_free=2**30, tools=frozenset({"systemd-run"}))
MILD = "health: {postgresql.dead-rows: {warning: 70, critical: 90}}\n"


def probing(monkeypatch: pytest.MonkeyPatch, *clusters: PgCluster) -> Probed:
    return probed(monkeypatch, observation({}, facts=HOST, postgresql=clusters))


def fleet() -> FakeFleet:
    hosts = FakeFleet({})
    hosts.targets_ = (Target("db-1"),)
    return hosts


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.mark.parametrize(
    ("name", "is_whole"), [("doctor-postgresql", False), ("doctor-postgresql-all", True)]
)
def test_the_clusters_of_a_host_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, golden: Golden, name: str, is_whole: bool
) -> None:
    probing(monkeypatch, GOOD, BAD, STANDBY, DOWN)
    result = doctor_.doctor(fleet())
    golden(f"{name}.txt", doctor_view.render(result, Look(show_all=is_whole), ASKED))


def test_doctor_asks_for_the_health_of_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    probed = probing(monkeypatch)
    doctor_.doctor(fleet())
    [request] = probed.asked.values()
    assert request.postgresql_health


def scored(shelf: Shelf, settings: str, more: str = "") -> HostScore:
    path = shelf.put("one", f"set: {{{settings}}}\n{more}")
    [host] = score_.score(fleet(), ProfileRequest(name=str(path))).hosts
    return host


def test_a_sick_cluster_lowers_the_status_and_not_the_score(
    monkeypatch: pytest.MonkeyPatch, shelf: Shelf
) -> None:
    probing(monkeypatch, GOOD)
    assert (scored(shelf, "").score, scored(shelf, "").status) == (100, "optimal")
    probing(monkeypatch, BAD)
    host = scored(shelf, "", MILD)
    assert (host.score, host.status) == (100, "critical")
    levels = {check.name: check.status for check in host.health}
    assert levels["postgresql.dead-rows[5433]"] == "optimal"


@pytest.mark.parametrize(
    ("settings", "is_asked"),
    [("postgresql.jit: off", True), ("system.sysctl.vm.swappiness: 1", False)],
)
def test_clusters_are_asked_about_their_health_where_the_profile_tunes_them(
    monkeypatch: pytest.MonkeyPatch, shelf: Shelf, settings: str, is_asked: bool
) -> None:
    probed = probing(monkeypatch)
    scored(shelf, settings)
    [request] = probed.asked.values()
    assert request.postgresql_health is is_asked
    assert not request.redis_health


def test_the_score_groups_what_is_wrong_by_cluster(
    monkeypatch: pytest.MonkeyPatch, golden: Golden, shelf: Shelf
) -> None:
    probing(monkeypatch, GOOD, BAD, DOWN)
    path = shelf.put("one", "set: {}\n")
    result = score_.score(fleet(), ProfileRequest(name=str(path)))
    golden("score-postgresql.txt", score_view.render(result, Look(), ASKED))
