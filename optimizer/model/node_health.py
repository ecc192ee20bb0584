"""What is known of the health of a Node service and of its processes.

Sources: the probe (host/node_probe.cjs); perf_hooks, v8 and process of the Node documentation;
proc_pid_fd(5), proc_pid_limits(5), org.freedesktop.systemd1(5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Quantiles:
    """Of so many times: half are below p50, 99 of 100 below p99. Seconds."""

    count: int = 0
    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0


@dataclass(frozen=True)
class Pauses:
    """Pauses of one kind for garbage collection. total, max: seconds."""

    count: int
    total: float
    max: float


@dataclass(frozen=True)
class NodeSpan:
    """What a probe saw in a span of time up to now, `seconds` long.

    utilization: share of it that the event loop was busy. delay: of the event loop, without the
    resolution of the timer that measures it. pauses: for garbage collection, by kind in `kinds`.
    """

    seconds: float
    utilization: float
    delay: Quantiles
    pauses: Quantiles
    kinds: Mapping[str, Pauses] = field(default_factory=dict)


@dataclass(frozen=True)
class AgentUse:
    """Sockets of a global agent: used, free, and requests that wait for one."""

    used: int
    free: int
    waiting: int


@dataclass(frozen=True)
class NodeProbe:
    """What the probe of a process said. Sizes in bytes, times in seconds.

    resolution: of the timer that measures delays. start: since the loop began to run; window: the
    last 40 to 60 s. resources: kind of what keeps the loop alive -> number. agents: of http and
    https, where the service has loaded them.
    """

    version: str
    uptime: float
    resolution: float
    start: NodeSpan
    window: NodeSpan
    heap_used: int
    heap_limit: int
    rss: int
    resources: Mapping[str, int] = field(default_factory=dict)
    agents: Mapping[str, AgentUse] = field(default_factory=dict)


@dataclass(frozen=True)
class NodeProcess:
    """One process. parent: the process that started it.

    rss: bytes in RAM. open_files, file_limit: file handles and the soft limit of them; None where
    this account cannot see it, or there is no limit.
    probe: what its probe said. problem: why a probe that it has gave no answer.
    """

    pid: int
    parent: int = 0
    rss: int = 0
    open_files: int | None = None
    file_limit: int | None = None
    probe: NodeProbe | None = None
    problem: str = ""


@dataclass(frozen=True)
class NodeHealth:
    """A service. name: its unit (`web.service`), else `pid 123`.

    state: ActiveState of the unit; empty without one. restarts: how often systemd started it again
    by itself. active_since: seconds after the boot. memory_max: bytes that the unit may take.
    """

    name: str
    processes: tuple[NodeProcess, ...] = ()
    state: str = ""
    restarts: int = 0
    active_since: float = 0.0
    memory_max: int | None = None

    @property
    def probes(self) -> tuple[NodeProbe, ...]:
        """What the probes of its processes said."""
        return tuple(one.probe for one in self.processes if one.probe)

    @property
    def rss(self) -> int:
        """Bytes that all of its processes have in RAM; what they share counts for each."""
        return sum(one.rss for one in self.processes)
