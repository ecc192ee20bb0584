"""Node services with the probe in them, and how it is asked without the product.

All questions of a test go to the host in one program, as each command and each start of Node
takes its time.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from optimizer.host import node_probe
from testbed.host import Host

PROBE = "/usr/local/lib/optimizer/node-probe.cjs"
OPTIONS = f"--require {PROBE}"
APP = "/opt/probed"
# Neither of them may ever be seen through a probe.
OF_ENVIRONMENT = "kept-in-the-environment"
OF_ARGUMENTS = "kept-in-the-arguments"

# Answers, or blocks its loop for 50 ms and says for how long that really was.
_SERVICE = """
const http = require('http')
function block() {
    const begun = process.hrtime.bigint()
    while (process.hrtime.bigint() - begun < 50000000n);
    return String(Number(process.hrtime.bigint() - begun) / 1e6)
}
http.createServer((asked, answer) => {
    answer.end(asked.url === '/block' ? block() : 'ok')
}).listen(Number(process.env.PORT), '127.0.0.1')
"""
_CLUSTER = """
const cluster = require('cluster')
if (cluster.isPrimary) { cluster.fork(); cluster.fork() } else require('./service.cjs')
"""
_THREADS = """
const { Worker } = require('worker_threads')
new Worker('setInterval(() => {}, 1000)', { eval: true })
require('./service.cjs')
"""
# Sockets of a process of somebody else, in a place where anybody may lay them.
_PLANT = """
const net = require('net')
for (const pid of process.argv.slice(2)) {
    net.createServer().listen(`/tmp/optimizer-node-${pid}.sock`)
}
"""
# What every program on the host may use that asks.
_TOOLS = """
const { execSync } = require('child_process')
const fs = require('fs'), http = require('http')
const pause = (ms) => new Promise((done) => setTimeout(done, ms))
const run = (command) => execSync(command, { encoding: 'utf8', stdio: 'pipe' }).trim()
const get = (where, path = '/') => new Promise((done, fail) => {
    http.get({ ...where, path, agent: false }, (answer) => {
        let text = ''
        answer.on('data', (more) => { text += more }).on('end', () => done(text))
    }).on('error', fail)
})
async function until(holds) {
    for (let i = 0; i < 600; i++) {
        try { const found = await holds(); if (found) return found } catch (fault) { }
        await pause(50)
    }
    throw new Error('never: ' + holds)
}
const folder = (name) => '/run/optimizer-node-' + name + '/'
const sockets = (name, count) => until(() => {
    const found = fs.readdirSync(folder(name)).map((one) => folder(name) + one)
    return found.length === count && found
})
const answers = (port) => until(() => get({ host: '127.0.0.1', port }))
"""
PROGRAMS = {
    "service": _SERVICE,
    "cluster": _CLUSTER,
    "threads": _THREADS,
    "plant": _PLANT,
    "tools": f"{_TOOLS}\nmodule.exports = {{ pause, run, get, until, sockets, answers }}\n",
}

# Of units: as closed as systemd makes them, and as usual.
CLOSED = "DynamicUser=yes\nProtectSystem=strict\nPrivateTmp=yes\nPrivateDevices=yes\nUMask=0000\n"
USUAL = "User=operator\n"
PROBED = f'RuntimeDirectory=optimizer-node-%N\nEnvironment="NODE_OPTIONS={OPTIONS}"\n'


class NodeHost:
    """A host with Node, and services that are made and removed on it."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def add(self, units: Mapping[str, tuple[str, str]]) -> None:
        """Start units, name -> program and settings. They listen on ports from 8100 on."""
        files = {f"{APP}/{name}.cjs": text for name, text in PROGRAMS.items()} | {
            f"/etc/systemd/system/{name}.service": (
                f"[Service]\nEnvironment=PORT={8100 + at} TOKEN={OF_ENVIRONMENT}\n{settings}"
                f"ExecStart=/usr/bin/node {APP}/{program}.cjs --token={OF_ARGUMENTS}\n"
            )
            for at, (name, (program, settings)) in enumerate(units.items())
        }
        self.write({PROBE: node_probe(), **files})
        self.host.run(f"systemctl daemon-reload && systemctl start {' '.join(units)}")

    def write(self, files: Mapping[str, str]) -> None:
        """Write files that everybody can read."""
        commands = [
            f"mkdir -p {path.rpartition('/')[0]} && printf %s {shlex.quote(text)} >{path}"
            for path, text in files.items()
        ]
        self.host.run("sh -e", input="umask 022\n" + "\n".join(commands))

    def tell(self, program: str, user: str = "root") -> Any:
        """Run the body of an async function on the host; return what it returns."""
        names = "{ pause, run, get, until, sockets, answers }"
        body = (
            f"const {names} = require('{APP}/tools.cjs');"
            f"(async () => {{ {program} }})().then((told) => console.log(JSON.stringify(told)))"
        )
        done = self.host.run(f"runuser -u {user} -- node -", input=body, timeout=120)
        return json.loads(done.stdout)


@contextmanager
def node_host(host: Host) -> Iterator[NodeHost]:
    """Lend a host out; take away what was made on it."""
    made = NodeHost(host)
    try:
        yield made
    finally:
        host.run(
            f"cd /etc/systemd/system && units=$(grep -l {APP} *.service 2>/dev/null);"
            f' [ -z "$units" ] || {{ systemctl stop $units; rm $units; }};'
            f" rm -rf {PROBE.rpartition('/')[0]} {APP};"
            " systemctl daemon-reload; systemctl reset-failed"
        )


def checks_of(document: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return what doctor answers about one service, by check."""
    (host,) = document["hosts"]
    return {
        one["check"].partition("[")[0]: one["answer"]
        for one in host["checks"]
        if one["check"].endswith(f"[{name}]")
    }
