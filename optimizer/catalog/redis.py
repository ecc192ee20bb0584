"""Redis and Valkey: memory, persistence, connections, and what they report about themselves.

Source: redis.conf of Redis 7.0 and 8.0, valkey.conf of Valkey 8.1, and both servers asked.
"""

from __future__ import annotations

from optimizer.catalog.declare import Area, redis
from optimizer.catalog.redis_values import (
    OOM_SCORE_ADJ,
    REDIS_CPU_LIST,
    SOCKET_PATH,
    YES_NO,
    BufferLimit,
    BytesOrPercent,
    Mode,
    OomScores,
    Ranked,
    SavePoints,
)
from optimizer.catalog.spelling import meant, spellings
from optimizer.catalog.valuetypes import Barring
from optimizer.model.tunable import Effect, Risk
from optimizer.model.values import INT_MAX, LONG_MAX, Choice, Integer

_NEEDS_PLACEMENT = "which CPUs the server gets has to be chosen for each host"
_NEEDS_CLIENTS = "its clients have to be told where the socket is"
_FORMAT = "it is in the format of the files, not in the speed of the server"

_REPORTS = (
    redis(
        "latency-tracking",
        value=YES_NO,
        why="Keeps percentiles of the time that each kind of command takes.",
        weight=2,
    ),
    redis(
        "latency-monitor-threshold",
        value=Integer(0, LONG_MAX, "ms"),
        why="Keeps the events that took at least this long for LATENCY DOCTOR; 0 keeps none.",
        weight=2,
    ),
    redis(
        "slowlog-log-slower-than",
        value=Integer(-1, LONG_MAX, "us"),
        why="Keeps the commands that took longer than this in the slow log; -1 keeps none.",
        weight=2,
    ),
    redis(
        "slowlog-max-len",
        value=Integer(0, LONG_MAX),
        why="Is how many slow commands are kept; a busy minute drives older ones out.",
        weight=1,
    ),
)

_OUT_OF_MEMORY = (
    redis(
        "oom-score-adj-values",
        value=OomScores(),
        why="Is what oom-score-adj adds for a primary, a replica and a child that saves.",
        weight=1,
        risk=Risk.MEDIUM,
    ),
    redis(
        "oom-score-adj",
        value=OOM_SCORE_ADJ,
        why="Has the child that saves killed before the server when memory runs out.",
        weight=3,
    ),
    redis(
        "disable-thp",
        value=YES_NO,
        why="Keeps huge pages out of the server, where a fork would make each write copy 2 MiB.",
        weight=3,
        effect=Effect.RESTART,
    ),
)

_LAZY = tuple(
    redis(name, value=YES_NO, why=why, weight=2)
    for name, why in (
        (
            "lazyfree-lazy-eviction",
            "Frees evicted values in the background, so that a large one delays no command.",
        ),
        (
            "lazyfree-lazy-expire",
            "Frees expired values in the background, so that a large one delays no command.",
        ),
        (
            "lazyfree-lazy-server-del",
            "Frees values that a command replaces, as RENAME does, in the background.",
        ),
        (
            "lazyfree-lazy-user-del",
            "Makes DEL free in the background, as UNLINK does.",
        ),
        (
            "lazyfree-lazy-user-flush",
            "Makes FLUSHALL and FLUSHDB free in the background unless they are told otherwise.",
        ),
        (
            "replica-lazy-flush",
            "Lets a replica drop its old data in the background when it is sent all data anew.",
        ),
    )
)

# The policy stands before the limit: when both change, nothing is evicted, or refused, by the
# rule that is on its way out.
_MEMORY = (
    redis(
        "maxmemory-samples",
        value=Integer(1, 64),
        why="Is how many keys are looked at to find one to evict; more finds older ones.",
        weight=1,
    ),
    redis(
        "maxmemory-eviction-tenacity",
        value=Integer(0, 100),
        why="Is how long an eviction may hold commands up; 100 goes on until there is room.",
        weight=1,
    ),
    redis(
        "maxmemory-policy",
        value=Choice(
            (
                "noeviction",
                "volatile-lru",
                "volatile-lfu",
                "volatile-random",
                "volatile-ttl",
                "allkeys-lru",
                "allkeys-lfu",
                "allkeys-random",
            )
        ),
        why="Decides what gives way when memory is full: noeviction refuses writes, volatile-* "
        "drops keys that have an expiry, allkeys-* drops any key, orders and locks among them.",
        weight=6,
        risk=Risk.HIGH,
    ),
    redis(
        "maxmemory",
        value=Integer(0, LONG_MAX, "bytes"),
        why="Caps what keys and buffers take, so that the copy which a save needs still fits; "
        "0 is no limit, and lowering it below what is used evicts or refuses writes at once.",
        weight=8,
        risk=Risk.HIGH,
    ),
    redis(
        "maxmemory-clients",
        value=BytesOrPercent(),
        why="Caps the buffers of all clients together by dropping the largest ones.",
        weight=3,
        risk=Risk.MEDIUM,
    ),
    *(
        redis(
            f"client-output-buffer-limit.{name}",
            value=BufferLimit(),
            why=why,
            weight=2,
            risk=Risk.MEDIUM,
            opt_in=opt_in,
        )
        for name, why, opt_in in (
            (
                "normal",
                "Drops a client that asks for more than it reads, before its answers fill the "
                "memory.",
                "",
            ),
            (
                "replica",
                "Drops a replica that falls behind; it then needs all data again.",
                "how far a replica may fall behind differs from host to host",
            ),
            (
                "pubsub",
                "Drops a subscriber that falls behind; what it had not read is lost.",
                "it has to hold the largest burst of the feed that is published there",
            ),
        )
    ),
    redis(
        "activedefrag",
        value=YES_NO,
        why="Moves values together to give memory back, for some CPU time; only builds with "
        "their own allocator can, and Debian's cannot.",
        weight=2,
        risk=Risk.MEDIUM,
    ),
    redis(
        "jemalloc-bg-thread",
        value=YES_NO,
        why="Gives freed memory back to the host from a thread of its own.",
        weight=1,
    ),
    redis(
        "activerehashing",
        value=YES_NO,
        why="Grows the table of keys in steps of 1 ms rather than with each command only.",
        weight=1,
    ),
)

_EXPIRY = (
    redis(
        "hz",
        value=Integer(1, 500, "Hz"),
        why="Is how often expired keys and dead clients are looked for.",
        weight=1,
        opt_in="more often is more CPU time at all hours, and few need keys to go on the dot",
    ),
    redis(
        "dynamic-hz",
        value=YES_NO,
        why="Looks for them more often while there are many clients.",
        weight=1,
    ),
    redis(
        "active-expire-effort",
        value=Integer(1, 10),
        why="Is how much CPU time the search for expired keys may take.",
        weight=1,
    ),
)

_CONNECTIONS = (
    redis(
        "tcp-keepalive",
        value=Integer(0, INT_MAX, "s"),
        why="Finds clients that are gone after this time of silence; 0 never does.",
        weight=2,
        effect=Effect.NEW_CONNECTIONS,
    ),
    redis(
        "timeout",
        value=Integer(0, INT_MAX, "s"),
        why="Closes connections that are idle for this long, those of a pool among them; "
        "0 never does.",
        weight=1,
        risk=Risk.MEDIUM,
    ),
    redis(
        "tcp-backlog",
        value=Integer(0, INT_MAX),
        why="Is how many connections may wait to be accepted, up to net.core.somaxconn.",
        weight=2,
        effect=Effect.RESTART,
    ),
    redis(
        "maxclients",
        value=Integer(1, INT_MAX),
        why="Caps the clients; at its start the server lowers it to its open files less 32.",
        weight=3,
        risk=Risk.MEDIUM,
        opt_in="how many clients there are differs from host to host",
    ),
    redis(
        "unixsocketperm",
        value=Mode(),
        why="Decides which accounts may connect through the Unix socket.",
        weight=1,
        risk=Risk.MEDIUM,
        effect=Effect.RESTART,
        opt_in=_NEEDS_CLIENTS,
    ),
    redis(
        "unixsocket",
        value=SOCKET_PATH,
        why="Opens a socket for clients on the same host, a shorter way than loopback.",
        weight=1,
        risk=Risk.MEDIUM,
        effect=Effect.RESTART,
        opt_in=_NEEDS_CLIENTS,
    ),
)

_THREADS = (
    redis(
        "io-threads",
        value=Integer(1, 128),
        why="Spreads reading and writing of sockets over threads: more throughput, and more "
        "jitter; it needs CPUs that nobody else wants.",
        weight=2,
        risk=Risk.MEDIUM,
        effect=Effect.RESTART,
    ),
    redis(
        "io-threads-do-reads",
        value=YES_NO,
        why="Lets those threads read as well; since 8.0 they always do.",
        weight=1,
        effect=Effect.RESTART,
    ),
    *(
        redis(
            name,
            value=REDIS_CPU_LIST,
            why=f"Keeps {what} on these CPUs.",
            weight=1,
            risk=Risk.MEDIUM,
            effect=Effect.RESTART,
            opt_in=_NEEDS_PLACEMENT,
        )
        for name, what in (
            ("server-cpulist", "the thread that answers commands, and its I/O threads,"),
            ("bio-cpulist", "the threads that free memory and sync files"),
            ("aof-rewrite-cpulist", "the child that rewrites the append-only file"),
            ("bgsave-cpulist", "the child that writes a dump"),
        )
    ),
)

_REPLICATION = (
    redis(
        "repl-backlog-size",
        value=Integer(16384, LONG_MAX, "bytes"),
        why="Keeps the last writes for a replica that was away; without them it needs all data "
        "again, and a fork for it.",
        weight=2,
    ),
    redis(
        "repl-diskless-sync",
        value=YES_NO,
        why="Sends a new replica its data without a file in between.",
        weight=1,
    ),
    redis(
        "min-replicas-to-write",
        value=Integer(0, INT_MAX),
        why="Refuses writes while fewer replicas than this keep up; 0 never does.",
        weight=1,
        risk=Risk.HIGH,
        opt_in="writes stop when a replica is away, which the application has to expect",
    ),
)

# The append-only file stands before the save points: where one takes the place of the other,
# the server is not without both in between.
_PERSISTENCE = (
    redis(
        "rdbcompression",
        value=YES_NO,
        why="Compresses dumps, for CPU time of the child that writes them.",
        weight=1,
        opt_in=_FORMAT,
    ),
    redis(
        "rdbchecksum",
        value=YES_NO,
        why="Ends each dump with a checksum, so that a damaged one is noticed.",
        weight=1,
        risk=Risk.HIGH,
        effect=Effect.RESTART,
        opt_in="without it a damaged dump is loaded as if it were sound",
    ),
    redis(
        "aof-use-rdb-preamble",
        value=YES_NO,
        why="Begins a rewritten append-only file with a dump, which loads faster.",
        weight=1,
        opt_in=_FORMAT,
    ),
    redis(
        "auto-aof-rewrite-percentage",
        value=Integer(0, INT_MAX, "percent"),
        why="Rewrites the append-only file when it has grown by this much; 0 never does.",
        weight=1,
        risk=Risk.MEDIUM,
    ),
    redis(
        "auto-aof-rewrite-min-size",
        value=Integer(0, LONG_MAX, "bytes"),
        why="Leaves a smaller append-only file alone; each rewrite is a fork.",
        weight=2,
    ),
    redis(
        "appendfsync",
        value=Barring(
            Ranked(("no", "everysec", "always")),
            (("no", "a crash then loses up to 30 s of writes, and no gain was measured"),),
        ),
        why="Is how often the append-only file reaches the disk: each second, or before each "
        "answer, which costs two thirds of the throughput.",
        weight=4,
        risk=Risk.HIGH,
    ),
    redis(
        "no-appendfsync-on-rewrite",
        value=YES_NO,
        why="Leaves fsync out while a child writes, so that the two do not wait for each other.",
        weight=1,
        risk=Risk.HIGH,
        opt_in="a crash during a rewrite then loses up to 30 s of writes",
    ),
    redis(
        "stop-writes-on-bgsave-error",
        value=YES_NO,
        why="Refuses writes after a dump failed, rather than taking what may never be saved.",
        weight=1,
        risk=Risk.HIGH,
        opt_in="no lets writes go on unsaved, and yes stops them at once where saving fails",
    ),
    redis(
        "appendonly",
        value=YES_NO,
        why="Writes each change to a file that a restart reads; off, a crash loses all that came "
        "after the last dump.",
        weight=5,
        risk=Risk.HIGH,
    ),
    redis(
        "save",
        value=SavePoints(),
        why="Is when dumps are written by themselves; without any, an old dump would still be "
        "read at the next start.",
        weight=3,
        risk=Risk.HIGH,
    ),
)

AREA = Area(
    "Redis",
    (
        *_REPORTS,
        *_OUT_OF_MEMORY,
        *_LAZY,
        *_MEMORY,
        *_EXPIRY,
        *_CONNECTIONS,
        *_THREADS,
        *_REPLICATION,
        *_PERSISTENCE,
    ),
)

_SPELLED = spellings(AREA.tunables)


def nearest(name: str) -> str | None:
    """Return the id that a mistyped one was probably meant to be.

    Written as in a program or an environment (redis.maxMemory, REDIS_MAXMEMORY) it is known too.
    """
    return meant(name, ("redis",), _SPELLED)
