"""doctor and score on hosts with Node services, from what was seen to what is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.app import doctor as doctor_
from optimizer.app import score as score_
from optimizer.app.requests import ProfileRequest
from optimizer.model.fleet import Target
from optimizer.model.node_health import NodeHealth
from optimizer.model.result import HostScore
from optimizer.views import doctor as doctor_view
from optimizer.views.text import Asked, Look
from tests.unit.conftest import Golden
from tests.unit.factories import FakeFleet, facts, observation
from tests.unit.node_services import BAD, DOWN, GOOD, UNWATCHED, UPTIME
from tests.unit.probed import Probed, probed
from tests.unit.shelf import Shelf

HOST = facts(
    uptime=UPTIME,
    ram_available=9 * 2**30,
    state_free=2**30,
    tools=frozenset({"systemd-run"}),
)
ASKED = Asked("hosts.py", "hft")
STRICT = "health: {node.loop-delay: {warning: 0.1, critical: 50}}\n"


def probing(monkeypatch: pytest.MonkeyPatch, *services: NodeHealth) -> Probed:
    return probed(monkeypatch, observation({}, facts=HOST, node_health=services))


def fleet() -> FakeFleet:
    hosts = FakeFleet({})
    hosts.targets_ = (Target("db-1"),)
    return hosts


def scored(folder: Path, more: str = "") -> HostScore:
    path = Shelf(folder).put("one", f"set: {{}}\n{more}")
    [host] = score_.score(fleet(), ProfileRequest(name=str(path))).hosts
    return host


@pytest.mark.parametrize(("name", "is_whole"), [("doctor-node", False), ("doctor-node-all", True)])
def test_the_services_of_a_host_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, golden: Golden, name: str, is_whole: bool
) -> None:
    probed = probing(monkeypatch, GOOD, BAD, UNWATCHED, DOWN)
    result = doctor_.doctor(fleet())
    golden(f"{name}.txt", doctor_view.render(result, Look(show_all=is_whole), ASKED))
    assert probed.asked["db-1"].node_health


def test_a_sick_service_lowers_the_status_and_not_the_score(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    probing(monkeypatch, GOOD)
    assert (scored(tmp_path).score, scored(tmp_path).status) == (100, "optimal")
    assert scored(tmp_path, STRICT).status == "warning"
    probing(monkeypatch, BAD)
    assert (scored(tmp_path).score, scored(tmp_path).status) == (100, "critical")
