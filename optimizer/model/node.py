"""A Node service as a host has it: its processes, its unit, and what sets its environment.

Sources: systemd.exec(5); the options of Node's command line, https://nodejs.org/api/cli.html;
https://github.com/nodejs/release#release-schedule for the end of a release's life.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

OPTIONS = "NODE_OPTIONS"

# Loaded by every process whose NODE_OPTIONS name it, so it goes last and comes first.
PROBE_FILE = "/usr/local/lib/optimizer/node-probe.cjs"

# What is read of an environment; all else may be a secret and stays on the host.
VARIABLES = frozenset(
    {
        OPTIONS,
        "NODE_ENV",
        "UV_THREADPOOL_SIZE",
        "OPTIMIZER_NODE_AGENT_KEEP_ALIVE",
        "OPTIMIZER_NODE_AGENT_MAX_SOCKETS",
        "OPTIMIZER_NODE_AGENT_MAX_FREE_SOCKETS",
        "OPTIMIZER_NODE_AGENT_TIMEOUT",
    }
)

# Major version -> the last day on which it gets security fixes.
_END_OF_LIFE: Mapping[int, date] = {
    16: date(2023, 9, 11),
    17: date(2022, 6, 1),
    18: date(2025, 4, 30),
    19: date(2023, 6, 1),
    20: date(2026, 4, 30),
    21: date(2024, 6, 1),
    22: date(2027, 4, 30),
    23: date(2025, 6, 1),
    24: date(2028, 4, 30),
    25: date(2026, 6, 1),
}
_OLDEST = min(_END_OF_LIFE)


def value_path(unit: str, name: str) -> str:
    """Return what a variable or limit of a unit's first Node process is among a host's values."""
    return f"node:{unit}/{name}"


@dataclass(frozen=True)
class UnitLine:
    """What one file of a unit sets: a variable of its environment, or a directive.

    text: as the file has it, without quotes; specifiers (%h) are not filled in.
    """

    path: str
    name: str
    text: str


@dataclass(frozen=True)
class NodeService:
    """One service, or a group of Node processes that no unit runs.

    name: the unit (`web.service`), else `pid 123`.
    problem: why it is only reported, and what to do; empty where it is managed.
    is_elsewhere: it runs in a container, and its memory is not counted here.
    pid: its first Node process. workers: Node processes that this one has started.
    executable: path of the binary; empty where nothing of it could be asked.
    version: without the `v`. refused: option -> why this binary does not take it in NODE_OPTIONS.
    variables: of the first process. limits: directive of its unit -> what the kernel holds for that
    process, where it tells. configured: what the unit sets in all, specifiers filled in.
    files: what environment files set after that, by variable.
    lines: what single files of the unit set, in the order in which systemd reads them.
    flags: options on the command line of the first process, before the program's own.
    memory_max: bytes that the unit may take in all without our drop-in; None for no limit.
    cpu_quota: CPUs that it may use at a time; None for no limit.
    reloads: what ExecReload runs; empty where there is none.
    """

    name: str
    problem: str = ""
    is_elsewhere: bool = False
    unit: str = ""
    pid: int = 0
    workers: int = 0
    executable: str = ""
    version: str = ""
    user: str = "root"
    variables: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    configured: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, UnitLine] = field(default_factory=dict)
    lines: tuple[UnitLine, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    memory_max: int | None = None
    cpu_quota: float | None = None
    reloads: str = ""

    @property
    def processes(self) -> int:
        """How many heaps it has."""
        return 1 + self.workers

    @property
    def major(self) -> int:
        """Major version, 0 where it is not known."""
        first = self.version.partition(".")[0]
        return int(first) if first.isdecimal() else 0

    @property
    def drop_in(self) -> str:
        """Our file of its unit; `zz-optimizer.conf` beside it holds `system.unit.*`, read later."""
        return f"/etc/systemd/system/{self.unit}.d/zz-optimizer-node.conf"

    def set_by(self, name: str) -> UnitLine | None:
        """Return the last line of its unit that sets a variable or directive, besides ours."""
        return next(
            (one for one in reversed(self.lines) if one.name == name and one.path != self.drop_in),
            None,
        )

    def set_behind_ours(self, name: str) -> UnitLine | None:
        """Return the line that is read after our file and sets the same."""
        last = self.last_to_set(name)
        if last is None or last.path == self.drop_in or ".d/" not in last.path:
            return None
        own = self.drop_in.rpartition("/")[2]
        return last if last.path.rpartition("/")[2] > own else None

    def last_to_set(self, name: str) -> UnitLine | None:
        """Return the last line of its unit that sets a variable or directive."""
        return next((one for one in reversed(self.lines) if one.name == name), None)


def end_of_life(version: str, now: float) -> date | None:
    """Return since when a version gets no security fixes; None while it does, or is not known.

    now: seconds since the epoch, as the host has them.
    """
    first = version.partition(".")[0]
    if not first.isdecimal():
        return None
    major = max(int(first), _OLDEST)
    ended = _END_OF_LIFE.get(major)
    today = datetime.fromtimestamp(now, UTC).date()
    return ended if ended is not None and ended < today else None
