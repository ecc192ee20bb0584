"""The names of health checks as a person reads them."""

from __future__ import annotations

import re

# What separates module, words and instance: `redis.hit-rate[6379]`.
_NAME = re.compile(r"(?P<module>[a-z]+)\.(?P<words>[a-z-]+)(?:\[(?P<instance>.*)\])?")


def title(name: str) -> str:
    """Return `hit rate` for `redis.hit-rate[6379]`; words stay as they are."""
    found = _NAME.fullmatch(name)
    return found["words"].replace("-", " ") if found else name


def owner(name: str) -> str:
    """Return `redis 6379` for `redis.hit-rate[6379]`; empty for the host itself."""
    found = _NAME.fullmatch(name)
    return f"{found['module']} {found['instance']}" if found and found["instance"] else ""
