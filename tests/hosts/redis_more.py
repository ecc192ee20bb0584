"""Servers beside the first one of a host: another unit, one started by hand, a sentinel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from tests.hosts.arranged import arranged, with_file
from tests.hosts.redis_lab import Server

SOCKET = "/run/redis-second/redis-server.sock"

# As the comments of Debian's unit redis-server@.service say.
_COPY = r"""
cp -a /etc/redis/redis.conf {conf}
sed -i -e 's@^dbfilename .*@dbfilename dump-second.rdb@' -e 's@^port .*@port 0@' \
    -e 's@^appenddirname .*@appenddirname second@' \
    -e 's@^\(# \)\{{0,1\}}unixsocket .*@unixsocket {socket}@' \
    -e 's@^logfile .*@logfile /var/log/redis/redis-server-second.log@' \
    -e 's@^pidfile .*@pidfile /run/redis-second/redis-server.pid@' {conf}
chown redis: {conf}
"""
_GONE = (
    "systemctl disable --now {unit} 2>/dev/null; systemctl reset-failed {unit} 2>/dev/null; "
    "systemctl stop 'system-redis\\x2dserver.slice'; "
    "rm -f /etc/redis/redis-second* /var/lib/redis/dump-second.rdb"
)


@contextmanager
def second(first: Server, *lines: str) -> Iterator[Server]:
    """Run another instance for a while, which has a socket and no port.

    lines: what its configuration has at its end.
    """
    server = replace(first, port=SOCKET, instance="second")
    copy = _COPY.format(conf=server.conf, socket=SOCKET)
    with arranged(first.host, copy, _GONE.format(unit=server.service)):
        first.host.run(f"cat >>{server.conf}", input="".join(f"{line}\n" for line in lines))
        server.systemctl("start")
        server.wait()
        yield server


@contextmanager
def by_hand(first: Server, port: str) -> Iterator[Server]:
    """Run a server without a configuration file for a while."""
    server = replace(first, port=port)
    start = f"redis-server --port {port} --save '' --dir /run --daemonize yes"
    with arranged(first.host, start, f"redis-cli -p {port} SHUTDOWN NOSAVE"):
        server.wait()
        yield server


@contextmanager
def sentinel(first: Server, port: str) -> Iterator[None]:
    """Run a sentinel for a while."""
    path = "/run/sentinel.conf"
    start = f"redis-server {path} --sentinel --daemonize yes"
    with (
        with_file(first.host, path, f"port {port}\ndir /run\n"),
        arranged(first.host, start, f"redis-cli -p {port} SHUTDOWN"),
    ):
        replace(first, port=port).wait()
        yield
