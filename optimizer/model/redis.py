"""A Redis or Valkey server as a host has it: what it said of itself, and how it is reached.

Source: INFO, CONFIG GET and CONFIG SET of the Redis documentation (commands), redis.conf.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from optimizer.model.observation import ConfigLine, LinedFile

# Parameters that a client may ask for and that hold a secret; they are never read.
SECRETS = frozenset(
    {"requirepass", "masterauth", "masteruser", "tls-key-file-pass", "tls-client-key-file-pass"}
)

# The canonical text of no save points, as redis.conf has it.
NO_SAVE = '""'

# What is read of INFO: enough for sizing, for what is at stake and for the health checks.
INFO_FIELDS = (
    "redis_version",
    "valkey_version",
    "redis_mode",
    "process_id",
    "config_file",
    "executable",
    "uptime_in_seconds",
    "connected_clients",
    "maxclients",
    "blocked_clients",
    "used_memory",
    "used_memory_rss",
    "used_memory_peak",
    "maxmemory",
    "maxmemory_policy",
    "mem_fragmentation_ratio",
    "mem_fragmentation_bytes",
    "allocator_frag_ratio",
    "loading",
    "rdb_changes_since_last_save",
    "rdb_bgsave_in_progress",
    "rdb_last_save_time",
    "rdb_last_bgsave_status",
    "rdb_last_bgsave_time_sec",
    "aof_enabled",
    "aof_rewrite_in_progress",
    "aof_last_bgrewrite_status",
    "aof_last_write_status",
    "total_commands_processed",
    "instantaneous_ops_per_sec",
    "rejected_connections",
    "evicted_keys",
    "keyspace_hits",
    "keyspace_misses",
    "latest_fork_usec",
    "role",
    "connected_slaves",
    "master_link_status",
    "master_last_io_seconds_ago",
    "master_repl_offset",
    "slave_repl_offset",
    "min_replica_lag",
    "mem_not_counted_for_evict",
    "master_sync_in_progress",
    "master_link_down_since_seconds",
)


def parameter_path(address: str, parameter: str) -> str:
    """Return what a parameter of the server at an address is called among the values of a host."""
    return f"redis:{address}/{parameter}"


def split_path(path: str) -> tuple[str, str] | None:
    """Return address and parameter of such a name; None for any other path."""
    if not path.startswith("redis:"):
        return None
    address, _, parameter = path.removeprefix("redis:").rpartition("/")
    return address, parameter


def server_of(url: str) -> str:
    """Return the name of the server at a URL: its port, or the path of its socket."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else str(parts.port or 6379)


@dataclass(frozen=True)
class RedisLogin:
    """How to log in to the servers of a host; the password is never printed.

    user: ACL user, empty for the default one.
    """

    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class RedisInstance:
    """One server, running or not.

    name: what stands in brackets behind a tunable: its TCP port or the path of its socket.
    address: where the host's own client reaches it, `127.0.0.1:6379` or a socket's path;
        empty where nothing answers.
    problem: why it could not be asked; empty when it answered.
    unit: systemd unit that runs it; empty without one.
    config_file: the file it was started with; empty for none.
    config_state: that file, and which lines of ours are in it; None where it is no plain file.
    include: file of ours that the configuration includes at its end, whether there or not.
    config: parameter -> text as CONFIG GET prints it, of those asked for that it has.
    fixed: parameters that this server refuses to change while it runs.
    unable: parameter -> why this build cannot do it.
    info: fields of INFO. keys, expiring: all keys, and those that have an expiry.
    lines: what the configuration files set, in the order in which they are read.
    arguments: what the command line sets after all files.
    memory_max: bytes that its unit may take in all; None without a limit.
    open_files: soft limit of open files of the process.
    is_open: whether it answers without a login.
    latency: what LATENCY DOCTOR said; slow: length of the slow log. Only for `doctor`.
    can_change: whether the host has a client through which it can be changed.
    is_elsewhere: it runs in a container, and is only reported.
    """

    name: str
    address: str = ""
    problem: str = ""
    unit: str = ""
    config_file: str = ""
    config_state: LinedFile | None = None
    include: str = ""
    config: Mapping[str, str] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    unable: Mapping[str, str] = field(default_factory=dict)
    info: Mapping[str, str] = field(default_factory=dict)
    keys: int = 0
    expiring: int = 0
    lines: tuple[ConfigLine, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    memory_max: int | None = None
    open_files: int | None = None
    is_open: bool = False
    latency: str = ""
    slow: int | None = None
    can_change: bool = True
    is_elsewhere: bool = False

    @property
    def include_line(self) -> str:
        """The last line of the configuration file that has the server read our file."""
        return f"include {self.include}"

    @property
    def answers(self) -> bool:
        """Whether the server could be asked."""
        return not self.problem

    @property
    def version(self) -> str:
        """`Redis 7.0.15` or `Valkey 8.1.1`."""
        if "valkey_version" in self.info:
            return f"Valkey {self.info['valkey_version']}"
        return f"Redis {self.info.get('redis_version', '')}".strip()

    @property
    def major(self) -> int:
        """Major version of the protocol and commands; Valkey names the Redis it is made of."""
        first = self.info.get("redis_version", "0").partition(".")[0]
        return int(first) if first.isdecimal() else 0

    @property
    def persistence(self) -> str:
        """What brings the keys back after a restart: aof, rdb or none."""
        if self.config.get("appendonly") == "yes":
            return "aof"
        return "rdb" if self.is_persistent else "none"

    @property
    def role(self) -> str:
        """primary, replica or sentinel; empty when it did not answer."""
        if self.info.get("redis_mode") == "sentinel":
            return "sentinel"
        return {"master": "primary", "slave": "replica"}.get(self.info.get("role", ""), "")

    @property
    def is_cluster(self) -> bool:
        """Whether it is a node of a Redis cluster."""
        return self.info.get("redis_mode") == "cluster"

    @property
    def used_memory(self) -> int:
        """Bytes that its data and buffers take."""
        return self.number("used_memory")

    @property
    def is_persistent(self) -> bool:
        """Whether a restart brings the keys back: an append-only file, or save points."""
        return self.config.get("appendonly") == "yes" or self.config.get("save", NO_SAVE) != NO_SAVE

    @property
    def lost_by_restart(self) -> str:
        """Which data a restart would lose; empty for none."""
        if self.is_persistent or not self.keys:
            return ""
        return f"{self.keys} keys, which nothing brings back after a restart"

    def number(self, name: str) -> int:
        """Return a whole number of INFO, 0 where it is not there."""
        try:
            return int(self.info.get(name, "0"))
        except ValueError:
            return 0
