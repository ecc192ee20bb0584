"""Redis servers that this controller reaches by itself, asked through redis-py.

The same questions as the host asks its own servers, and the same typed answer. It is for
reading: what a server is changed through is the host, where the way back is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from optimizer.host.redis_observed import by_class, info_of
from optimizer.model.redis import INFO_FIELDS, RedisInstance, RedisLogin
from optimizer.model.request import ProbeRequest

# Seconds for a connection, and for each answer.
_PATIENCE = 10.0
_HEALTH = ("bind", "protected-mode", "save", "appendonly", "disable-thp", "maxclients")


def read_servers(
    urls: Mapping[str, RedisLogin], request: ProbeRequest
) -> tuple[RedisInstance, ...]:
    """Ask servers by URL. Never raises: a server that gives no answer says so as its problem."""
    return tuple(_read(url, login, request) for url, login in urls.items())


def _read(url: str, login: RedisLogin, request: ProbeRequest) -> RedisInstance:
    import redis

    client = _client(url, login)
    name, address = _name_and_address(url)
    try:
        return _described(client, url, request, RedisInstance(name, address, can_change=False))
    except redis.AuthenticationError:
        problem = "wants another login than the one of redis_url"
    except redis.RedisError as error:
        problem = f"gives no answer over redis_url: {error}"
    finally:
        client.close()
    return RedisInstance(name, address, problem=problem, can_change=False)


def _client(url: str, login: RedisLogin) -> Any:
    import redis

    return redis.Redis.from_url(
        url,
        username=login.user or None,
        password=login.password or None,
        decode_responses=True,
        socket_timeout=_PATIENCE,
        socket_connect_timeout=_PATIENCE,
    )


def _name_and_address(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path, parts.path
    return str(parts.port or 6379), f"{parts.hostname}:{parts.port or 6379}"


def _described(
    client: Any, url: str, request: ProbeRequest, server: RedisInstance
) -> RedisInstance:
    # The text itself: numbers that were read and printed again are not what the server said.
    client.set_response_callback("INFO", lambda answer, **_: answer)
    info, keys, expiring = info_of(client.execute_command("INFO"))
    said: dict[str, Any] = {
        "info": {field: text for field, text in info.items() if field in INFO_FIELDS},
        "keys": keys,
        "expiring": expiring,
        "config_file": info.get("config_file", ""),
    }
    if info.get("redis_mode") != "sentinel":
        asked = {*request.redis, *(_HEALTH if request.redis_health else ())}
        config = _config(client, asked)
        said |= {
            "config": by_class(config),
            "fixed": frozenset(_fixed(client, config)),
            "unable": _unable(client) if "activedefrag" in asked else {},
            "is_open": _is_open(url),
        }
        if request.redis_health:
            said |= {
                "latency": " ".join(str(client.execute_command("LATENCY DOCTOR")).split("\n")),
                "slow": int(client.slowlog_len()),
            }
    return RedisInstance(server.name, server.address, can_change=False, **said)


def _config(client: Any, asked: Iterable[str]) -> dict[str, str]:
    config: dict[str, str] = {}
    names = {name.partition(".")[0] for name in asked}
    # Older versions spell some of them another way.
    names |= {name.replace("-", "_") for name in names if name.endswith("-cpulist")}
    for name in sorted(names):
        config |= client.config_get(name)
    return config


def _fixed(client: Any, config: Iterable[str]) -> Iterable[str]:
    """Ask what cannot change while the server runs: two values for one are refused in any case."""
    import redis

    for name in config:
        try:
            client.execute_command("CONFIG SET", name, "x", name, "x")
        except redis.ResponseError as error:
            if "can't set immutable" in str(error):
                yield name


def _unable(client: Any) -> dict[str, str]:
    """Ask what this build lacks: the second value is never taken, and so neither is the first."""
    import redis

    try:
        client.execute_command("CONFIG SET", "activedefrag", "yes", "maxmemory-samples", "0")
    except redis.ResponseError as error:
        before, _, why = str(error).partition(") - ")
        if "'activedefrag'" in before:
            return {"activedefrag": why}
    return {}


def _is_open(url: str) -> bool:
    import redis

    stranger = _client(url, RedisLogin())
    try:
        return bool(stranger.ping())
    except redis.RedisError:
        return False
    finally:
        stranger.close()
