"""A Redis or Valkey server of a test host, and an independent look at it.

Written apart from the product: it asks the host's own client and tools, and shares neither code
nor a list of names with what it judges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from testbed.host import Host
from tests.hosts.arranged import arranged

KEYS = 100_000

_FILL = "for i=1,{count} do redis.call('set','k'..i,i) end"
# Two names of one parameter, which change together.
_ALIASES: Mapping[str, tuple[str, ...]] = {
    "replica-lazy-flush": ("slave-lazy-flush",),
    "slowlog-log-slower-than": ("commandlog-execution-slower-than",),
    "slowlog-max-len": ("commandlog-slow-execution-max-len",),
}
_BETWEEN = "=" * 40
_LOOK = r"""
{client}
echo {between}
for root in {roots}; do
    [ ! -e "$root" ] || find "$root" -printf '%p\t%y %m %U:%G\n'
    [ ! -e "$root" ] || find "$root" -path '/etc/*' -type f -exec sha256sum -- {{}} + |
        sed 's/^\([0-9a-f]*\)  \(.*\)$/\2\t\1/'
done
echo {between}
systemctl show {unit} -p DropInPaths -p LimitNOFILE -p ActiveState
"""


@dataclass(frozen=True)
class Look:
    """What a server is like at one moment.

    config: all that CONFIG GET prints. files: path -> kind, mode, owner, and of configuration
    the hash. unit: what systemd has of its unit, drop-ins among it. keys: DBSIZE.
    """

    config: Mapping[str, str]
    files: Mapping[str, str]
    unit: str
    keys: int

    @property
    def etc(self) -> dict[str, str]:
        """The files of its configuration."""
        return {path: text for path, text in self.files.items() if path.startswith("/etc/")}

    @property
    def data(self) -> set[str]:
        """The names of its data files and their folders."""
        return {path for path in self.files if not path.startswith("/etc/")}


@dataclass(frozen=True)
class Server:
    """One server on a host.

    port: or the path of its socket. instance: of Debian's template unit; empty for the usual one.
    login: how a test logs in.
    """

    host: Host
    brand: str = "redis"
    port: str = "6379"
    instance: str = ""
    login: str = ""

    @property
    def name(self) -> str:
        """What the product calls it in brackets."""
        return self.port

    @property
    def address(self) -> str:
        """Where it is found among the values of a plan."""
        return self.port if self.port.startswith("/") else f"127.0.0.1:{self.port}"

    @property
    def service(self) -> str:
        """Its systemd unit."""
        return f"{self.brand}-server{'@' if self.instance else ''}{self.instance}.service"

    @property
    def folder(self) -> str:
        """Where its data is."""
        return f"/var/lib/{self.brand}"

    @property
    def conf(self) -> str:
        """Its configuration file."""
        return f"{self._base}.conf"

    @property
    def included(self) -> str:
        """The file that the product adds to its configuration."""
        return f"{self._base}.optimizer.conf"

    @property
    def _base(self) -> str:
        name = f"{self.brand}-{self.instance}" if self.instance else self.brand
        return f"/etc/{self.brand}/{name}"

    def id(self, parameter: str) -> str:
        """Name a tunable of this server as a plan does."""
        return f"redis.{parameter}[{self.name}]"

    def logging_in(self, line: str) -> Server:
        """Return the same server, asked after a login."""
        return replace(self, login=line)

    def ask(self, *commands: str) -> str:
        """Return what it says. Commands go in on standard input, where no list shows them."""
        return self._answer(self.host.run(self._client, input=self._lines(*commands)).stdout)

    @property
    def _client(self) -> str:
        where = f"-s {self.port}" if self.port.startswith("/") else f"-p {self.port}"
        return f"{self.brand}-cli {where}"

    def _lines(self, *commands: str) -> str:
        lines = [self.login, *commands] if self.login else commands
        return "".join(f"{line}\n" for line in lines)

    def _answer(self, said: str) -> str:
        return said.removeprefix("OK\n" if self.login else "").removesuffix("\n")

    def get(self, parameter: str) -> str:
        """Return one parameter."""
        return self.ask(f"CONFIG GET {parameter}").partition("\n")[2]

    def set(self, parameter: str, value: str) -> None:
        """Set one parameter, as a person would."""
        said = self.ask(f'CONFIG SET {parameter} "{value}"')
        assert said == "OK", said

    def info(self, name: str) -> str:
        """Return one field of INFO."""
        found = re.search(rf"^{name}:(.*)$", self.ask("INFO everything"), re.MULTILINE)
        assert found, f"INFO has no {name}"
        return found[1].strip()

    def keys(self) -> int:
        """Count the keys."""
        return int(self.ask("DBSIZE"))

    def fill(self, count: int = KEYS) -> None:
        """Write keys, and have them on the disk."""
        said = self.ask(f'EVAL "{_FILL.format(count=count)}" 0')
        assert not said.strip(), said
        # So many keys may have made it begin a save by itself.
        for _ in range(100):
            said = self.ask("SAVE").strip()
            if "in progress" not in said:
                break
            self.host.run("sleep 0.1")
        assert said == "OK", said

    def config(self) -> dict[str, str]:
        """Return every parameter."""
        return _pairs(self.ask("CONFIG GET *"))

    def look(self) -> Look:
        """Look at everything of it, with one command."""
        script = _LOOK.format(
            client=self._client,
            between=_BETWEEN,
            roots=f"/etc/{self.brand} {self.folder}",
            unit=self.service,
        )
        # The number of keys comes first: the last value of the parameters may be an empty line.
        said = self.host.run(script, input=self._lines("DBSIZE", "CONFIG GET *")).stdout
        answer, found, unit = said.split(f"{_BETWEEN}\n")
        keys, _, config = self._answer(answer).partition("\n")
        files: dict[str, str] = {}
        for line in found.splitlines():
            path, _, text = line.partition("\t")
            files[path] = f"{files.get(path, '')} {text}".strip()
        return Look(_pairs(config), files, unit, int(keys))

    def restart(self) -> None:
        """Restart its unit, and wait until it answers."""
        self.host.run(f"{self._again('restart')}; {self._ready}")

    def systemctl(self, verb: str) -> None:
        """Start or stop its unit, as often as a test likes."""
        self.host.run(self._again(verb))

    def wait(self) -> None:
        """Wait until it has read its data, or asks for a login."""
        self.host.run(self._ready)

    def empty(self) -> None:
        """Take all data away, and start it as it was when it was installed."""
        clear = f"rm -rf {self.folder}/* && chown {self.brand}: {self.folder}"
        self.host.run(f"{self._again('stop')}; {clear}; {self._again('start')}; {self._ready}")

    def _again(self, verb: str) -> str:
        # Or systemd takes a server that is started often for one that fails.
        return f"systemctl reset-failed {self.service} 2>/dev/null; systemctl {verb} {self.service}"

    @property
    def _ready(self) -> str:
        answers = f"echo PING | {self._client} 2>&1 | grep -Eq '^(PONG|NOAUTH)'"
        return f"for try in $(seq 200); do {answers} && exit 0; sleep 0.05; done; exit 1"

    @contextmanager
    def configured(self, *lines: str) -> Iterator[None]:
        """Have lines at the end of its configuration for a while; it is restarted before and after.

        The file comes back with its mode and owner, whatever is done to it meanwhile.
        """
        kept = f"{self.conf}.kept"
        with arranged(self.host, f"cp -a {self.conf} {kept}", f"mv {kept} {self.conf}"):
            text = "".join(f"{line}\n" for line in lines)
            self.host.run(f"cat >>{self.conf}", input=text)
            self.restart()
            yield
        self.restart()

    @contextmanager
    def secured(self, password: str) -> Iterator[Server]:
        """Have it want a password for a while; yields the server as one that logs in."""
        escaped = password.replace("\\", "\\\\").replace('"', '\\"')
        with self.configured(f'requirepass "{escaped}"'):
            yield replace(self, login=f'AUTH "{escaped}"')


def _pairs(text: str) -> dict[str, str]:
    lines = text.split("\n")
    # The last value may be empty, and then its line is gone.
    return dict(zip(lines[::2], [*lines[1::2], ""], strict=False))


def changes_of(plan: Mapping[str, Any], server: Server) -> dict[str, str]:
    """Return parameter -> value after of all live changes that a host's plan has for a server."""
    prefix = f"redis:{server.address}/"
    return {
        step["path"].removeprefix(prefix): step["after"]
        for step in plan["steps"]
        if step["step"] == "value" and step["path"].startswith(prefix)
    }


def config_after(before: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Return what CONFIG GET has to print once changes are made: these, and nothing else."""
    after = dict(before)
    for name, value in changes.items():
        parameter, _, group = name.partition(".")
        text = "" if value == '""' else value
        if group:
            text = _with_class(after[parameter], group, text)
        for one in (parameter, *_ALIASES.get(parameter, ())):
            if one in after:
                after[one] = text
    return after


def _with_class(text: str, group: str, limits: str) -> str:
    """Replace the three numbers of one class of client-output-buffer-limit."""
    # Servers print the old name.
    name = "slave" if group == "replica" else group
    return re.sub(rf"\b{name}( \d+){{3}}", f"{name} {limits}", text)


def held_back(outcome: Mapping[str, Any]) -> dict[str, str]:
    """Return tunable -> what is at stake of all that a host's plan or result holds back."""
    listed = outcome.get("held_back")
    changes = (
        [one for one in outcome["changes"] if not one["allowed"]] if listed is None else listed
    )
    return {change["tunable"]: change["at_stake"] for change in changes}
