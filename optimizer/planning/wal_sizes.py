"""How much write-ahead log a cluster may keep on its disk. Pure; sizes in MiB."""

from __future__ import annotations

# What the server keeps by default, taken where nothing is known of the disk.
_UNKNOWN = 1024
_LEAST = 64
_MOST = 16 * 1024


def most_wal(free: int | None, now: int | None) -> int:
    """Return what max_wal_size may be with so much space free; None: not known.

    A quarter of it, as others write there too, as a power of two. now: what it is set to, which
    stays while it is half of the space at most: what is free moves all the time, and the
    setting should not follow.
    """
    if free is None:
        return now or _UNKNOWN
    quarter = min(max(free // 4, _LEAST), _MOST)
    size: int = 2 ** (quarter.bit_length() - 1)
    return now if now is not None and size < now <= 2 * size else size
