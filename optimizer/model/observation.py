"""What one probe of a host returned: facts, values with their provenance, files, units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from optimizer.model.huge_pages import NO_HUGE_PAGES, HugePages

if TYPE_CHECKING:
    from optimizer.model.boot import Grub
    from optimizer.model.node import NodeService
    from optimizer.model.node_health import NodeHealth
    from optimizer.model.packages import Package
    from optimizer.model.pending import Pending
    from optimizer.model.pgbouncer import PgBouncer
    from optimizer.model.postgresql import PgCluster
    from optimizer.model.redis import RedisInstance


# The text of a value that there is none of.
ABSENT = "@absent"


class ValueState(StrEnum):
    """What reading one kernel value led to."""

    WRITABLE = "writable"
    READ_ONLY = "read-only"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class LiveValue:
    """One value in force, its canonical text, and whether it can be written.

    path: a file of /proc or /sys, `redis:ADDRESS/PARAMETER`,
        `postgresql:ADDRESS/SETTING`, `node:UNIT/VARIABLE`, `package:NAME`, or `boot:NAME`, a
        parameter that the kernel was booted with.

    options: for files that list their choices (`always [madvise] never`), all of them.
    dependents: what of somebody else's needs it, for an object in a database or a package.
    edited: configuration files of a package that are not as it brought them.
    """

    path: str
    state: ValueState
    text: str = ""
    options: tuple[str, ...] = ()
    dependents: str = ""
    edited: str = ""


@dataclass(frozen=True)
class FileState:
    """A regular file as it was read: bytes, permission bits (octal text), owner `uid:gid`."""

    content: bytes
    mode: str
    owner: str
    sha256: str


@dataclass(frozen=True)
class LinedFile:
    """A file that is not ours, without its bytes: `mode` and `owner` as for FileState.

    lines: which of the lines that were asked for are in it.
    """

    sha256: str
    mode: str
    owner: str
    size: int
    lines: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ConfigLine:
    """One line of a configuration file that is read at boot: `path:number`, and its text."""

    path: str
    number: int
    text: str

    @property
    def place(self) -> str:
        """`path:number`, as notes print it."""
        return f"{self.path}:{self.number}"


@dataclass(frozen=True)
class Unit:
    """A systemd unit: `systemctl show` properties, and the limits of its main process.

    limits: directive -> value in force, read from /proc/PID; empty when it does not run.
    lines: of its files those that set a property that was asked for, in the order of reading.
    """

    name: str
    properties: Mapping[str, str]
    limits: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[ConfigLine, ...] = ()

    @property
    def is_loaded(self) -> bool:
        """Whether systemd knows the unit."""
        return self.properties.get("LoadState") == "loaded"

    @property
    def is_active(self) -> bool:
        """Whether the unit runs now."""
        return self.properties.get("ActiveState") == "active"


@dataclass(frozen=True)
class Disk:
    """A block device that has a request queue. kind: nvme, virtio, ssd, hdd."""

    name: str
    kind: str


@dataclass(frozen=True)
class Facts:
    """What a host is. Sizes in bytes; now and uptime in seconds; tools: commands it has.

    memory_pressure: share of the last 10 s that some task waited for memory, percent.
    file_limit: open files that systemd can give to a service, where that was asked.
    state_free: free bytes where the host keeps its journal.
    ram_outside: bytes of RAM that the host has and its cgroup does not allow.
    cpus_present: CPUs that the host has, whoever may use them; 0 where it does not say.
    """

    hostname: str
    machine_id: str
    boot_id: str
    os: str
    os_version: str
    os_name: str
    kernel: str
    cpus: int
    ram: int
    virtualization: str
    init: str
    uid: int
    cmdline: str
    numa_nodes: int = 1
    disks: tuple[Disk, ...] = ()
    tools: frozenset[str] = frozenset()
    now: float = 0.0
    uptime: float = 0.0
    ram_available: int = 0
    memory_pressure: float | None = None
    failed_units: tuple[str, ...] = ()
    file_limit: int | None = None
    state_free: int | None = None
    ram_outside: int = 0
    huge_pages: HugePages = NO_HUGE_PAGES
    cpus_present: int = 0

    @property
    def is_root(self) -> bool:
        """Whether the probe ran with root's rights."""
        return self.uid == 0

    @property
    def storage(self) -> str:
        """ssd or hdd when all disks agree, else mixed; unknown without disks.

        A virtio disk counts as ssd: it reports `rotational` whatever stands behind it.
        """
        kinds = {"hdd" if disk.kind == "hdd" else "ssd" for disk in self.disks}
        return kinds.pop() if len(kinds) == 1 else "mixed" if kinds else "unknown"

    def conditions(self) -> dict[str, str | int]:
        """What `when:` of a profile may ask for."""
        return {
            "os": self.os,
            "os_version": self.os_version,
            "cpus": self.cpus,
            "ram": self.ram,
            "numa_nodes": self.numa_nodes,
            "virtualization": self.virtualization,
            "storage": self.storage,
            "init": self.init,
        }


@dataclass(frozen=True)
class Observation:
    """Everything one remote command read on one host.

    values: kernel values by path. absent: path patterns that matched nothing.
    files: artifacts of ours by path; a path asked for and not in here does not exist.
    config: lines of boot configuration by area (sysctl, tmpfiles, modules, journald, grub).
    modules: kernel module -> loaded, builtin, loadable or missing.
    config_files: area -> path -> time of its last change, seconds since the epoch; 0 for a
        file that masks one of the same name (a link to /dev/null).
    authorities: other tools that set the same things, name -> what was seen.
    snapshots: id -> manifest; damaged: id -> what is wrong with it.
    undone: snapshots that a person put back on the host itself.
    unheld: snapshot -> path -> what a value became that the change could not hold.
    pending: the change that is not confirmed yet, None when there is none.
    broken: why what the host keeps of a change that waits cannot be believed; empty when it can.
    is_torn: a change began or ended while the host was looked at, so this is some of each.
    lined: files of others with a line of ours at their end, by path.
    redis: every Redis and Valkey server, where a probe was asked for them.
    postgresql: every PostgreSQL cluster, likewise. pgbouncer: every PgBouncer.
    node: every Node service, likewise.
    packages: packages by name, those that a probe was asked for.
    node_health: the health of each Node service, likewise.
    library_users: units (or `pid 123`) that run with a file of ours, which is to outlive them.
    services: what else of redis, postgresql and node runs on the host.
    grub: what its files make of the command line; None without it, or where it was not asked for.
    """

    facts: Facts
    values: Mapping[str, LiveValue] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    files: Mapping[str, FileState] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    directories: frozenset[str] = frozenset()
    config: Mapping[str, tuple[ConfigLine, ...]] = field(default_factory=dict)
    config_files: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    authorities: Mapping[str, str] = field(default_factory=dict)
    snapshots: Mapping[str, str] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)
    undone: frozenset[str] = frozenset()
    unheld: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    pending: Pending | None = None
    broken: str = ""
    is_torn: bool = False
    lined: Mapping[str, LinedFile] = field(default_factory=dict)
    redis: tuple[RedisInstance, ...] = ()
    postgresql: tuple[PgCluster, ...] = ()
    pgbouncer: tuple[PgBouncer, ...] = ()
    packages: Mapping[str, Package] = field(default_factory=dict)
    node_health: tuple[NodeHealth, ...] = ()
    node: tuple[NodeService, ...] = ()
    services: frozenset[str] = frozenset()
    library_users: frozenset[str] = frozenset()
    grub: Grub | None = None

    def text_at(self, path: str) -> str | None:
        """Return what a value is; ABSENT for a file of the kernel, None for others not found."""
        value = self.values.get(path)
        return value.text if value else ABSENT if path.startswith("/") else None
