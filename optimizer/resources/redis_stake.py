"""Which data a change of a Redis parameter can lose. Pure."""

from __future__ import annotations

from optimizer.model.reading import Difference
from optimizer.model.redis import NO_SAVE, RedisInstance

# A limit closer to what is used than this evicts or refuses writes at once (percent).
_ROOM = 105


def stake(difference: Difference, server: RedisInstance) -> str:
    """Say how many keys or bytes are at stake; empty for a change that can lose none."""
    reading = difference.reading
    # What the next start sets is compared only where what is in force stays as it is.
    before, after = (reading.live, difference.live)
    if after is None:
        before, after = (reading.boot, difference.boot)
    return at_stake(reading.tunable.target, before or "", after or "", server)


def at_stake(parameter: str, before: str, after: str, server: RedisInstance) -> str:
    """Say what one change of a parameter, given in canonical text, can lose."""
    match parameter:
        case "appendonly" if after == "no" and before == "yes" and server.keys:
            return f"{_keys(server.keys)} will not be in an append-only file any more"
        case "save" if after == NO_SAVE and before != NO_SAVE and server.keys:
            return f"{_keys(server.keys)} will not be saved any more"
        case "maxmemory-policy" if _starts_evicting(before, after):
            return _evictable(server)
        case "maxmemory":
            return _too_small(int(before or 0), int(after or 0), server)
    return ""


def _starts_evicting(before: str, after: str) -> bool:
    return after.startswith("allkeys-") and not before.startswith("allkeys-")


def _evictable(server: RedisInstance) -> str:
    """Keys without an expiry are state where somebody keeps them, on a disk or on a replica."""
    is_state = server.is_persistent or server.number("connected_slaves") or server.role == "replica"
    lasting = server.keys - server.expiring
    if not is_state or lasting <= 0:
        return ""
    return f"{_keys(lasting)} without an expiry may be evicted"


def _too_small(before: int, after: int, server: RedisInstance) -> str:
    is_lower = after > 0 and (before == 0 or after < before)
    if not is_lower or after * 100 >= server.used_memory * _ROOM:
        return ""
    used, limit = server.used_memory / 2**20, after / 2**20
    return f"{used:.1f} MiB are in use, too much for a limit of {limit:.1f} MiB"


def _keys(count: int) -> str:
    return f"{count} key" if count == 1 else f"{count} keys"
