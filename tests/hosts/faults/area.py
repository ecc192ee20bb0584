"""What of the profile a sweep is about, and an independent look at all of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from testbed.host import Host
from tests.hosts.faults.faulty import SET_ASIDE
from tests.hosts.pgbouncer_lab import PoolerHost
from tests.hosts.postgresql_databases import objects
from tests.hosts.postgresql_lab import Cluster, debian
from tests.hosts.redis_lab import Server
from tests.hosts.scan import Scan, scan

DATABASES = ("postgres", "app")
VERSIONS: Mapping[str, str] = {"bookworm": "15", "trixie": "17"}

# What a scan of files and units does not see: our files in memory, and our processes.
_TRACES = """
for path in /run/[o]ptimizer* /dev/shm/[o]ptimizer*; do [ ! -e "$path" ] || echo "$path"; done
pgrep -af [o]ptimizer || :
"""


@dataclass(frozen=True)
class Area:
    """A part of the profile. only: which tunables; look: what else than the scan it shows."""

    name: str
    only: tuple[str, ...]
    look: Callable[[Host], Scan]

    def sight(self, host: Host) -> Scan:
        """Return everything that a change of this area could change."""
        traces = host.run(_TRACES).stdout.strip()
        return {**scan(host), **self.look(host), "traces": traces}


def _redis(host: Host) -> Scan:
    server = Server(host)
    server.wait()
    look = server.look()
    found = {f"redis {name}": text for name, text in look.config.items()}
    # Append-only files are numbered on, for as long as a server lives.
    names = (re.sub(r"\.aof\.\d+\.", ".aof.N.", name) for name in look.data)
    data = sorted(name for name in names if SET_ASIDE not in name)
    return found | {"redis keys": str(look.keys), "redis data": " ".join(data)}


def cluster_of(host: Host) -> Cluster:
    """Return Debian's cluster."""
    return debian(host, VERSIONS[host.release])


def _postgresql(host: Host) -> Scan:
    cluster = cluster_of(host)
    cluster.wait()
    look = cluster.look()
    found = {f"postgresql {name}": text for name, text in look.values.items()}
    found |= {f"postgresql file {path}": text for path, text in look.files.items()}
    found |= {"postgresql waits": " ".join(sorted(look.pending))}
    for database in DATABASES:
        # Comments have the numbers of what they are on, which are never used again.
        made = (one for one in objects(cluster, database) if not one.startswith("comment "))
        found[f"database {database}"] = " ".join(sorted(made))
    config = PoolerHost(host).look().config
    return found | {f"pgbouncer {name}": text for name, text in config.items()}


def _node(host: Host) -> Scan:
    script = "tr '\\0' '\\n' </proc/$(systemctl show -P MainPID web.service)/environ"
    lines = (line.split("=", 1) for line in host.run(script).stdout.splitlines())
    # Each start has its own.
    moving = ("INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID")
    return {f"node {name}": text for name, text in lines if name not in moving}


def _all(host: Host) -> Scan:
    return {**_redis(host), **_postgresql(host), **_node(host)}


AREAS: Mapping[str, Area] = {
    area.name: area
    for area in (
        Area("system", ("system.*",), lambda host: {}),
        Area("redis", ("redis.*",), _redis),
        Area("postgresql", ("postgresql.*",), _postgresql),
        Area("node", ("node.*",), _node),
        Area("all", (), _all),
    )
}


_UNIT = """[Service]
ExecStart=/usr/bin/node -e "require('node:http').createServer((ask, say) => say.end()).listen(3000)"
User=daemon
"""
_FURNISH = """
mkdir /var/log/app
echo one >/var/log/app/one.log
cat >/etc/systemd/system/web.service
systemctl daemon-reload
systemctl start web
until ss -Hltn 'sport = :3000' | grep -q .; do sleep 0.1; done
"""


def furnish(host: Host) -> None:
    """Have keys, databases, a pool, a Node service and logs on a host, for as long as it lives."""
    Server(host).fill(1000)
    cluster_of(host).wait()
    PoolerHost(host).make_ready()
    host.run(_FURNISH, input=_UNIT)
