"""Every health check as data: what it looks at, its default threshold and its advice.

Sources: proc_meminfo(5), accounting/psi.rst; INFO, LATENCY DOCTOR, CONFIG GET and the pages
on persistence, replication, latency and security of the Redis documentation; redis.conf.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from optimizer.model.profile import Threshold
from optimizer.scoring.check import Bad, Check
from optimizer.scoring.node_checks import NODE
from optimizer.scoring.pgbouncer_checks import PGBOUNCER
from optimizer.scoring.postgresql_checks import POSTGRESQL

_SYSTEM = (
    Check(
        "system.memory-available",
        Bad.BELOW,
        # Used memory says little, as caches can go.
        Threshold(15, 8),
        "MemAvailable as a share of RAM",
        "Free memory, or give the services less of it.",
        "proc_meminfo(5)",
        unit="%",
        good=30,
    ),
    Check(
        "system.memory-pressure",
        Bad.ABOVE,
        Threshold(5, 20),
        "share of the last 10 s that some task waited for memory",
        "Tasks wait for memory: look for what grew.",
        "accounting/psi.rst",
        unit="%",
        good=1,
        period=" of the last 10 s",
    ),
    Check(
        "system.failed-units",
        Bad.ABOVE,
        Threshold(0),
        "systemd units that have failed",
        "systemctl --failed lists them.",
        "systemctl(1)",
        warning_when="a unit has failed",
    ),
)

_REDIS = (
    Check(
        "redis.server",
        Bad.ABOVE,
        Threshold(0, 1),
        "1 when it loads its data or lets nobody ask, 2 when nothing answers",
        "Look whether it runs, and into its log.",
        "INFO",
        warning_when="it cannot be asked",
        critical_when="nothing answers",
    ),
    Check(
        "redis.open-access",
        Bad.ABOVE,
        Threshold(critical=1),
        "1 when protected-mode alone keeps other hosts out, 2 when they need no login",
        "Bind it to 127.0.0.1, or give the default user a password: yours to do, never done here.",
        "redis.conf: NETWORK; Redis security",
        good=0,
        critical_when="other hosts need no login",
    ),
    Check(
        "redis.memory-used",
        Bad.ABOVE,
        Threshold(90, 97),
        "used memory as a share of maxmemory; a cache that evicts any key may be full",
        "Raise redis.maxmemory where the host has the room, or store less.",
        "redis.conf: MEMORY MANAGEMENT",
        unit="%",
        good=75,
    ),
    Check(
        "redis.hit-rate",
        Bad.BELOW,
        Threshold(90, 50),
        "lookups that found their key, from 1000 lookups on",
        "Give it more redis.maxmemory, or let keys live longer.",
        "INFO: keyspace_hits, keyspace_misses; document 001 of the seeds",
        unit="%",
        good=95,
    ),
    Check(
        "redis.evicted-keys",
        Bad.ABOVE,
        Threshold(0),
        "keys deleted to make room since the start; a cache without persistence may evict",
        "Raise redis.maxmemory, and look for what is missing.",
        "INFO: evicted_keys",
    ),
    Check(
        "redis.fragmentation",
        Bad.ABOVE,
        Threshold(1.5, 2.5),
        "memory that the host gives it per byte that it uses, from 64 MiB of difference on",
        "redis.activedefrag yes returns it; MEMORY PURGE may return some.",
        "INFO: mem_fragmentation_ratio",
        good=1.2,
    ),
    Check(
        "redis.swapped",
        Bad.ABOVE,
        Threshold(10, 50),
        "used memory that is not in RAM, from 64 MiB on",
        "Look at VmSwap of the process; system.sysctl.vm.swappiness 1 keeps it in RAM.",
        "INFO: used_memory_rss; Redis latency: swapping",
        unit="%",
    ),
    Check(
        "redis.clients-used",
        Bad.ABOVE,
        Threshold(80, 95),
        "connected clients as a share of maxclients",
        "Raise redis.maxclients and the LimitNOFILE of its unit, or look for leaked connections.",
        "INFO: connected_clients",
        unit="%",
        good=50,
    ),
    Check(
        "redis.rejected-connections",
        Bad.ABOVE,
        Threshold(0),
        "clients refused since the start because maxclients was reached",
        "Raise redis.maxclients and the LimitNOFILE of its unit.",
        "INFO: rejected_connections",
    ),
    Check(
        "redis.blocked-clients",
        Bad.ABOVE,
        Threshold(1000),
        "clients that wait in BLPOP and its like; workers of a queue do so all day",
        "Look whether producers have stopped: CLIENT LIST shows who waits.",
        "INFO: blocked_clients",
        good=100,
    ),
    Check(
        "redis.last-save",
        Bad.ABOVE,
        Threshold(critical=0),
        "1 when the last save to disk failed",
        "Look into its log for the reason, which is mostly a full disk or a fork that failed.",
        "INFO: rdb_last_bgsave_status",
        critical_when="it failed",
    ),
    Check(
        "redis.save-overdue",
        Bad.ABOVE,
        Threshold(300, 3600),
        "time since a save point asked for a save that has not come",
        "Look into its log; BGSAVE saves now.",
        "INFO: rdb_last_save_time, rdb_changes_since_last_save",
        unit="s",
    ),
    Check(
        "redis.aof-write",
        Bad.ABOVE,
        Threshold(critical=0),
        "1 when the last write to the append-only file failed",
        "Make room on its disk: until then it takes no writes.",
        "INFO: aof_last_write_status",
        critical_when="it failed",
    ),
    Check(
        "redis.aof-rewrite",
        Bad.ABOVE,
        Threshold(0),
        "1 when the last rewrite of the append-only file failed",
        "The file grows until one works: look into its log, then BGREWRITEAOF.",
        "INFO: aof_last_bgrewrite_status",
        warning_when="it failed",
    ),
    Check(
        "redis.fork-time",
        Bad.ABOVE,
        Threshold(100, 1000),
        "how long the last fork for a save stopped it",
        "Save in quiet hours or on a replica; two small servers fork faster than a large one.",
        "INFO: latest_fork_usec; Redis latency: fork",
        unit="ms",
        good=50,
    ),
    Check(
        "redis.replica-link",
        Bad.ABOVE,
        Threshold(critical=0),
        "1 when a replica has lost its primary",
        "See whether the primary runs, can be reached and takes the replica's login.",
        "INFO: master_link_status",
        critical_when="it is down",
    ),
    Check(
        "redis.replica-lag",
        Bad.ABOVE,
        # A primary that has nothing to say pings every 10 s.
        Threshold(15, 60),
        "time since a replica heard of its primary",
        "Look at the network and at redis.repl-backlog-size.",
        "INFO: master_last_io_seconds_ago",
        unit="s",
        good=11,
    ),
    Check(
        "redis.slow-log",
        Bad.ABOVE,
        Threshold(100),
        "entries in the slow log",
        "SLOWLOG GET shows the commands; SLOWLOG RESET begins anew.",
        "SLOWLOG LEN",
        good=0,
    ),
    Check(
        "redis.latency",
        Bad.ABOVE,
        Threshold(100, 1000),
        "longest spike that the latency monitor has seen",
        "LATENCY DOCTOR gives its advice; LATENCY RESET begins anew.",
        "LATENCY DOCTOR",
        unit="ms",
    ),
    Check(
        "redis.overcommit",
        Bad.ABOVE,
        Threshold(critical=0),
        "1 when the kernel promises no more memory than there is, which makes saves fail",
        "Set system.sysctl.vm.overcommit_memory to 1.",
        "redis.conf; vm/overcommit-accounting.rst",
        critical_when="it is 2 and data is saved",
    ),
    Check(
        "redis.huge-pages",
        Bad.ABOVE,
        Threshold(0),
        "1 when it runs on transparent huge pages, which make forks slow and memory grow",
        "Set system.thp.enabled to madvise, or redis.disable-thp to yes.",
        "redis.conf: disable-thp; Redis latency: transparent huge pages",
        warning_when="it runs on them",
    ),
)

CHECKS: Mapping[str, Check] = MappingProxyType(
    {check.name: check for check in (*_SYSTEM, *_REDIS, *POSTGRESQL, *PGBOUNCER, *NODE)}
)


def threshold_of(name: str, thresholds: Mapping[str, Threshold]) -> Threshold:
    """Return the threshold of a check: the one of a profile, else its default."""
    return thresholds.get(name, CHECKS[name].threshold)
