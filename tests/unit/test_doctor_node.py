"""doctor and score on hosts with Node services, from what was seen to what is printed."""

from __future__ import annotations

import pytest

from optimizer.app import doctor as doctor_
from optimizer.model.fleet import Target
from optimizer.model.observation import Observation
from optimizer.model.request import ProbeRequest
from optimizer.views import doctor as doctor_view
from optimizer.views.text import Asked, Look
from tests.unit.conftest import Golden
from tests.unit.factories import FakeFleet, facts, observation
from tests.unit.node_services import BAD, DOWN, GOOD, UNWATCHED, UPTIME

HOST = facts(
    uptime=UPTIME,
    ram_available=9 * 2**30,
    state_free=2**30,
    tools=frozenset({"systemd-run"}),
)
ASKED = Asked("hosts.py", "hft")


@pytest.fixture
def fleet() -> FakeFleet:
    hosts = FakeFleet({})
    hosts.targets_ = (Target("db-1"),)
    return hosts


@pytest.mark.parametrize(("name", "is_whole"), [("doctor-node", False), ("doctor-node-all", True)])
def test_the_services_of_a_host_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, golden: Golden, fleet: FakeFleet, name: str, is_whole: bool
) -> None:
    asked: dict[str, ProbeRequest] = {}

    def probe(
        fleet: object, requests: dict[str, ProbeRequest], progress: object
    ) -> dict[str, Observation]:
        asked.update(requests)
        seen = observation({}, facts=HOST, node_health=(GOOD, BAD, UNWATCHED, DOWN))
        return dict.fromkeys(requests, seen)

    monkeypatch.setattr(doctor_, "probe", probe)
    result = doctor_.doctor(fleet)
    golden(f"{name}.txt", doctor_view.render(result, Look(show_all=is_whole), ASKED))
    assert asked["db-1"].node_health
