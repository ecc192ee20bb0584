"""PostgreSQL: the write-ahead log, checkpoints, and what a crash may lose.

Source: chapter "Write Ahead Log" of the PostgreSQL manual; pg_settings of 15, 17 and 18.
"""

from __future__ import annotations

from optimizer.catalog.declare import postgresql
from optimizer.catalog.postgresql_values import (
    ON_OFF,
    Real,
    Rising,
    Time,
    Words,
    blocks,
    mebibytes,
)
from optimizer.catalog.valuetypes import Barring
from optimizer.model.tunable import Effect, Risk
from optimizer.model.values import Integer

_PAGE = "runtime-config-wal"
_RESOURCES = "runtime-config-resource"
_REPLICATION = "runtime-config-replication"

_CORRUPTION = "a crash can then leave tables and indexes that cannot be read"
_FILE_SYSTEM = "it is right only on file systems that copy on write, such as ZFS and btrfs"

_DURABILITY = (
    postgresql(
        "fsync",
        Barring(ON_OFF, (("off", _CORRUPTION),)),
        "Waits until the disk has what a commit or a checkpoint wrote.",
        _PAGE,
        weight=5,
        risk=Risk.HIGH,
    ),
    postgresql(
        "full_page_writes",
        Barring(ON_OFF, (("off", _CORRUPTION),)),
        "Logs each page as a whole after a checkpoint, so that one which a crash tore apart can "
        "be put together again.",
        _PAGE,
        weight=5,
        risk=Risk.HIGH,
    ),
    postgresql(
        "synchronous_commit",
        Rising(
            ("off", "local", "remote_write", "on", "remote_apply"),
            (("true", "on"), ("yes", "on"), ("1", "on"),
             ("false", "off"), ("no", "off"), ("0", "off")),
        ),
        "Is what a commit waits for; off loses what was committed in the last 0.6 s before a "
        "crash, and a role that writes nothing of worth may set it for itself.",
        _PAGE,
        weight=4,
        risk=Risk.HIGH,
    ),
    postgresql(
        "wal_writer_delay",
        Time(1, 10000, "ms"),
        "Is how often the log is written for commits that do not wait.",
        _PAGE,
        weight=1,
        risk=Risk.MEDIUM,
        opt_in="three times this long is what commits that do not wait can lose",
    ),
    postgresql(
        "commit_delay",
        Integer(0, 100000, "us"),
        "Makes a commit wait for others to share its write with; 0 never does.",
        _PAGE,
        weight=1,
        risk=Risk.MEDIUM,
    ),
    postgresql(
        "commit_siblings",
        Integer(0, 1000),
        "Is how many other transactions have to be open for that wait.",
        _PAGE,
        weight=1,
        opt_in="it has no effect while commit_delay is 0",
    ),
)  # fmt: skip

_LOG = (
    postgresql(
        "wal_buffers",
        blocks(4, 262143, (-1, "1/32 of shared_buffers, at most one segment")),
        "Holds log that is not written yet.",
        _PAGE,
        weight=2,
        effect=Effect.RESTART,
    ),
    postgresql(
        "wal_compression",
        Words(
            ("off", "on", "pglz", "lz4", "zstd"),
            (("true", "on"), ("yes", "on"), ("1", "on"),
             ("false", "off"), ("no", "off"), ("0", "off")),
            instead=(("lz4", "pglz"), ("zstd", "pglz"), ("pglz", "on")),
            printed_as=(("on", "pglz"),),
        ),
        "Compresses the whole pages in the log: less to write, for some CPU time; lz4 and zstd "
        "need 15 and a build that has them.",
        _PAGE,
        weight=3,
    ),
    postgresql(
        "wal_init_zero",
        ON_OFF,
        "Fills new files of the log with zeros, so that their blocks are there.",
        _PAGE,
        weight=1,
        risk=Risk.MEDIUM,
        opt_in=_FILE_SYSTEM,
    ),
    postgresql(
        "wal_recycle",
        ON_OFF,
        "Uses old files of the log again rather than making new ones.",
        _PAGE,
        weight=1,
        risk=Risk.MEDIUM,
        opt_in=_FILE_SYSTEM,
    ),
    postgresql(
        "wal_sync_method",
        Words(("fsync", "fdatasync", "open_sync", "open_datasync")),
        "Is how the log is made to reach the disk.",
        _PAGE,
        weight=1,
        risk=Risk.HIGH,
        opt_in="which one is fast and keeps its word, pg_test_fsync and a cut of the power tell",
    ),
    postgresql(
        "max_wal_senders",
        Integer(0, 262143),
        "Caps the standbys and backups that are sent the log.",
        _REPLICATION,
        weight=1,
        effect=Effect.RESTART,
        risk=Risk.HIGH,
        opt_in="how many standbys there are differs from host to host, and a standby needs at "
        "least as many as its primary to start",
    ),
)  # fmt: skip

_CHECKPOINTS = (
    postgresql(
        "checkpoint_timeout",
        Time(30, 86400, "s"),
        "Is the longest time between two checkpoints; more time is fewer whole pages in the log, "
        "and a longer recovery after a crash.",
        _PAGE,
        weight=4,
        risk=Risk.MEDIUM,
    ),
    postgresql(
        "checkpoint_completion_target",
        Real(0, 1),
        "Spreads a checkpoint over this share of the time until the next one.",
        _PAGE,
        weight=2,
    ),
    postgresql(
        "checkpoint_flush_after",
        blocks(1, 256, (0, "leaves it to the kernel")),
        "Is how much a checkpoint writes before it has the kernel start with the disk.",
        _PAGE,
        weight=1,
        opt_in="the default keeps fsync short on every disk that was looked at",
    ),
    postgresql(
        "max_wal_size",
        mebibytes(2),
        "Is how much log starts a checkpoint early; slots, archiving and bursts make the log "
        "larger than this, and a disk full of log stops the server.",
        _PAGE,
        weight=5,
        risk=Risk.MEDIUM,
    ),
    postgresql(
        "min_wal_size",
        mebibytes(2),
        "Is how much log is kept to be used again, ready for a burst.",
        _PAGE,
        weight=2,
        risk=Risk.MEDIUM,
    ),
)

_BACKGROUND = (
    postgresql(
        "bgwriter_delay",
        Time(10, 10000, "ms"),
        "Is how often changed pages are written ahead of their eviction.",
        _RESOURCES,
        weight=1,
    ),
    postgresql(
        "bgwriter_lru_maxpages",
        Integer(0, 1073741823),
        "Is how many pages that is each time at most; 0 leaves all of them to the queries.",
        _RESOURCES,
        weight=2,
    ),
    postgresql(
        "bgwriter_lru_multiplier",
        Real(0, 10),
        "Is how many times the recent need that is.",
        _RESOURCES,
        weight=1,
    ),
)

TUNABLES = (*_DURABILITY, *_LOG, *_CHECKPOINTS, *_BACKGROUND)
