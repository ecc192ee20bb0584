"""A Node service under load, with the probe and with a profile: `python -m bench.node [STARTS]`.

The same service runs four times at once: without the probe, without it once more, with it, and
with all that a profile sets of Node. One after the other is given a second of load, in an order
that is drawn anew each time, so that all of them meet the same machine. Then all are started
anew: how V8 compiles and collects differs from start to start by more than the probe costs.
The services share one CPU, of which those that have no load take next to nothing, and wrk has
another where there are two.

Who is faster is decided by the processor time of a request, all threads of the process counted:
a process that is held up by something else of the machine takes no more of it.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Mapping, Sequence
from statistics import median

from bench.controller import Controller, controlled, run
from bench.node_report import AGAIN, TUNED, WITH, WITHOUT, Figures, report
from bench.timing import BenchFailed
from optimizer.host import node_probe
from testbed.nspawn import NspawnHost

STARTS = 15
PROFILE = "production"
_SEED = 7
_PROBE = "/usr/local/lib/optimizer/node-probe.cjs"
_APP = "/opt/bench/service.cjs"
_LOAD = "/opt/bench/load"
# Seconds without load, in which the processor time is that of an idle service; loads of a second
# that warm a service up, and those that count.
_IDLE, _WARM, _SLICES = 2, 2, 3
_PER_CENT = 100

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
# Loads services by their numbers, in the order of the arguments, `idle` for none. Prints for each
# what wrk says, and all processes with their nanoseconds on a processor and kB in RAM.
_LOADER = r"""
wrk='wrk -t1 -c32 -d1 --latency http://127.0.0.1'
[ "$(nproc)" -lt 2 ] || wrk="taskset -c 1 $wrk"
pids=$(for service in 0 1 2 3; do systemctl show -p MainPID --value bench-node-$service; done)
look() {
    service=0
    for pid in $pids; do
        used=$(cat /proc/$pid/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f", sum }')
        memory=$(awk '/^VmRSS/ { print $2 }' /proc/$pid/status)
        echo "$1 $service $used $memory $(grep -c optimizer-node-$pid.sock /proc/net/unix)"
        service=$((service + 1))
    done
}
for number in 0 1 2 3; do
    until $wrk:808$number/orders >/dev/null 2>&1; do sleep 0.1; done
done
for number; do
    echo "load $number"
    look before
    if [ "$number" = idle ]; then sleep __IDLE__; else $wrk:808$number/orders; fi
    look after
done
""".replace("__IDLE__", str(_IDLE))
# State -> what its unit has in it besides. What the profile sets, the optimizer brings about.
_STATES: Mapping[str, str] = {
    WITHOUT: "",
    AGAIN: "",
    WITH: "RuntimeDirectory=%N\nEnvironment=NODE_OPTIONS=--require=" + _PROBE,
    TUNED: "",
}


def main(words: Sequence[str]) -> int:
    """Measure, print, and return the exit status; a difference is no failure, nor is none."""
    starts = int(words[0]) if words else STARTS
    return run("Node", lambda: report(_measured(starts)))


def _measured(count: int) -> list[Mapping[str, Figures]]:
    draw = random.Random(_SEED)  # noqa: S311 - an order, not a secret
    starts = []
    with controlled(NspawnHost("bench-node", packages=("nodejs", "wrk"))) as controller:
        host = controller.host
        _install(controller)
        for number in range(count):
            order = [
                "idle",
                *(one for _ in range(_WARM + _SLICES) for one in draw.sample("0123", 4)),
            ]
            host.run(f"systemctl restart {' '.join(map(_unit, range(4)))}")
            printed = host.run(f"sh {_LOAD} {' '.join(order)}", timeout=300).stdout
            starts.append(_figures(printed))
            print(f"bench: Node, start {number + 1} of {count}", file=sys.stderr)
    return starts


def _unit(number: int) -> str:
    return f"bench-node-{number}"


def _install(controller: Controller) -> None:
    """Put the services there, none of them running, and the last one tuned."""
    files = {_PROBE: node_probe(), _APP: _SERVICE, _LOAD: _LOADER}
    for number, more in enumerate(_STATES.values()):
        files[f"/etc/systemd/system/{_unit(number)}.service"] = (
            f"[Service]\nExecStart=/usr/bin/node {_APP}\nUser=operator\nCPUAffinity=0\n"
            f"Environment=PORT=808{number}\n{more}\n"
        )
    for path, text in files.items():
        place = path.rpartition("/")[0]
        controller.host.run(f"umask 022; mkdir -p {place} && cat >{path}", input=text)
    tuned = _unit(list(_STATES).index(TUNED))
    controller.host.run(f"systemctl daemon-reload; systemctl start {tuned}")
    words = ("--profile", PROFILE, "--only", "node.*", "--allow", "restart", "--yes")
    controller.optimizer("apply", *words)


def _figures(printed: str) -> Mapping[str, Figures]:
    """Sum up what the loader said of one start, by state."""
    idle, *loads = printed.split("load ")[1:]
    del loads[: _WARM * len(_STATES)]
    return {
        state: _of(state, str(number), idle, [one for one in loads if one[0] == str(number)])
        for number, state in enumerate(_STATES)
    }


def _of(state: str, number: str, idle: str, loads: Sequence[str]) -> Figures:
    for one in loads:
        if "Non-2xx" in one or "Socket errors" in one:
            raise BenchFailed(f"{state}: the service failed: {one}")
    if (_look(idle, "after", number)[2] == 1) != (state in (WITH, TUNED)):
        raise BenchFailed(f"{state}: the probe is not as it should be")
    requests = sum(_found(r"(\d+) requests in", one) for one in loads)
    return Figures(
        cost=sum(_used(one, number) for one in loads) / 1000 / requests,
        rate=median(_found(r"Requests/sec:\s+([\d.]+)", one) for one in loads),
        p50=median(_latency("50", one) for one in loads),
        p99=median(_latency("99", one) for one in loads),
        memory=median(_look(one, "after", number)[1] for one in loads) / 1024,
        idle=_PER_CENT * _used(idle, number) / 1e9 / _IDLE,
    )


def _used(load: str, number: str) -> float:
    """Return the nanoseconds of processor time that a service took while a load lasted."""
    return _look(load, "after", number)[0] - _look(load, "before", number)[0]


def _look(load: str, when: str, number: str) -> tuple[float, float, float]:
    found = re.search(rf"^{when} {number} (\d+) (\d+) (\d+)$", load, re.MULTILINE)
    if found is None:
        raise BenchFailed(f"service {number} is not there {when}: {load}")
    return float(found[1]), float(found[2]), float(found[3])


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
