"""Whether other hosts can use a Redis server without a login. Pure.

Source: redis.conf, NETWORK; the release notes of Redis 7.0 on protected-mode.
"""

from __future__ import annotations

from ipaddress import ip_address

from optimizer.model.redis import RedisInstance
from optimizer.scoring.finding import Finding

_CHECK = "redis.open-access"
# From here on protected-mode also guards addresses that `bind` names.
_GUARDS_ALL = 7


def open_access(server: RedisInstance) -> Finding | None:
    """Tell whether a server is open; nothing where that was not asked or not told."""
    if server.role == "sentinel":
        # It is not asked whether it wants a login.
        return None
    bind = server.config.get("bind")
    if server.name.startswith("/"):
        return Finding(_CHECK, 0, "closed, it listens on a socket only")
    if not server.is_open:
        return Finding(_CHECK, 0, "closed, it wants a login")
    if bind is None:
        return None
    addresses = [address.removeprefix("-") for address in bind.split()]
    if addresses and all(map(_is_local, addresses)):
        return Finding(_CHECK, 0, "closed, it listens on this host only")
    where = " and ".join(addresses) or "all addresses"
    if _is_protected(server, has_bind=bool(addresses)):
        return Finding(_CHECK, 1, f"closed by protected-mode alone, it listens on {where}")
    return Finding(_CHECK, 2, f"open, it listens on {where} and wants no login")


def _is_protected(server: RedisInstance, *, has_bind: bool) -> bool:
    if server.config.get("protected-mode") != "yes":
        return False
    return not has_bind or _major(server) >= _GUARDS_ALL


def _major(server: RedisInstance) -> int:
    # Valkey gives the version of Redis that it is compatible with, which is 7.2.
    major = server.info.get("redis_version", "").partition(".")[0]
    return int(major) if major.isdecimal() else 0


def _is_local(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
