"""The Node part of the shipped profiles: within the budget, and a second plan finds nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from optimizer import profiles
from optimizer.model.node import NodeService
from optimizer.model.observation import Observation
from optimizer.model.profile import Profile
from optimizer.modules.examination import examine
from optimizer.planning.comparing import Verdict
from tests.unit.factories import facts
from tests.unit.node_units import seen, service

DIRECTORY = Path(__file__).parents[2] / "profiles"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.yaml"))
TUNING = sorted(set(NAMES) - {"development"})
MIB = 2**20


@cache
def load(name: str) -> Profile:
    return profiles.load(name, directories=[DIRECTORY])


def judged(name: str, of: Observation) -> dict[str, Verdict]:
    wanted = profiles.select(load(name), ["node.*"])
    return {
        one.reading.id.removesuffix("[web.service]"): one
        for one in examine(wanted, of, {}).verdicts
    }


def host(of: NodeService, **parts: object) -> Observation:
    return seen(of, facts=facts(**{"ram": 16 * 2**30, "cpus": 4, **parts}))


def test_development_leaves_node_alone() -> None:
    assert not [name for name in load("development").settings if name.startswith("node.")]


@pytest.mark.parametrize("name", TUNING)
@pytest.mark.parametrize("workers", [0, 4])
@pytest.mark.parametrize("version", ["18.20.4", "24.1.0"])
def test_all_processes_of_a_service_fit_into_what_it_may_take(
    name: str, workers: int, version: str
) -> None:
    limit = 4096 * MIB
    of = host(service(memory_max=limit, workers=workers, version=version))
    found = judged(name, of)
    heap = int(found["node.max-old-space-size"].wanted)
    usual = 64 * MIB if version.startswith("24") else 16 * MIB
    semi = int(found["node.max-semi-space-size"].wanted or usual)
    assert (heap + 3 * semi + 128 * MIB) * (workers + 1) <= limit
    assert heap % MIB == 0


@pytest.mark.parametrize("name", TUNING)
def test_a_semi_space_is_never_smaller_than_what_node_has_itself(name: str) -> None:
    wanted = {
        version: judged(name, host(service(version=version)))["node.max-semi-space-size"].wanted
        for version in ("18.20.4", "22.1.0", "24.1.0", "26.1.0")
    }
    is_larger = name.startswith("hft")
    assert wanted["18.20.4"] == wanted["22.1.0"] == str((64 if is_larger else 32) * MIB)
    # 24 has 64 MiB without being asked, 26 half of that.
    assert wanted["24.1.0"] in ("", str(64 * MIB))


@pytest.mark.parametrize("name", TUNING)
def test_every_service_is_watched_and_killed_before_a_database(name: str) -> None:
    found = judged(name, host(service()))
    assert found["node.probe"].wanted == "on"
    assert found["node.oom-score-adjust"].wanted == "200"
    assert found["node.limit-nofile"].wanted == "65536:524288"


def test_workers_are_no_more_than_cpus_where_a_program_has_a_variable_for_them() -> None:
    crowded = service(
        workers=4,
        variables={"CLUSTER_WORKERS": "4", "UV_THREADPOOL_SIZE": "16"},
        configured={"CLUSTER_WORKERS": "4", "UV_THREADPOOL_SIZE": "16"},
    )
    found = judged("trading-agents", host(crowded, cpus=2))
    assert found["node.worker-count.CLUSTER_WORKERS"].wanted == "2"
    assert found["node.uv-threadpool-size"].wanted == "4"
    roomy = judged("trading-agents", host(crowded, cpus=16))
    assert roomy["node.worker-count.CLUSTER_WORKERS"].difference is None
    assert roomy["node.uv-threadpool-size"].wanted == "16"


@pytest.mark.parametrize("name", TUNING)
def test_a_heap_is_not_bound_to_what_is_free_at_the_moment(name: str) -> None:
    of = host(service())
    emptier = replace(of, facts=replace(of.facts, ram_available=2**30))
    heaps = {judged(name, one)["node.max-old-space-size"].wanted for one in (of, emptier)}
    assert len(heaps) == 1
