"""A PgBouncer as a host has it: what it said of itself over its console, and its files.

Source: "Admin console" of the PgBouncer manual (SHOW CONFIG, DATABASES, POOLS, STATS).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from optimizer.model.observation import ConfigLine, LinedFile

PREFIX = "pgbouncer:"

# The section whose settings are tuned, and what switches to another file.
SECTION = "[pgbouncer]"
INCLUDE = "%include"

# The console itself is listed as a database.
CONSOLE = "pgbouncer"

# Files that it keeps for itself: sockets to listen on, its log, DNS, libraries.
OWN_FILES = 32
_NO_LIMIT = 2**20

# Where a connection string may point for a server on the same host.
_HERE = ("", "localhost", "127.0.0.1", "::1")


def parameter_path(address: str, name: str) -> str:
    """Return what a parameter of the PgBouncer at an address is called among a host's values."""
    return f"{PREFIX}{address}/{name}"


@dataclass(frozen=True)
class Parameter:
    """One row of SHOW CONFIG.

    value: what is in force. default: what it is without a line. is_reloadable: whether a RELOAD
    is enough.
    """

    name: str
    value: str
    default: str = ""
    is_reloadable: bool = True


@dataclass(frozen=True)
class PooledDatabase:
    """One row of SHOW DATABASES: a name that clients use, and the server behind it.

    host: a name, an address, the folder of a socket, or empty for the usual socket.
    size, reserve: connections that each of its pools may have, and how many more.
    limit: what all of its pools may have together; 0 for no limit.
    own: which of pool_size, reserve_pool_size and max_db_connections its own line has.
    """

    name: str
    host: str = ""
    port: str = "5432"
    size: int = 0
    reserve: int = 0
    limit: int = 0
    own: frozenset[str] = frozenset()

    @property
    def is_here(self) -> bool:
        """Whether the server behind it is on the same host."""
        return self.host in _HERE or self.host.startswith("/")


@dataclass(frozen=True)
class Pool:
    """One row of SHOW POOLS: the connections of one user to one database.

    active, waiting: clients that have a connection, and that wait for one. busy: connections to
    the server that a client has. longest_wait: of the client at the head of the queue, in s.
    """

    database: str
    user: str
    active: int = 0
    waiting: int = 0
    busy: int = 0
    longest_wait: float = 0.0
    mode: str = "session"


@dataclass(frozen=True)
class Traffic:
    """One row of SHOW STATS, averages over its last period.

    rate: transactions a second. time: what one takes for its client, in s, the wait for a
    connection included. waiting: clients that wait for one, on average.
    """

    database: str
    rate: float = 0.0
    time: float = 0.0
    waiting: float = 0.0

    @property
    def busy(self) -> float:
        """Connections that transactions have on average, by Little's law."""
        return max(0.0, self.rate * self.time - self.waiting)


@dataclass(frozen=True)
class PgBouncer:
    """One PgBouncer that runs.

    name: its port, which stands in brackets behind a tunable; `SOCKETDIR:PORT` for another one
        on the same port. address: `USER@SOCKETDIR:PORT`, how the host's own psql reaches its
        console; empty where nothing answers.
    problem: why it could not be asked; empty when it answered.
    unit: systemd unit that runs it; empty without one.
    config_file: the file it was started with. config_state: that file, and whether the line
        that includes ours is in it; None where it is no plain file.
    include: file of ours, whether there or not.
    config: parameters that were asked for and that it has.
    lines: section headers and lines of those parameters, in the order of reading.
    unloaded: parameters whose value in force is not the one that the files give.
    open_files: soft limit of open files of the process.
    is_elsewhere: it runs in a container, and is only reported.
    """

    name: str
    address: str = ""
    problem: str = ""
    unit: str = ""
    version: str = ""
    config_file: str = ""
    config_state: LinedFile | None = None
    include: str = ""
    config: Mapping[str, Parameter] = field(default_factory=dict)
    lines: tuple[ConfigLine, ...] = ()
    unloaded: tuple[str, ...] = ()
    databases: tuple[PooledDatabase, ...] = ()
    pools: tuple[Pool, ...] = ()
    traffic: tuple[Traffic, ...] = ()
    open_files: int | None = None
    is_elsewhere: bool = False

    @property
    def include_line(self) -> str:
        """The last line of its configuration file that has it read ours."""
        return f"{INCLUDE} {self.include}"

    @property
    def mode(self) -> str:
        """How long a client keeps a connection: session where any of its pools does that."""
        modes = {pool.mode for pool in self.pools} | {self.text("pool_mode", "session")}
        return next(mode for mode in ("session", "transaction", "statement", "") if mode in modes)

    @property
    def release(self) -> tuple[int, ...]:
        """Its version as numbers, (1, 18, 0); empty when it is not known."""
        words = self.version.removeprefix("PgBouncer ").split(".")
        return tuple(int(word) for word in words if word.isdecimal())

    @property
    def clients(self) -> int:
        """Clients that are connected now."""
        return sum(pool.active + pool.waiting for pool in self.pools)

    @property
    def most_servers(self) -> int:
        """Connections to servers that its pools may come to have."""
        users = Counter(pool.database for pool in self.pools)
        return sum(max(1, users[one.name]) * (one.size + one.reserve) for one in self.databases)

    @property
    def free_files(self) -> int:
        """How many clients its open files allow beside its servers."""
        if self.open_files is None:
            return _NO_LIMIT
        return max(1, self.open_files - OWN_FILES - self.most_servers)

    def text(self, name: str, usual: str = "") -> str:
        """Return a parameter as it is in force; `usual` where it was not asked for."""
        return self.config[name].value if name in self.config else usual

    def number(self, name: str, usual: int = 0) -> int:
        """Return a whole number among the parameters; `usual` where it is none."""
        text = self.text(name)
        return int(text) if text.isdecimal() else usual
