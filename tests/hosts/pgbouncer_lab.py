"""A PgBouncer of a test host, and an independent look at it.

Written apart from the product: it asks the host's own psql and tools.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from testbed.host import Host
from tests.hosts.arranged import arranged

INI = "/etc/pgbouncer/pgbouncer.ini"
OURS = "/etc/pgbouncer/optimizer.ini"
PORT = "6432"

_FILES = r"""
find /etc/pgbouncer -printf '%p\t%y %m %U:%G\n'
find /etc/pgbouncer -type f -exec sha256sum -- {} + | sed 's/^\([0-9a-f]*\)  \(.*\)$/\2\t\1/'
"""
# Clients without passwords, that only this test host can be.
_READY = r"""
cd /
runuser -u postgres -- psql -Xq -c 'CREATE ROLE app LOGIN' -c 'CREATE DATABASE app OWNER app'
sed -i 's/scram-sha-256/trust/; s/peer$/trust/' /etc/postgresql/*/main/pg_hba.conf
systemctl reload 'postgresql@*'
printf '"app" ""\n' >/etc/pgbouncer/userlist.txt
cd /etc/pgbouncer
sed -i 's/^\[databases\]/&\napp = host=127.0.0.1 port=5432 password=verysecret/' pgbouncer.ini
sed -i 's/^auth_type = .*/auth_type = trust\npool_mode = transaction/' pgbouncer.ini
sed -i 's/^auth_type/stats_period = 1\n&/' pgbouncer.ini
systemctl restart pgbouncer
"""


@dataclass(frozen=True)
class PoolerLook:
    """What it is like at one moment: SHOW CONFIG, and path -> kind, mode, owner, hash."""

    config: Mapping[str, str] = field(repr=False)
    files: Mapping[str, str] = field(repr=False)

    def changed(self, before: PoolerLook) -> dict[str, str]:
        """Return the parameters in force that are not as they were."""
        return {name: text for name, text in self.config.items() if text != before.config[name]}


@dataclass(frozen=True)
class PoolerHost:
    """Debian's PgBouncer on a host, before Debian's cluster."""

    host: Host

    def id(self, name: str) -> str:
        """Name a tunable of it as a plan does."""
        return f"postgresql.pgbouncer.{name}[{PORT}]"

    def make_ready(self) -> None:
        """Give it a database and a user, once for the life of the host."""
        if self.host.run(f"grep -c verysecret {INI} || :").stdout.strip() == "0":
            self.host.run(_READY)

    def ask(self, command: str) -> list[list[str]]:
        """Return what its console answers, row by row."""
        program = "cd / && runuser -u postgres -- psql -XAtq -F '\t' -U pgbouncer -p 6432 pgbouncer"
        lines = self.host.run(program, input=f"{command};\n").stdout.splitlines()
        return [line.split("\t") for line in lines]

    def look(self) -> PoolerLook:
        """Look at all of it."""
        files: dict[str, str] = {}
        for line in self.host.run(_FILES).stdout.splitlines():
            path, _, text = line.partition("\t")
            files[path] = f"{files.get(path, '')} {text}".strip()
        return PoolerLook({row[0]: row[1] for row in self.ask("SHOW CONFIG")}, files)

    def restart(self) -> None:
        """Restart it, as often as a test likes."""
        self.host.run("systemctl reset-failed pgbouncer; systemctl restart pgbouncer")

    def started(self) -> str:
        """When its process was started."""
        return self.host.run("systemctl show -p ActiveEnterTimestampMonotonic pgbouncer").stdout

    def bench(self, seconds: int, clients: int) -> None:
        """Have clients run transactions through the pool."""
        self.host.run(
            "cd / && printf 'SELECT pg_sleep(0.01);\n' >/tmp/sleep.sql && "
            f"$(ls -d /usr/lib/postgresql/*/bin)/pgbench -n -f /tmp/sleep.sql -c {clients} "
            f"-T {seconds} -h 127.0.0.1 -p 6432 -U app app; rm -f /tmp/sleep.sql"
        )

    @contextmanager
    def with_line(self, line: str) -> Iterator[None]:
        """Have one more line at the end of its configuration for a while, and loaded."""
        with arranged(self.host, f"cp -a {INI} /run/kept.ini", f"mv /run/kept.ini {INI}"):
            self.host.run(f"cat >>{INI}", input=f"{line}\n")
            self.ask("RELOAD")
            yield
        self.ask("RELOAD")
