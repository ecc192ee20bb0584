"""The probe in real Node services: what it sees, who may ask it, and that it does no harm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from optimizer.host import node_probe
from tests.hosts.conftest import MakeController, guarded
from tests.hosts.controller import counted
from tests.hosts.lab import Lab
from tests.hosts.node_probe_lab import (
    APP,
    CLOSED,
    OF_ARGUMENTS,
    OF_ENVIRONMENT,
    OPTIONS,
    PROBE,
    PROBED,
    PROGRAMS,
    USUAL,
    NodeHost,
    checks_of,
    node_host,
)

_METRIC = re.compile(
    r'optimizer_node_[a-z_]+(\{[a-z]+="[A-Za-z0-9.]+"(,[a-z]+="[A-Za-z0-9.]+")*\})? [0-9.e+-]+'
)
# A machine that is busy may hold the loop up for longer than the block does: then once more.
_LOOK = """
await Promise.all([8100, 8101, 8102, 8103].map(answers))
let block
for (let i = 0; i < 8; i++) {
    if (i > 0) { run('systemctl restart web'); await answers(8100) }
    const [socketPath] = await sockets('web', 1)
    const longest = async () => JSON.parse(await get({ socketPath })).start.delay.max * 1000
    const before = await longest()
    const blocked = Number(await get({ host: '127.0.0.1', port: 8100 }, '/block'))
    await pause(100)
    block = { before, blocked, seen: await longest() }
    if (before < 40 && Math.abs(block.seen - blocked) <= 5) break
}
const all = [await sockets('web', 1), await sockets('many', 3), await sockets('threads', 1)].flat()
return {
    block,
    owners: all.map((path) => run(`stat -c '%A %u' ${path}`)),
    users: ['web', 'many', 'many', 'many', 'threads'].map((name) =>
        run(`stat -c %u /proc/$(systemctl show -p MainPID --value ${name})`)),
    json: await get({ socketPath: all[0] }),
    metrics: await get({ socketPath: all[0] }, '/metrics'),
    other: await get({ socketPath: all[0] }, '/environ'),
    plain: run('systemctl show -p MainPID --value plain'),
    web: all[0],
}
"""
# Runs programs at once, name -> variables and code; says how each ended and what it printed.
_RUN = """
const { spawn } = require('child_process')
const PATH = process.env.PATH
const one = ([env, code]) => new Promise((done) => {
    const child = spawn(process.execPath, ['-e', code], { env: { PATH, ...env }, stdio: 'pipe' })
    let out = '', err = ''
    child.stdout.on('data', (more) => { out += more })
    child.stderr.on('data', (more) => { err += more })
    child.on('close', (status) => done([status, out.trim(), err.trim()]))
})
const runs = Object.entries(%s)
const ends = await Promise.all(runs.map(([name, run]) => one(run)))
return Object.fromEntries(runs.map(([name], at) => [name, ends[at]]))
"""
_REFUSED = "return get({ socketPath: '%s' }).catch((fault) => fault.code)"


@pytest.fixture(params=["node18", "node20"])
def node(lab: Lab, request: pytest.FixtureRequest) -> Iterator[NodeHost]:
    """One version of Node after the other."""
    with guarded(lab, request.param, request) as host, node_host(host) as made:
        yield made


@pytest.fixture
def node18(lab: Lab, request: pytest.FixtureRequest) -> Iterator[NodeHost]:
    with guarded(lab, "node18", request) as host, node_host(host) as made:
        yield made


def test_a_probe_sees_a_blocked_loop_in_the_most_closed_unit_and_tells_nobody_else(
    node: NodeHost, controller: MakeController
) -> None:
    one = controller(node.host)
    node.add(
        {
            "web": ("service", PROBED + CLOSED),
            "many": ("cluster", PROBED + USUAL),
            "threads": ("threads", PROBED + USUAL),
            "plain": ("service", USUAL + "LimitNOFILE=100\nMemoryMax=500M\n"),
        }
    )
    told = node.tell(_LOOK)
    assert told["block"]["seen"] == pytest.approx(told["block"]["blocked"], abs=5), told["block"]
    # Each worker of a cluster has its own socket; a thread has none.
    assert told["owners"] == [f"srw------- {user}" for user in told["users"]]
    assert node.tell(_REFUSED % told["web"], user="guest") == "EACCES"
    _tells_no_secret(told)

    # Somebody else has a socket that is named after a process without a probe.
    plant = f"systemd-run -q --uid=guest --unit=planted node {APP}/plant.cjs {told['plain']}"
    node.host.run(f"{plant}; until [ -e /tmp/optimizer-node-{told['plain']}.sock ]; do :; done")
    try:
        with counted(node.host) as counter:
            said = one.run("doctor", one.inventory, "--format", "json")
    finally:
        node.host.run("systemctl stop planted; rm -f /tmp/optimizer-node-*.sock")
    # A busy machine may well hold a loop up critically.
    assert counter.commands == 1 and said.code in (0, 1)
    assert OF_ENVIRONMENT not in said.out and OF_ARGUMENTS not in said.out
    web, many, plain = (
        checks_of(said.document, f"{name}.service") for name in ("web", "many", "plain")
    )
    assert web.keys() >= {"node.loop-delay", "node.loop-used", "node.heap-used", "node.gc-pause"}
    assert "3 processes" in many["node.server"] and "Node " in many["node.server"]
    assert "without the probe" in plain["node.server"]
    outside = {"node.server", "node.open-files", "node.memory-used", "node.restarts"}
    advice = {"node.release", "node.program"}
    assert outside <= plain.keys() <= outside | advice
    assert plain["node.open-files"].endswith(" of 100")


def _tells_no_secret(told: dict[str, Any]) -> None:
    for text in (told["json"], told["metrics"]):
        assert OF_ENVIRONMENT not in text and OF_ARGUMENTS not in text and APP not in text
    assert told["other"] == "There is / and /metrics.\n"
    rows = [line for line in told["metrics"].splitlines() if not line.startswith("# ")]
    assert [row for row in rows if not _METRIC.fullmatch(row)] == []
    assert any(row.startswith("optimizer_node_event_loop_delay_seconds{") for row in rows)


_PLACE = "/run/probed"
_LIVES = "setTimeout(() => console.log('alive'), 1300)"
# Asks its own probe, which fails at that, and lives on.
_ASKS = """setTimeout(() => require('http').get({
    socketPath: process.env.RUNTIME_DIRECTORY + '/optimizer-node-' + process.pid + '.sock'
}).on('error', () => console.log('alive')), 1300)"""
_AGENTS = """for (const name of ['http', 'https']) {
    const one = require(name).globalAgent
    console.log(name, one.keepAlive, one.maxSockets, one.maxFreeSockets, one.options.timeout)
}"""
_THROWS = "() => { throw new Error('a fault') }"
# What else may be wrong with the place, the environment or Node itself: variables, a program that
# is loaded before the probe, and what the service itself does.
_HARMLESS: dict[str, tuple[dict[str, str], str, str]] = {
    "nothing": ({"RUNTIME_DIRECTORY": _PLACE}, "", _LIVES),
    "no place": ({}, "", _LIVES),
    "a place that is gone": ({"RUNTIME_DIRECTORY": "/gone"}, "", _LIVES),
    "a place of root": ({"RUNTIME_DIRECTORY": "/etc"}, "", _LIVES),
    "a file for a place": ({"RUNTIME_DIRECTORY": "/etc/hostname"}, "", _LIVES),
    "a long place": ({"OPTIMIZER_NODE_DIRECTORY": f"{_PLACE}/{'x' * 120}"}, "", _LIVES),
    "an odd place": ({"RUNTIME_DIRECTORY": "relative:::"}, "", _LIVES),
    "an old version": (
        {"RUNTIME_DIRECTORY": _PLACE},
        "Object.defineProperty(process.versions, 'node', { value: '12.22.0' })",
        _LIVES,
    ),
    "no histogram": (
        {"RUNTIME_DIRECTORY": _PLACE},
        f"require('perf_hooks').monitorEventLoopDelay = {_THROWS}",
        _LIVES,
    ),
    "no rights": ({"RUNTIME_DIRECTORY": _PLACE}, f"require('fs').chmodSync = {_THROWS}", _LIVES),
    "an answer that fails": (
        {"RUNTIME_DIRECTORY": _PLACE},
        f"process.getActiveResourcesInfo = {_THROWS}",
        _ASKS,
    ),
}
_SHORT = "1"
_SETTINGS = {"KEEP_ALIVE": "yes", "MAX_SOCKETS": "50", "MAX_FREE_SOCKETS": "10", "TIMEOUT": "60000"}
_NO_SETTINGS = {
    "KEEP_ALIVE": "perhaps",
    "MAX_SOCKETS": "-1",
    "MAX_FREE_SOCKETS": "",
    "TIMEOUT": "1s",
}


def _asked(settings: dict[str, str]) -> dict[str, str]:
    return {f"OPTIMIZER_NODE_AGENT_{name}": text for name, text in settings.items()}


def test_nothing_but_a_file_that_cannot_be_loaded_stops_a_service(node18: NodeHost) -> None:
    node = node18
    node.write({PROBE: node_probe(), **{f"{APP}/{n}.cjs": t for n, t in PROGRAMS.items()}})
    node.host.run(f"install -d -o operator {_PLACE}")
    cases = {
        **_HARMLESS,
        "short": ({"RUNTIME_DIRECTORY": _PLACE}, "", _SHORT),
        "agents": (_asked(_SETTINGS), "", _AGENTS),
        "agents with nonsense": (_asked(_NO_SETTINGS), "", _AGENTS),
    }
    faults = {f"{APP}/{name.replace(' ', '-')}.cjs": one[1] for name, one in cases.items()}
    node.write(faults)
    runs = {
        name: ({**variables, "NODE_OPTIONS": f"--require {fault} {OPTIONS}"}, code)
        for (name, (variables, _, code)), fault in zip(cases.items(), faults, strict=True)
    }
    runs["agents alone"] = ({}, _AGENTS)
    told = node.tell(_RUN % json.dumps(runs), user="operator")

    assert [told[name] for name in _HARMLESS] == [[0, "alive", ""]] * len(_HARMLESS)
    assert told["short"] == [0, "", ""]
    assert told["agents"][1].split("\n") == ["http true 50 10 60000", "https true 50 10 60000"]
    assert told["agents with nonsense"] == told["agents alone"]
    # Nobody took what the last process left away yet; the next one does.
    node.tell(_RUN % json.dumps({"next": runs["nothing"]}), user="operator")
    left = node.host.run(f"ls {_PLACE}; rm -r {_PLACE}").stdout.split()
    assert len(left) <= 1
    _stops(node)


def _stops(node: NodeHost) -> None:
    """Why no unit may refer to a probe that is not there, whole, and for everybody to read."""
    node.write({f"{APP}/broken.cjs": "this is no"})
    node.host.run(f"install -m 600 /dev/null {APP}/closed.cjs")
    words = {"missing": "Cannot find module", "closed": "EACCES", "broken": "SyntaxError"}
    runs = {name: ({"NODE_OPTIONS": f"--require {APP}/{name}.cjs"}, "0") for name in words}
    told = node.tell(_RUN % json.dumps(runs), user="operator")
    assert {name: told[name][0] for name in words} == dict.fromkeys(words, 1)
    assert [word for name, word in words.items() if word not in told[name][2]] == []
