"""What the numbers of a Redis server say about its memory, clients, disk and replication. Pure.

Source: INFO of the Redis documentation.
"""

from __future__ import annotations

from optimizer.model.redis import RedisInstance
from optimizer.scoring.check import NEVER
from optimizer.scoring.finding import Finding, duration, size

# Fewer lookups say nothing about a rate.
LEAST_LOOKUPS = 1000
# A small server has a high ratio and wastes nothing worth a word.
LEAST_BYTES = 64 * 2**20

# What clears a counter that only grows.
_ANEW = "CONFIG RESETSTAT counts anew."


def memory_used(server: RedisInstance) -> Finding | None:
    """Compare used memory with maxmemory, where there is one."""
    limit = server.number("maxmemory")
    if not limit:
        return None
    used = max(0, server.used_memory - server.number("mem_not_counted_for_evict"))
    percent = 100 * used / limit
    value = f"{percent:.0f} % of {size(limit)}"
    # A cache that may evict any key is full all day, as it should be.
    threshold = NEVER if _evicts_any(server) else None
    return Finding("redis.memory-used", percent, value, threshold=threshold)


def hit_rate(server: RedisInstance) -> Finding | None:
    """Tell how many lookups found their key."""
    hits, misses = server.number("keyspace_hits"), server.number("keyspace_misses")
    lookups = hits + misses
    if lookups < LEAST_LOOKUPS:
        value = f"no data, {lookups} lookups since the start"
        return Finding("redis.hit-rate", 0, value, threshold=NEVER)
    percent = 100 * hits / lookups
    return Finding("redis.hit-rate", percent, f"{percent:.0f} % of {lookups} lookups")


def evicted_keys(server: RedisInstance) -> Finding | None:
    """Count keys that were deleted to make room."""
    evicted = server.number("evicted_keys")
    is_cache = _evicts_any(server) and not server.is_persistent
    advice = f"Raise redis.maxmemory, and look for what is missing. {_ANEW}"
    if _evicts_any(server):
        advice = f"What is saved should not be evicted: redis.maxmemory-policy noeviction. {_ANEW}"
    threshold = NEVER if is_cache else None
    return Finding("redis.evicted-keys", evicted, _since(server, evicted), advice, threshold)


def fragmentation(server: RedisInstance) -> Finding | None:
    """Compare the memory that the host gives with the memory that is used."""
    used, resident = server.used_memory, server.number("used_memory_rss")
    if not used or not resident:
        return None
    more = resident - used
    value = f"{resident / used:.2f}, {size(more)} more than used" if more > 0 else "1.00"
    advice = ""
    if reason := server.unable.get("activedefrag"):
        advice = f"MEMORY PURGE may return some; this build cannot defragment ({reason})."
    threshold = None if more >= LEAST_BYTES else NEVER
    return Finding("redis.fragmentation", resident / used, value, advice, threshold)


def swapped(server: RedisInstance) -> Finding | None:
    """Tell how much of the used memory is not in RAM, when that is more than a little."""
    used, resident = server.used_memory, server.number("used_memory_rss")
    missing = used - resident
    if not resident or missing < LEAST_BYTES:
        return None
    percent = 100 * missing / used
    return Finding("redis.swapped", percent, f"{percent:.0f} %, {size(missing)} are not in RAM")


def clients_used(server: RedisInstance) -> Finding | None:
    """Compare connected clients with maxclients."""
    text = server.config.get("maxclients") or server.info.get("maxclients", "")
    limit = int(text) if text.isdecimal() else 0
    if not limit:
        return None
    clients = server.number("connected_clients")
    percent = 100 * clients / limit
    return Finding("redis.clients-used", percent, f"{percent:.0f} %, {clients} of {limit}")


def rejected_connections(server: RedisInstance) -> Finding | None:
    """Count clients that were turned away."""
    rejected = server.number("rejected_connections")
    advice = f"Raise redis.maxclients and the LimitNOFILE of its unit. {_ANEW}"
    return Finding("redis.rejected-connections", rejected, _since(server, rejected), advice)


def blocked_clients(server: RedisInstance) -> Finding | None:
    """Count clients that wait for something to arrive."""
    blocked = server.number("blocked_clients")
    return Finding("redis.blocked-clients", blocked, str(blocked))


def last_save(server: RedisInstance) -> Finding | None:
    """Tell whether the last save to disk worked."""
    status = server.info.get("rdb_last_bgsave_status")
    if status is None:
        return None
    return Finding("redis.last-save", status != "ok", "failed" if status != "ok" else "worked")


def aof_write(server: RedisInstance) -> Finding | None:
    """Tell whether the last write to the append-only file worked."""
    return _of_aof(server, "redis.aof-write", "aof_last_write_status")


def aof_rewrite(server: RedisInstance) -> Finding | None:
    """Tell whether the last rewrite of the append-only file worked."""
    return _of_aof(server, "redis.aof-rewrite", "aof_last_bgrewrite_status")


def _of_aof(server: RedisInstance, check: str, field: str) -> Finding | None:
    if server.info.get("aof_enabled") != "1" or field not in server.info:
        return None
    is_bad = server.info[field] != "ok"
    return Finding(check, is_bad, "failed" if is_bad else "worked")


def fork_time(server: RedisInstance) -> Finding | None:
    """Tell how long the last fork stopped the server, if there was one."""
    microseconds = server.number("latest_fork_usec")
    if not microseconds:
        return None
    ms = microseconds / 1000
    return Finding("redis.fork-time", ms, f"{ms:.3g} ms" if ms < 1000 else f"{ms:.0f} ms")


def replica_link(server: RedisInstance) -> Finding | None:
    """Tell whether a replica hears of its primary."""
    if server.role != "replica":
        return None
    if server.info.get("master_link_status") == "up":
        return Finding("redis.replica-link", 0, "up")
    down = server.number("master_link_down_since_seconds")
    value = f"down for {duration(down)}" if down > 0 else "down"
    if server.info.get("master_sync_in_progress") == "1":
        value += ", the first copy is under way"
    return Finding("redis.replica-link", 1, value)


def replica_lag(server: RedisInstance) -> Finding | None:
    """Tell when a replica last heard of its primary; nothing while the link is down."""
    if server.role != "replica" or server.info.get("master_link_status") != "up":
        return None
    seconds = max(0, server.number("master_last_io_seconds_ago"))
    return Finding("redis.replica-lag", seconds, f"heard of its primary {seconds} s ago")


def slow_log(server: RedisInstance) -> Finding | None:
    """Count the entries of the slow log, where it was asked for."""
    if server.slow is None:
        return None
    return Finding("redis.slow-log", server.slow, _entries(server.slow))


def _entries(number: int) -> str:
    return "1 entry" if number == 1 else f"{number} entries"


def _evicts_any(server: RedisInstance) -> bool:
    return server.info.get("maxmemory_policy", "").startswith("allkeys-")


def _since(server: RedisInstance, number: int) -> str:
    uptime = server.number("uptime_in_seconds")
    return f"{number} in {duration(uptime)}" if number and uptime else str(number)
