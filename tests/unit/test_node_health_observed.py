"""From what a host and its probes say of Node services to data; a probe may say anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.host.observed import observe
from optimizer.host.wire import GarbledAnswer, parse_answer
from optimizer.model.node_health import AgentUse, NodeHealth, NodeProcess, Pauses
from tests.unit.model_host import FACTS

FACT_LINES = "".join(f"fact\t{name}\t{text}\n" for name, text in FACTS.items())
SPAN = {
    "seconds": 54.2,
    "utilization": 0.25,
    "delay": {"count": 9000, "p50": 0.0001, "p99": 0.0021, "max": 0.0502},
    "gc": {
        "count": 3,
        "p50": 0.001,
        "p99": 0.002,
        "max": 0.002,
        "kinds": {"minor": {"count": 3, "total": 0.0042, "max": 0.002}},
    },
}
# As Node 20 said it.
SAID: dict[str, Any] = {
    "probe": 1,
    "pid": 101,
    "version": "20.19.2",
    "uptime": 5.007562118,
    "resolution": 0.005,
    "start": SPAN,
    "window": SPAN,
    "heap": {"used": 4514832, "total": 6529024, "limit": 4345298944},
    "rss": 53248000,
    "resources": {"TCPServerWrap": 1},
    "agents": {"http": {"used": 2, "free": 1, "waiting": 0}},
}
HOST = (
    "node-process\tweb.service\t100\t1\t53248000\t21\t1024\n"
    "node-process\tweb.service\t101\t100\t53248001\t22\tunlimited\n"
    "node-process\tpid 300\t300\t1\t\t0\t\n"
    "node-said\t100\t@ECONNREFUSED\n"
    "node-unit\tweb.service\tActiveState\tactive\n"
    "node-unit\tweb.service\tNRestarts\t2\n"
    "node-unit\tweb.service\tActiveEnterTimestampMonotonic\t123456789\n"
    "node-unit\tweb.service\tMemoryMax\tinfinity\n"
    "node-unit\tgone.service\tActiveState\tfailed\n"
    "node-unit\tgone.service\tMemoryMax\t1048576\n"
)


def healths(said: str = "", host: str = HOST) -> dict[str, NodeHealth]:
    lines = f"{FACT_LINES}{host}{said}end\n"
    return {one.name: one for one in observe(parse_answer(lines), "db-1").node_health}


def answered(said: Any) -> NodeProcess:
    """Return what becomes of process 101 when its probe says this."""
    text = said if isinstance(said, str) else json.dumps(said)
    return healths(f"node-said\t101\t{text}\n")["web.service"].processes[1]


def test_processes_units_and_probes_come_together() -> None:
    found = healths(f"node-said\t101\t{json.dumps(SAID)}\n")
    assert list(found) == ["gone.service", "pid 300", "web.service"]
    web = found["web.service"]
    assert (web.state, web.restarts, web.active_since, web.memory_max) == (
        "active",
        2,
        123.456789,
        None,
    )
    first, second = web.processes
    assert (first.probe, first.problem) == (None, "ECONNREFUSED")
    assert (second.parent, second.open_files, second.file_limit) == (100, 22, None)
    probe = second.probe
    assert probe is not None
    assert (probe.version, probe.heap_limit, probe.rss) == ("20.19.2", 4345298944, 53248000)
    assert (probe.window.delay.max, probe.window.utilization) == (0.0502, 0.25)
    assert probe.start.kinds == {"minor": Pauses(3, 0.0042, 0.002)}
    assert probe.agents == {"http": AgentUse(2, 1, 0)}
    assert web.probes == (probe,)
    assert web.rss == 106496001


def test_what_this_account_cannot_see_is_not_known() -> None:
    [process] = healths()["pid 300"].processes
    assert process == NodeProcess(300, parent=1)
    gone = healths()["gone.service"]
    assert (gone.processes, gone.state, gone.memory_max) == ((), "failed", 2**20)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("@no answer within 3 s", "no answer within 3 s"),
        ("", "an answer that cannot be read"),
        ('{"pid": 101', "an answer that cannot be read"),
        ([101], "an answer that cannot be read"),
        (SAID | {"pid": 102}, "another process answers"),
        (SAID | {"heap": None}, "an answer that cannot be read"),
        (SAID | {"rss": -1}, "an answer that cannot be read"),
        (SAID | {"rss": "1"}, "an answer that cannot be read"),
        (SAID | {"uptime": float("nan")}, "an answer that cannot be read"),
        (SAID | {"uptime": float("inf")}, "an answer that cannot be read"),
        (SAID | {"resources": ["x"]}, "an answer that cannot be read"),
        ("[" * 20_000, "an answer that cannot be read"),
        ("1" * 6_000, "an answer that cannot be read"),
    ],
)
def test_an_answer_that_is_none_is_the_fault_of_its_process_only(said: Any, why: str) -> None:
    process = answered(said)
    assert (process.probe, process.problem) == (None, why)


def test_nothing_that_a_probe_says_reaches_a_terminal_as_it_is() -> None:
    process = answered(
        SAID
        | {
            "version": "\x1b[2J" + "9" * 500,
            "resources": {f"\x1b{n}": 1 for n in range(500)},
        }
    )
    assert process.probe is not None
    assert process.probe.version == "?[2J" + "9" * 60
    assert len(process.probe.resources) == 64
    assert "\x1b" not in "".join(process.probe.resources)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(SAID)), _JSON)
def test_any_part_may_be_anything(key: str, value: Any) -> None:
    process = answered(SAID | {key: value})
    assert bool(process.probe) != bool(process.problem)


@pytest.mark.parametrize(
    "cut", ["node-process\tweb.service\t100\n", "node-process\tx\ty\t1\t\t\t\n"]
)
def test_a_line_that_is_cut_is_not_guessed_at(cut: str) -> None:
    with pytest.raises(GarbledAnswer):
        healths(host=cut)
