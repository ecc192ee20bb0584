"""doctor and score on hosts with Redis servers, from what was seen to what is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.app import doctor as doctor_
from optimizer.app import score as score_
from optimizer.app.requests import ProfileRequest
from optimizer.model.errors import UnknownProfile
from optimizer.model.fleet import Target
from optimizer.model.redis import RedisInstance
from optimizer.model.result import HostDiagnosis, HostScore
from optimizer.views import doctor as doctor_view
from optimizer.views import score as score_view
from optimizer.views.text import Asked, Look
from tests.unit.conftest import Golden
from tests.unit.factories import FakeFleet, facts, observation
from tests.unit.model_host import ModelHost
from tests.unit.probed import Probed, probed
from tests.unit.redis_servers import BAD, DOWN, GOOD, NOW
from tests.unit.shelf import Shelf

ASKED = Asked("hosts.py", "cache-only")
HOST = facts(
    now=NOW,
    ram_available=9 * 2**30,
    state_free=2**30,
    tools=frozenset({"systemd-run"}),
)
SETTINGS = {
    "/proc/sys/vm/overcommit_memory": "1",
    "/sys/kernel/mm/transparent_hugepage/enabled": "madvise",
}
MILD = "health: {redis.hit-rate: {warning: 30, critical: 20}}\n"
RELAXED = "health: {redis.hit-rate: {warning: never, critical: never}}\n"


def probing(monkeypatch: pytest.MonkeyPatch, *servers: RedisInstance) -> Probed:
    return probed(monkeypatch, observation(SETTINGS, facts=HOST, redis=servers))


def fleet(*profiles: str) -> FakeFleet:
    hosts = FakeFleet({})
    hosts.targets_ = tuple(Target(f"db-{at}", profile=one) for at, one in enumerate(profiles, 1))
    return hosts


def status(host: HostDiagnosis | HostScore, name: str) -> str:
    if isinstance(host, HostDiagnosis):
        return {check.check: check.status for check in host.checks}[name]
    return {check.name: check.status for check in host.health}[name]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


# doctor


@pytest.mark.parametrize(
    ("name", "is_whole"), [("doctor-redis", False), ("doctor-redis-all", True)]
)
def test_the_servers_of_a_host_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, golden: Golden, name: str, is_whole: bool
) -> None:
    probing(monkeypatch, GOOD, BAD, DOWN)
    result = doctor_.doctor(fleet(""))
    golden(f"{name}.txt", doctor_view.render(result, Look(show_all=is_whole), ASKED))


def test_of_many_hosts_a_good_server_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    probing(monkeypatch, GOOD)
    result = doctor_.doctor(fleet(""))
    other = result.hosts[0].model_copy(update={"name": "web-1", "checks": ()})
    both = result.model_copy(update={"hosts": (*result.hosts, other)})
    assert "  = redis 6379, 17 ok" in doctor_view.render(both, Look(), ASKED)


def test_doctor_asks_for_all_that_the_checks_need(monkeypatch: pytest.MonkeyPatch) -> None:
    probed = probing(monkeypatch)
    doctor_.doctor(fleet(""))
    [request] = probed.asked.values()
    assert request.redis_health
    assert request.snapshots
    assert request.values == set(SETTINGS)


def test_a_host_without_servers_has_no_word_of_them() -> None:
    [host] = doctor_.doctor(FakeFleet({"db-1": ModelHost()})).hosts
    assert not [check for check in host.checks if check.check.startswith("redis.")]


def test_thresholds_come_from_the_profile_asked_for_else_from_that_of_the_inventory(
    monkeypatch: pytest.MonkeyPatch, shelf: Shelf
) -> None:
    probing(monkeypatch, BAD)
    mild, relaxed = str(shelf.put("mild", MILD)), str(shelf.put("relaxed", RELAXED))
    name = "redis.hit-rate[6380]"
    by_inventory = doctor_.doctor(fleet("", mild)).hosts
    assert [status(host, name) for host in by_inventory] == ["critical", "ok"]
    asked_for = doctor_.doctor(fleet("", mild), profile=relaxed).hosts
    assert [status(host, name) for host in asked_for] == ["ok", "ok"]


def test_a_profile_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownProfile, match="no-such"):
        doctor_.doctor(fleet("no-such"))


# score


def scored(shelf: Shelf, settings: str, more: str = "") -> HostScore:
    path = shelf.put("one", f"set: {{{settings}}}\n{more}")
    [host] = score_.score(fleet(""), ProfileRequest(name=str(path))).hosts
    return host


def test_a_sick_server_lowers_the_status_and_not_the_score(
    monkeypatch: pytest.MonkeyPatch, shelf: Shelf
) -> None:
    probing(monkeypatch, GOOD)
    host = scored(shelf, "")
    assert (host.score, host.status) == (100, "optimal")
    probing(monkeypatch, BAD)
    host = scored(shelf, "", MILD)
    assert (host.score, host.status) == (100, "critical")
    assert status(host, "redis.hit-rate[6380]") == "good"


@pytest.mark.parametrize(
    ("settings", "is_asked"),
    [("redis.tcp-keepalive: 60", True), ("system.sysctl.vm.swappiness: 1", False)],
)
def test_servers_are_asked_about_their_health_where_the_profile_tunes_them(
    monkeypatch: pytest.MonkeyPatch, shelf: Shelf, settings: str, is_asked: bool
) -> None:
    probed = probing(monkeypatch)
    scored(shelf, settings)
    [request] = probed.asked.values()
    assert request.redis_health is is_asked


def test_the_score_groups_what_is_wrong_by_server(
    monkeypatch: pytest.MonkeyPatch, golden: Golden, shelf: Shelf
) -> None:
    probing(monkeypatch, GOOD, BAD, DOWN)
    path = shelf.put("one", "set: {}\n")
    result = score_.score(fleet(""), ProfileRequest(name=str(path)))
    golden("score-redis.txt", score_view.render(result, Look(), ASKED))
