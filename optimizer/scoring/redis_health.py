"""Health of one Redis or Valkey server against thresholds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from optimizer.model.profile import Threshold
from optimizer.model.redis import RedisInstance
from optimizer.model.result import HealthCheck
from optimizer.scoring import redis_findings as findings
from optimizer.scoring.finding import Finding, duration, size
from optimizer.scoring.health import DEFAULTS
from optimizer.scoring.judging import judged
from optimizer.scoring.redis_access import open_access
from optimizer.scoring.redis_latency import latency
from optimizer.scoring.redis_saving import save_overdue

# Why a server that runs could not be asked; everything else means that it is down.
_REFUSALS = ("password", "login", "does not let", "container", "needs redis-cli", "cannot see")

# In the order in which they are told.
_OF_INFO = (
    findings.memory_used,
    findings.hit_rate,
    findings.evicted_keys,
    findings.fragmentation,
    findings.swapped,
    findings.clients_used,
    findings.rejected_connections,
    findings.blocked_clients,
    findings.last_save,
    findings.aof_write,
    findings.aof_rewrite,
    findings.fork_time,
    findings.replica_link,
    findings.replica_lag,
    findings.slow_log,
    latency,
)


@dataclass(frozen=True)
class Surroundings:
    """What a server's health depends on besides itself; empty where it is not known.

    now: seconds since the epoch, by the clock of the host. overcommit: vm.overcommit_memory.
    huge_pages: the choice of transparent_hugepage/enabled.
    """

    now: float = 0.0
    overcommit: str = ""
    huge_pages: str = ""


NOWHERE = Surroundings()


def redis_health(
    server: RedisInstance,
    thresholds: Mapping[str, Threshold] = DEFAULTS,
    surroundings: Surroundings = NOWHERE,
) -> tuple[HealthCheck, ...]:
    """Check one server; names carry it, as in `redis.hit-rate[6379]`.

    What was not read, or does not apply to this server, is left out.
    """
    return judged(_findings(server, surroundings), thresholds, server.name)


def _findings(server: RedisInstance, surroundings: Surroundings) -> Iterator[Finding]:
    yield _server(server)
    if not server.info:
        return
    found = [
        open_access(server),
        *((find(server) for find in _OF_INFO) if server.role != "sentinel" else ()),
        save_overdue(server, surroundings.now),
        _overcommit(server, surroundings.overcommit),
        _huge_pages(server, surroundings.huge_pages),
    ]
    yield from (one for one in found if one is not None)


def _server(server: RedisInstance) -> Finding:
    if server.problem:
        if any(words in server.problem for words in _REFUSALS):
            advice = "Nothing is known of its health until it can be asked."
            return Finding("redis.server", 1, server.problem, advice)
        advice = f"systemctl status {server.unit}" if server.unit else ""
        return Finding("redis.server", 2, server.problem, advice)
    parts = [server.version, server.role]
    if server.used_memory:
        parts.append(f"{size(server.used_memory)} in {server.keys} keys")
    if uptime := server.number("uptime_in_seconds"):
        parts.append(f"up {duration(uptime)}")
    if is_loading := server.info.get("loading") == "1":
        parts.append("loads its data")
    return Finding("redis.server", is_loading, ", ".join(part for part in parts if part))


def _overcommit(server: RedisInstance, overcommit: str) -> Finding | None:
    if not overcommit or not server.is_persistent:
        return None
    is_strict = overcommit == "2"
    value = f"{overcommit}, saves will fail" if is_strict else overcommit
    return Finding("redis.overcommit", is_strict, value)


def _huge_pages(server: RedisInstance, huge_pages: str) -> Finding | None:
    if not huge_pages or "disable-thp" not in server.config:
        return None
    runs_on_them = huge_pages == "always" and server.config["disable-thp"] == "no"
    return Finding("redis.huge-pages", runs_on_them, "used" if runs_on_them else "not used")
