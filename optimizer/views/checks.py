"""The names of health checks as a person reads them."""

from __future__ import annotations

import re

# What separates module, words and instance: `redis.hit-rate[6379]`.
_NAME = re.compile(r"(?P<module>[a-z]+)\.(?P<words>[a-z-]+)(?:\[(?P<instance>.*)\])?")


# A server of its own, beside the clusters of its module.
_POOLER = "pgbouncer"


def title(name: str) -> str:
    """Return `hit rate` for `redis.hit-rate[6379]`; words stay as they are."""
    found = _NAME.fullmatch(name)
    if not found:
        return name
    words = found["words"].removeprefix(f"{_POOLER}-")
    return "server" if words == _POOLER else words.replace("-", " ")


def owner(name: str) -> str:
    """Return `redis 6379` for `redis.hit-rate[6379]`; empty for the host itself."""
    found = _NAME.fullmatch(name)
    if not found or not found["instance"]:
        return ""
    kind = _POOLER if found["words"].startswith(_POOLER) else found["module"]
    return f"{kind} {found['instance']}"
