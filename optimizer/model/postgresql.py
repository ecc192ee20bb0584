"""A PostgreSQL cluster as a host has it: what the server said of itself, and its files.

Source: pg_settings, pg_file_settings (views of the PostgreSQL manual), postmaster.pid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from optimizer.model.observation import LinedFile
from optimizer.model.postgresql_health import PgHealth
from optimizer.model.postgresql_objects import PgDatabase

PREFIX = "postgresql:"

_SIZE_UNIT = re.compile(r"(\d*)(B|kB|MB|GB)")
_SIZES = {"B": 1, "kB": 2**10, "MB": 2**20, "GB": 2**30}


def setting_path(address: str, name: str) -> str:
    """Return what a setting of the cluster at an address is called among the values of a host."""
    return f"{PREFIX}{address}/{name}"


@dataclass(frozen=True)
class PgSetting:
    """One row of pg_settings.

    setting: in units of `unit` (8kB, kB, MB, ms, s, min; empty for none). context: when it
    can change: internal, postmaster, sighup, superuser-backend, backend, superuser, user.
    choices: the values of an enum that this build has. default: what it is without any file.
    """

    name: str
    setting: str
    unit: str = ""
    kind: str = "string"
    context: str = "user"
    choices: tuple[str, ...] = ()
    default: str = ""
    is_pending: bool = False

    @property
    def in_force(self) -> str:
        """The setting as values of a host are compared: sizes in bytes."""
        match = _SIZE_UNIT.fullmatch(self.unit)
        if match is None or not self.setting.isdecimal():
            return self.setting
        return str(int(self.setting) * int(match[1] or 1) * _SIZES[match[2]])


@dataclass(frozen=True)
class PgFileSetting:
    """One row of pg_file_settings: a line of a configuration file, in the order of reading.

    setting: None for what was not asked for. error: why the line does not count.
    """

    path: str
    number: int
    name: str
    setting: str | None
    is_applied: bool = True
    error: str = ""

    @property
    def place(self) -> str:
        """`path:number`, as notes print it."""
        return f"{self.path}:{self.number}"


@dataclass(frozen=True)
class PgCluster:
    """One cluster, running or not.

    name: its port, which stands in brackets behind a tunable. address: `USER@SOCKETDIR:PORT`,
        how the host's own psql reaches it; empty where nothing answers.
    problem: why it could not be asked; empty when it answered.
    cluster: `15/main` on Debian, else the data directory. version: as a number, 150018.
    unit: systemd unit; empty without one. programs: directory of its own programs.
    drop_in: file of ours; included_at: line of postgresql.conf that reads it by itself (conf.d),
        0 where it needs a line of ours.
    config_state: postgresql.conf, and whether the line that includes our file is in it.
    files: lines of configuration files, those of postgresql.auto.conf last.
    role_settings: name -> where ALTER ROLE or ALTER DATABASE sets it, which beats all files.
    libraries: preloadable ones that are installed. free_wal: free bytes on the disk of the WAL.
    auto_lines: setting -> its line in postgresql.auto.conf, as it is written there.
    is_elsewhere: it runs in a container, and is only reported.
    huge: bytes of huge pages that it has mapped; None where that cannot be seen.
    can_change: whether its files are on this host; not for one that only answers a DSN.
    health: only where it was asked for.
    databases: where objects in them were asked for; none of a standby.
    unlisted: why it did not tell which databases it has.
    """

    name: str
    address: str = ""
    problem: str = ""
    cluster: str = ""
    version: int = 0
    unit: str = ""
    data: str = ""
    config_file: str = ""
    config_state: LinedFile | None = None
    auto_state: LinedFile | None = None
    programs: str = ""
    drop_in: str = ""
    included_at: int = 0
    is_standby: bool = False
    is_patroni: bool = False
    settings: Mapping[str, PgSetting] = field(default_factory=dict)
    files: tuple[PgFileSetting, ...] = ()
    role_settings: Mapping[str, str] = field(default_factory=dict)
    libraries: frozenset[str] = frozenset()
    free_wal: int | None = None
    huge: int | None = None
    auto_lines: Mapping[str, str] = field(default_factory=dict)
    is_elsewhere: bool = False
    can_change: bool = True
    health: PgHealth | None = None
    databases: tuple[PgDatabase, ...] = ()
    unlisted: str = ""

    @property
    def major(self) -> int:
        """Major version: 15, 17, 18."""
        return self.version // 10000

    @property
    def is_included(self) -> bool:
        """Whether the configuration reads our file by itself."""
        return self.included_at > 0

    @property
    def auto_file(self) -> str:
        """The file that ALTER SYSTEM writes, read after all others."""
        return f"{self.data}/postgresql.auto.conf"

    @property
    def include_line(self) -> str:
        """The last line of postgresql.conf that reads our file, where conf.d does not."""
        return f"include_if_exists = '{self.drop_in}'"
