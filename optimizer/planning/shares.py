"""Which part of a host's memory each of its services gets. Pure; sizes in bytes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from optimizer.model.errors import InvalidValue
from optimizer.model.nearest import did_you_mean

# Shares of the services in what is left for them.
SHARES: Mapping[str, int] = {"postgresql": 5, "redis": 2, "node": 3}

_MOST = 1000
_SHARE = re.compile(r"[1-9][0-9]{0,3}")
_RESERVE_LEAST = 512 * 2**20
_RESERVE_MOST = 8 * 2**30


def kernel(ram: int) -> int:
    """What the kernel and everything small on the host keep: a tenth, 512 MiB to 8 GiB."""
    return min(max(ram // 10, _RESERVE_LEAST), _RESERVE_MOST)


def page_cache(ram: int, services: Collection[str]) -> int:
    """What stays free for the page cache: a tenth where PostgreSQL runs, which reads through it."""
    return ram // 10 if "postgresql" in services else 0


def divide(left: int, shares: Mapping[str, int]) -> dict[str, int]:
    """Divide what is left in the ratio of the shares; 0 where nothing is left."""
    whole = sum(shares.values())
    return {name: max(0, left) * share // whole for name, share in shares.items()}


def read_share(name: str, written: object) -> int:
    """Return the share of a service as a profile writes it.

    Raises InvalidValue for a service that has none, and for what is no whole number from 1 on.
    """
    if name not in SHARES:
        raise InvalidValue(what="there is no such service", hint=did_you_mean(name, SHARES))
    text = written if isinstance(written, str) else ""
    if not _SHARE.fullmatch(text) or int(text) > _MOST:
        raise InvalidValue(
            what=f"{written!r} is no share",
            hint=f"A share is a whole number from 1 to {_MOST}; what counts is their ratio.",
        )
    return int(text)
