"""Redis servers to check the health of: a good one, and one with all that can be wrong."""

from __future__ import annotations

from dataclasses import replace

from optimizer.model.redis import RedisInstance
from optimizer.scoring.redis_health import Surroundings

NOW = 2_000_000.0
SOUND = Surroundings(now=NOW, overcommit="1", huge_pages="madvise")

_INFO = {
    "redis_version": "7.0.15",
    "redis_mode": "standalone",
    "role": "master",
    "uptime_in_seconds": "300000",
    "used_memory": str(2**30),
    "used_memory_rss": str(2**30 + 2**26),
    "maxmemory": str(2**31),
    "maxmemory_policy": "noeviction",
    "connected_clients": "12",
    "blocked_clients": "0",
    "rejected_connections": "0",
    "evicted_keys": "0",
    "keyspace_hits": "98000",
    "keyspace_misses": "2000",
    "rdb_changes_since_last_save": "5",
    "rdb_last_save_time": str(int(NOW) - 600),
    "rdb_last_bgsave_status": "ok",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "latest_fork_usec": "11800",
}
_CONFIG = {
    "bind": "127.0.0.1 -::1",
    "protected-mode": "yes",
    "save": "3600 1 300 100 60 10000",
    "appendonly": "yes",
    "disable-thp": "yes",
    "maxclients": "10000",
}

GOOD = RedisInstance(
    name="6379",
    address="127.0.0.1:6379",
    unit="redis-server.service",
    config=_CONFIG,
    info=_INFO,
    keys=100_000,
    is_open=True,
    latency="Dave, no latency spike was observed during the lifetime of this Redis instance, "
    "not in the slightest bit. I honestly think you ought to sit down calmly.",
    slow=0,
)

COMPLAINT = (
    "Dave, I have observed latency spikes in this Redis instance. You don't mind talking about "
    "it, do you Dave?  1. command: 5 latency spikes (average 300ms, mean deviation 120ms, period "
    "73.40 sec). Worst all time event 500ms. 2. fork: 1 latency spikes (average 1200ms, mean "
    "deviation 0ms, period 10.00 sec). Worst all time event 1200ms. Fork rate is 9.10 GB/sec "
    "(terrible).  I have a few advices for you:  - Check your Slow Log to understand what are the "
    "commands you are running which are too slow to execute. Please check "
    "https://redis.io/commands/slowlog for more information. - If you are using a virtual machine, "
    "consider upgrading it with a faster one. "
)


def server(config: dict[str, str] | None = None, **info: str) -> RedisInstance:
    """Make the good server with other parameters and other fields of INFO."""
    return replace(GOOD, config={**_CONFIG, **(config or {})}, info={**_INFO, **info})


BAD = replace(
    server(
        {"bind": "* -::*", "protected-mode": "no", "disable-thp": "no"},
        used_memory=str(2**31 - 2**20),
        used_memory_rss=str(6 * 2**30),
        evicted_keys="231705",
        rejected_connections="3",
        keyspace_hits="40000",
        keyspace_misses="60000",
        rdb_last_bgsave_status="err",
        rdb_changes_since_last_save="120000",
        rdb_last_save_time=str(int(NOW) - 9000),
        latest_fork_usec="1200000",
    ),
    name="6380",
    unable={"activedefrag": "Active defragmentation cannot be enabled"},
    latency=COMPLAINT,
    slow=128,
)
DOWN = RedisInstance(
    name="redis-cache",
    problem="is not running: redis-cache.service is failed",
    unit="redis-cache.service",
)
REPLICA = replace(server(role="slave", master_link_status="up", master_last_io_seconds_ago="3"))
