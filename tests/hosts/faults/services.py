"""Hosts with all services at once: what they are furnished with, and what is looked at of each."""

from __future__ import annotations

import re
from collections.abc import Mapping

from testbed.host import Host
from tests.hosts.faults.faulty import SET_ASIDE
from tests.hosts.pgbouncer_lab import PoolerHost
from tests.hosts.postgresql_databases import objects
from tests.hosts.postgresql_lab import Cluster, debian
from tests.hosts.redis_lab import Server
from tests.hosts.scan import Scan

HOSTS = ("faulty12", "faulty13")
DATABASES = ("postgres", "app")
VERSIONS: Mapping[str, str] = {"bookworm": "15", "trixie": "17"}


def redis(host: Host) -> Scan:
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


def postgresql(host: Host) -> Scan:
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


def node(host: Host) -> Scan:
    script = "tr '\\0' '\\n' </proc/$(systemctl show -P MainPID web.service)/environ"
    lines = (line.split("=", 1) for line in host.run(script).stdout.splitlines())
    # Each start has its own.
    moving = ("INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID")
    return {f"node {name}": text for name, text in lines if name not in moving}


def together(host: Host) -> Scan:
    return {**redis(host), **postgresql(host), **node(host)}


_UNIT = """[Service]
ExecStart=/usr/bin/node -e "require('node:http').createServer((ask, say) => say.end()).listen(3000)"
User=daemon
[Install]
WantedBy=multi-user.target
"""
_FURNISH = """
mkdir /var/log/app
echo one >/var/log/app/one.log
cat >/etc/systemd/system/web.service
systemctl enable -q --now web
until ss -Hltn 'sport = :3000' | grep -q .; do sleep 0.1; done
"""


def furnish(host: Host) -> None:
    """Have keys, databases, a pool, a Node service and logs on a host, for as long as it lives."""
    Server(host).fill(1000)
    cluster_of(host).wait()
    PoolerHost(host).make_ready()
    host.run(_FURNISH, input=_UNIT)
