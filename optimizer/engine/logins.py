"""How to log in to the Redis servers of a host: inventory data, or the environment.

`redis_password` and `redis_user` are a text for all servers of the host, or a mapping from a
port (or the path of a socket) to the text for that server. `redis_url` names servers that
this controller reaches by itself, each with its login: `redis://user:password@host:port`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from optimizer.model.errors import InventoryError
from optimizer.model.redis import RedisLogin, server_of

USER_VARIABLE = "OPTIMIZER_REDIS_USER"
PASSWORD_VARIABLE = "OPTIMIZER_REDIS_PASSWORD"  # noqa: S105 - the name of a variable

_SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True)
class Logins:
    """What the data of one host says: by server, and by URL without its login."""

    by_server: Mapping[str, RedisLogin]
    by_url: Mapping[str, RedisLogin]


def logins_of(host: str, data: Mapping[str, Any]) -> Logins:
    """Read the logins of a host. InventoryError: they have the wrong shape."""
    users = _by_server(host, "redis_user", data.get("redis_user"), USER_VARIABLE)
    passwords = _by_server(host, "redis_password", data.get("redis_password"), PASSWORD_VARIABLE)
    by_url = dict(_url(host, url) for url in _listed(data.get("redis_url")))
    by_server = {
        name: RedisLogin(users.get(name, users.get("", "")), password)
        for name, password in passwords.items()
    }
    for url, login in by_url.items():
        if login.password:
            by_server.setdefault(server_of(url), login)
    return Logins(by_server, by_url)


def _by_server(host: str, key: str, value: object, variable: str) -> dict[str, str]:
    if value is None or value == "":
        value = os.environ.get(variable, "")
    if isinstance(value, Mapping):
        found = {str(name): str(text) for name, text in value.items()}
    else:
        found = {"": str(value)} if value else {}
    for text in found.values():
        if not text.isprintable():
            raise InventoryError(inventory=host, what=f"{key} has a tab or a line break")
    return found


def _listed(value: object) -> list[str]:
    if not value:
        return []
    return [str(one) for one in value] if isinstance(value, (list, tuple)) else [str(value)]


def _has_login_elsewhere(parts: SplitResult) -> bool:
    """Whether a `/`, `?` or `#` in a password has cut it, or it is in the query: both get shown."""
    rest = f"{parts.path}?{parts.query}#{parts.fragment}"
    return "@" in rest or "pass" in parts.query.lower()


def _url(host: str, url: str) -> tuple[str, RedisLogin]:
    """Split a URL into itself without its login, and the login."""
    try:
        parts = urlsplit(url)
        login = RedisLogin(unquote(parts.username or ""), unquote(parts.password or ""))
        place = parts.netloc.rpartition("@")[2]
        # A port that is no number raises only when it is asked for.
        is_odd = parts.scheme not in _SCHEMES or parts.port == 0 or _has_login_elsewhere(parts)
    except ValueError:
        is_odd = True
    if is_odd:
        # The URL is not repeated, as it may hold a password.
        what = (
            "redis_url is not of the form redis://user:password@host:port; "
            "in a password %2F stands for /, %3F for ?, %23 for # and %40 for @"
        )
        raise InventoryError(inventory=host, what=what)
    return parts._replace(netloc=place).geturl(), login
