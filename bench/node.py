"""A Node service under load, with the probe and with a profile: `python -m bench.node [ROUNDS]`.

Each round has every state once, in a drawn order: without the probe, without it once more, with
it, and with all that the profile sets of Node. How far the two that are the same are apart is what
the machine itself does; a difference that is not larger says nothing. The service and wrk have a
CPU each where there are two.
"""

from __future__ import annotations

import random
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.controller import Controller, controlled, run
from bench.redis import interval
from bench.timing import BenchFailed
from optimizer.host import node_probe
from testbed.nspawn import NspawnHost

ROUNDS = 12
PROFILE = "production"
_SEED = 7
_PROBE = "/usr/local/lib/optimizer/node-probe.cjs"
_APP = "/opt/bench/service.cjs"
_UNIT = "bench-node"
_PORT = 8080
# Seconds; V8 has compiled what is hot after the first ones.
_WARM, _LOAD = 3, 8
_WRK = f"wrk -t1 -c32 --latency http://127.0.0.1:{_PORT}/orders"
_MOST_THROUGHPUT_LOST = 0.01
_MOST_MEMORY = 5.0

# What a service does for one request: parse, look up, hash, print; every tenth one waits for a
# timer, and what it answers is garbage after that.
_SERVICE = """
const http = require('http'), { createHash } = require('crypto')
const book = new Map()
for (let i = 0; i < 5000; i++) book.set(i, { id: i, price: 100 + i / 7, size: i % 50, side: i % 2 })
let number = 0
http.createServer((asked, answer) => {
    const at = (number += 17) % 5000
    const depth = []
    for (let i = 0; i < 20; i++) depth.push({ ...book.get((at + i) % 5000), seen: number })
    const body = JSON.stringify({ url: asked.url, depth })
    const etag = createHash('sha1').update(body).digest('hex')
    const tell = () => {
        answer.writeHead(200, { 'content-type': 'application/json', etag })
        answer.end(JSON.stringify(JSON.parse(body)))
    }
    if (number % 10 === 0) setTimeout(tell, 1)
    else tell()
}).listen(Number(process.env.PORT), '127.0.0.1')
"""
_WITHOUT, _AGAIN, _WITH = "without", "without again", "with the probe"
_TUNED = f"with {PROFILE}"
# State -> what the unit has in it besides.
_STATES: Mapping[str, str] = {
    _WITHOUT: "",
    _AGAIN: "",
    _WITH: f"RuntimeDirectory={_UNIT}\nEnvironment=NODE_OPTIONS=--require={_PROBE}\n",
    # The optimizer brings it about.
    _TUNED: "",
}


@dataclass(frozen=True)
class Figures:
    """One run: requests a second, latency in ms, memory in MiB at its end."""

    rate: float
    p50: float
    p99: float
    memory: float


Rounds = Sequence[Mapping[str, Figures]]


def main(words: Sequence[str]) -> int:
    """Measure, print, and return the exit status; a difference is no failure, nor is none."""
    rounds = int(words[0]) if words else ROUNDS
    return run("Node", lambda: report(_measured(rounds)))


def _measured(count: int) -> Rounds:
    draw = random.Random(_SEED)  # noqa: S311 - an order, not a secret
    rounds = []
    host = NspawnHost("bench-node", packages=("nodejs", "wrk"))
    with controlled(host) as controller:
        _install(host, _PROBE, node_probe())
        _install(host, _APP, _SERVICE)
        for number in range(count):
            order = draw.sample(list(_STATES), len(_STATES))
            rounds.append({state: _run(host, controller, state) for state in order})
            print(f"bench: Node, round {number + 1} of {count}", file=sys.stderr)
    return rounds


def _install(host: NspawnHost, path: str, text: str) -> None:
    host.run(f"umask 022; mkdir -p {path.rpartition('/')[0]} && cat >{path}", input=text)


def _run(host: NspawnHost, controller: Controller, state: str) -> Figures:
    """Start the service anew, bring its state about, load it, stop it."""
    unit = textwrap.dedent(
        f"""\
        [Service]
        ExecStart=/usr/bin/node {_APP}
        User=operator
        Environment=PORT={_PORT}
        CPUAffinity=0
        """
    )
    _install(host, f"/run/systemd/system/{_UNIT}.service", unit + _STATES[state])
    host.run(f"systemctl daemon-reload; systemctl start {_UNIT}")
    allowed = ("--allow", "restart", "--yes")
    try:
        if state == _TUNED:
            controller.optimizer("apply", "--profile", PROFILE, "--only", "node.*", *allowed)
        printed = _loaded(host)
    finally:
        if state == _TUNED:
            controller.optimizer("rollback", *allowed)
        host.run(f"systemctl stop {_UNIT}")
    return _figures(state, printed)


def _loaded(host: NspawnHost) -> str:
    """Warm the service up and load it; what wrk says, and what the process takes then."""
    wrk = f"if [ $(nproc) -gt 1 ]; then wrk='taskset -c 1 {_WRK}'; else wrk='{_WRK}'; fi"
    return host.run(
        f"set -e; {wrk}; until $wrk -d1 >/dev/null 2>&1; do sleep 0.1; done;"
        f" $wrk -d{_WARM} >/dev/null; $wrk -d{_LOAD};"
        f" pid=$(systemctl show -p MainPID --value {_UNIT}); grep VmRSS /proc/$pid/status;"
        f" echo probe: $(grep -c optimizer-node- /proc/$pid/net/unix)",
        timeout=120,
    ).stdout


def _figures(state: str, printed: str) -> Figures:
    if (_found(r"probe: (\d)", printed) > 0) != (state in (_WITH, _TUNED)):
        raise BenchFailed(f"{state}: the probe is not as it should be")
    if "Non-2xx" in printed or "Socket errors" in printed:
        raise BenchFailed(f"{state}: the service failed: {printed}")
    return Figures(
        rate=_found(r"Requests/sec:\s+([\d.]+)", printed),
        p50=_latency("50", printed),
        p99=_latency("99", printed),
        memory=_found(r"VmRSS:\s+(\d+)", printed) / 1024,
    )


_SCALES = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def _latency(percent: str, printed: str) -> float:
    found = re.search(rf"^\s*{percent}%\s+([\d.]+)(us|ms|s)$", printed, re.MULTILINE)
    if found is None:
        raise BenchFailed(f"wrk says no latency: {printed}")
    return float(found[1]) * _SCALES[found[2]]


def _found(pattern: str, printed: str) -> float:
    found = re.search(pattern, printed)
    if found is None:
        raise BenchFailed(f"no {pattern} in: {printed}")
    return float(found[1])


def report(rounds: Rounds) -> list[str]:
    """Lay medians and intervals out for a terminal."""
    return [
        f"a Node service on one host, {len(rounds)} rounds in drawn order, 32 connections:",
        "medians, and the median of the ratios to `without` with its 95% interval (bootstrap).",
        "",
        *(line for name, measure in _MEASURES.items() for line in _rows(rounds, name, measure)),
        "",
        *_goals(rounds),
    ]


_MEASURES: Mapping[str, Callable[[Figures], float]] = {
    "requests/s": lambda one: one.rate,
    "ms p50": lambda one: one.p50,
    "ms p99": lambda one: one.p99,
    "MiB": lambda one: one.memory,
}


def _rows(rounds: Rounds, name: str, measure: Callable[[Figures], float]) -> list[str]:
    lines = []
    for state in _STATES:
        values = [measure(one[state]) for one in rounds]
        ratios = [measure(one[state]) / measure(one[_WITHOUT]) for one in rounds]
        low, high = interval(ratios)
        compared = "" if state == _WITHOUT else f"  × {median(ratios):.3f} ({low:.3f}–{high:.3f})"
        lines.append(f"{name:11}{state:16}{median(values):>10.2f}{compared}")
    return lines


def _goals(rounds: Rounds) -> list[str]:
    low, high = interval([one[_WITH].rate / one[_WITHOUT].rate for one in rounds])
    least = 1 - _MOST_THROUGHPUT_LOST
    rate = "met" if low >= least else "missed" if high < least else "inconclusive"
    memory = [one[_WITH].memory - one[_WITHOUT].memory for one in rounds]
    low, high = interval(memory)
    size = "met" if high <= _MOST_MEMORY else "missed" if low > _MOST_MEMORY else "inconclusive"
    return [
        f"goal: the probe costs at most 1 % of the throughput: {rate}",
        f"goal: and {_MOST_MEMORY:.0f} MiB at most: {size},"
        f" {median(memory):+.1f} MiB ({low:+.1f} to {high:+.1f})",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
