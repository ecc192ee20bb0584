"""The health of a host: of the system, and of each server, cluster and service asked."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.model.observation import Observation
from optimizer.model.profile import Threshold
from optimizer.model.request import ProbeRequest
from optimizer.model.result import HealthCheck
from optimizer.resources.pgbouncer import SIZING
from optimizer.scoring.health import system_health
from optimizer.scoring.node_health import node_health
from optimizer.scoring.pgbouncer_health import pgbouncer_health
from optimizer.scoring.postgresql_health import postgresql_health
from optimizer.scoring.redis_health import Surroundings, redis_health

_OVERCOMMIT = "/proc/sys/vm/overcommit_memory"
_HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"

# What a probe has to read besides the facts, which it always does.
HEALTH_OF_REDIS = ProbeRequest(values=frozenset({_OVERCOMMIT, _HUGE_PAGES}), redis_health=True)
HEALTH_OF_POSTGRESQL = ProbeRequest(postgresql_health=True, pgbouncer=SIZING)
HEALTH_OF_NODE = ProbeRequest(node_health=True)


def health(seen: Observation, thresholds: Mapping[str, Threshold]) -> tuple[HealthCheck, ...]:
    """Check a host and its servers; thresholds: those of a profile, by check."""
    surroundings = Surroundings(
        now=seen.facts.now,
        overcommit=_value(seen, _OVERCOMMIT),
        huge_pages=_value(seen, _HUGE_PAGES),
    )
    pool = seen.facts.huge_pages
    servers = [redis_health(server, thresholds, surroundings) for server in seen.redis]
    servers += [postgresql_health(cluster, thresholds, pool) for cluster in seen.postgresql]
    servers.append(pgbouncer_health(seen.pgbouncer, seen.postgresql, thresholds))
    servers += [node_health(service, thresholds, seen.facts.uptime) for service in seen.node_health]
    return (*system_health(seen.facts, thresholds), *(check for one in servers for check in one))


def _value(seen: Observation, path: str) -> str:
    return seen.values[path].text if path in seen.values else ""
