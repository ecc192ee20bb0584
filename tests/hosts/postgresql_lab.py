"""A PostgreSQL cluster of a test host, and an independent look at it.

Written apart from the product: it asks the host's own psql and tools, and shares neither code nor
a list of names with what it judges.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from testbed.errors import TestbedError
from testbed.host import Host
from tests.hosts.arranged import arranged

# Worked out by the server from shared_buffers, where no file sets them.
_DERIVED = (
    "shared_memory_size",
    "shared_memory_size_in_huge_pages",
    "commit_timestamp_buffers",
    "subtransaction_buffers",
    "transaction_buffers",
)
_BYTES = {"B": 1, "kB": 2**10, "8kB": 2**13, "MB": 2**20}
_LOOK = r"""
SELECT json_object_agg(name, row_to_json(s)) FROM pg_settings s;
SELECT json_agg(row_to_json(f) ORDER BY seqno) FROM pg_file_settings f;
SELECT json_agg(row_to_json(e) ORDER BY extname) FROM pg_extension e;
"""
_FILES = r"""
find {places} -printf '%p\t%y %m %U:%G\n'
find {places} -type f -exec sha256sum -- {{}} + | sed 's/^\([0-9a-f]*\)  \(.*\)$/\2\t\1/'
"""


@dataclass(frozen=True)
class Look:
    """What a cluster is like at one moment.

    settings: all rows of pg_settings, without short_desc and its like. lines: pg_file_settings.
    files: path -> kind, mode, owner and hash of its configuration. extensions: pg_extension.
    """

    settings: Mapping[str, Mapping[str, Any]] = field(repr=False)
    lines: tuple[Mapping[str, Any], ...] = field(repr=False)
    files: Mapping[str, str] = field(repr=False)
    extensions: tuple[Mapping[str, Any], ...] = field(repr=False)

    @property
    def values(self) -> dict[str, str]:
        """Every setting as it is in force, without what the server works out itself."""
        rows = self.settings.items()
        return {name: row["setting"] for name, row in rows if name not in _DERIVED}

    @property
    def pending(self) -> set[str]:
        """What waits for a restart, as the server sees it."""
        return {name for name, row in self.settings.items() if row["pending_restart"]}

    def changed(self, before: Look) -> dict[str, str]:
        """Return the settings in force that are not as they were."""
        now = self.values
        return {name: now[name] for name in now if now[name] != before.values[name]}

    def text(self, name: str) -> str:
        """Return a setting as a plan has it: sizes in bytes, anything else as it is."""
        row = self.settings[name]
        size = _BYTES.get(row["unit"] or "")
        return str(int(row["setting"]) * size) if size else str(row["setting"])


@dataclass(frozen=True)
class Cluster:
    """One cluster on a host.

    conf: the folder of its configuration; data: of its data; unit: empty without one.
    """

    host: Host
    port: str
    conf: str
    data: str
    unit: str = ""

    @property
    def main(self) -> str:
        """Its configuration file."""
        return f"{self.conf}/postgresql.conf"

    @property
    def auto(self) -> str:
        """The file that ALTER SYSTEM writes."""
        return f"{self.data}/postgresql.auto.conf"

    @property
    def drop_in(self) -> str:
        """The file that the product adds where conf.d is read."""
        return f"{self.conf}/conf.d/zz-optimizer.conf"

    def id(self, name: str) -> str:
        """Name a tunable of this cluster as a plan does."""
        return f"postgresql.{name}[{self.port}]"

    def ask(self, query: str) -> str:
        """Return what it answers, one row a line."""
        program = f"cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -p {self.port}"
        return self.host.run(program, input=query).stdout.removesuffix("\n")

    def show(self, name: str) -> str:
        """Return one setting."""
        return self.ask(f"SHOW {name}")

    def started(self) -> str:
        """When it was started."""
        return self.ask("SELECT pg_postmaster_start_time()")

    def reload(self) -> None:
        """Have it read its files again, and wait until it has."""
        self.ask("SELECT pg_reload_conf()")
        self.host.run("sleep 0.3")

    def look(self) -> Look:
        """Look at everything of it."""
        settings, lines, extensions = map(json.loads, self.ask(_LOOK).split("\n"))
        for row in settings.values():
            for word in ("short_desc", "extra_desc", "category"):
                del row[word]
        places = " ".join(dict.fromkeys((self._scanned, self.auto)))
        files: dict[str, str] = {}
        for line in self.host.run(_FILES.format(places=places)).stdout.splitlines():
            path, _, text = line.partition("\t")
            files[path] = f"{files.get(path, '')} {text}".strip()
        return Look(settings, tuple(lines or ()), files, tuple(extensions))

    @property
    def _scanned(self) -> str:
        # A plain data directory holds data beside its configuration.
        if self.conf == self.data:
            return f"$(find {self.data} -maxdepth 1 -name '*.conf*')"
        return self.conf

    def content(self, path: str) -> str:
        """Return the text of a file."""
        return self.host.run(f"cat {shlex.quote(path)}").stdout

    def restart(self) -> None:
        """Restart its unit, and wait until it answers."""
        self.systemctl("restart")
        self.wait()

    def systemctl(self, verb: str) -> None:
        """Start, stop or restart its unit, as often as a test likes."""
        self.host.run(
            f"systemctl reset-failed {self.unit} 2>/dev/null; systemctl {verb} {self.unit}"
        )

    def wait(self) -> None:
        """Wait until it answers."""
        for _ in range(100):
            try:
                self.ask("SELECT 1")
            except TestbedError:
                self.host.run("sleep 0.1")
            else:
                return
        raise TestbedError(f"the cluster on port {self.port} does not answer")

    @contextmanager
    def with_lines(self, path: str, *lines: str) -> Iterator[None]:
        """Have more lines at the end of a file for a while; it is read before and after.

        The file comes back with its mode and owner, whatever is done to it meanwhile.
        """
        kept = self.host.run("mktemp -u -p /run").stdout.strip()
        with arranged(self.host, f"cp -a {path} {kept}", f"mv {kept} {path}"):
            text = "".join(f"{line}\n" for line in lines)
            self.host.run(f"cat >>{path}", input=text)
            self.reload()
            yield
        self.reload()


def debian(host: Host, version: str, name: str = "main", port: str = "5432") -> Cluster:
    """Return a cluster as Debian makes them."""
    return Cluster(
        host,
        port,
        conf=f"/etc/postgresql/{version}/{name}",
        data=f"/var/lib/postgresql/{version}/{name}",
        unit=f"postgresql@{version}-{name}.service",
    )


def by_effect(plan: Mapping[str, Any], cluster: Cluster) -> dict[str, dict[str, str]]:
    """Return effect -> setting -> value after of what a host's plan has for a cluster."""
    found: dict[str, dict[str, str]] = {}
    for change in plan["changes"]:
        name = change["tunable"].removeprefix("postgresql.").removesuffix(f"[{cluster.port}]")
        if cluster.id(name) == change["tunable"]:
            found.setdefault(change["effect"], {})[name] = change["after"]
    return found


def differing(before: Look, after: Look) -> dict[str, tuple[Any, Any]]:
    """Return what is not the same in two looks: settings, files, lines, extensions."""
    found: dict[str, tuple[Any, Any]] = {}
    for what in ("settings", "files"):
        old, new = getattr(before, what), getattr(after, what)
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                found[f"{what} {key}"] = (old.get(key), new.get(key))
    for what in ("lines", "extensions"):
        if getattr(before, what) != getattr(after, what):
            found[what] = (getattr(before, what), getattr(after, what))
    return found
