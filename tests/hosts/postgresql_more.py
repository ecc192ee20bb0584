"""Clusters beside the first one of a host: a plain data directory, a standby."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.hosts.arranged import arranged
from tests.hosts.postgresql_lab import Cluster, debian

_PLAIN = "/var/lib/postgresql/plain"
_SECOND_PORT = "5433"
_RUN = r"""
cd / && bin=$(echo /usr/lib/postgresql/*/bin)
runuser -u postgres -- $bin/initdb -A peer -D {data} >/dev/null
runuser -u postgres -- $bin/pg_ctl -s -w -D {data} -l {data}.log -o '-p {port}' start
"""
_END = r"""
cd / && bin=$(echo /usr/lib/postgresql/*/bin)
runuser -u postgres -- $bin/pg_ctl -s -w -m fast -D {data} stop
rm -rf {data} {data}.log
"""
# The tool of Debian makes the configuration; the data are a copy of the first one's.
_COPY = r"""
cd / && pg_createcluster {version} copy -p {port} >/dev/null && rm -rf {data}
runuser -u postgres -- pg_basebackup -R -c fast -D {data} && systemctl start {unit}
"""
_GONE = r"""
systemctl stop {unit}; systemctl reset-failed {unit} 2>/dev/null
pg_dropcluster {version} copy && systemctl daemon-reload
"""


@contextmanager
def plain(first: Cluster) -> Iterator[Cluster]:
    """Run a cluster for a while that nobody but its data directory knows of."""
    one = Cluster(first.host, _SECOND_PORT, conf=_PLAIN, data=_PLAIN)
    words = {"data": one.data, "port": one.port}
    with arranged(first.host, _RUN.format(**words), _END.format(**words)):
        one.wait()
        yield one


@contextmanager
def standby(first: Cluster, version: str) -> Iterator[Cluster]:
    """Run a standby of the first one for a while."""
    one = debian(first.host, version, "copy", _SECOND_PORT)
    words = {"version": version, "data": one.data, "port": one.port, "unit": one.unit}
    with arranged(first.host, _COPY.format(**words), _GONE.format(**words)):
        one.wait()
        yield one
