"""How the memory of one host is shared out, so that the worst cases of its services fit. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

# Shares of the services in what is left for them.
SHARES: Mapping[str, int] = {"postgresql": 5, "redis": 2, "node": 3}

_MIB = 2**20
_RESERVE_LEAST = 512 * _MIB
_RESERVE_MOST = 8 * 1024 * _MIB


def reserve(ram: int) -> int:
    """Bytes that the kernel and everything small on the host keep: a tenth, within bounds."""
    return min(max(ram // 10, _RESERVE_LEAST), _RESERVE_MOST)


def shares(ram: int, services: Collection[str]) -> dict[str, int]:
    """Return bytes for each of the services on a host; 0 where the host is too small.

    PostgreSQL reads through the page cache, so a tenth stays free for that where it runs.
    """
    present = {name: SHARES[name] for name in SHARES if name in services}
    cache = ram // 10 if "postgresql" in present else 0
    left = max(0, ram - reserve(ram) - cache)
    whole = sum(present.values())
    return {name: left * share // whole for name, share in present.items()}
