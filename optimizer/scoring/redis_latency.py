"""LATENCY DOCTOR of a Redis server in a line. Pure.

Source: the Redis documentation on its latency monitor; the words are those of Redis 7 and 8
and of Valkey 8.
"""

from __future__ import annotations

import re

from optimizer.model.redis import RedisInstance
from optimizer.scoring.finding import Finding

_EVENT = re.compile(
    r"[0-9]+\. (?P<event>\S+): (?P<spikes>[0-9]+) latency spikes?"
    r".{0,200}?Worst all time event (?P<worst>[0-9]+)ms",
    re.DOTALL,
)
_ADVICE = re.compile(r"advices? for you:\s*- (?P<first>.+?)(?:\s+- [A-Z]|$)", re.DOTALL)
_LONGEST = 160
# More events than this are for LATENCY DOCTOR itself to tell.
_MOST = 3


def latency(server: RedisInstance) -> Finding | None:
    """Return the worst spike, and the doctor's own advice; nothing while it has none."""
    events = [
        (int(found["worst"]), found["event"], int(found["spikes"]))
        for found in _EVENT.finditer(server.latency)
    ]
    if not events:
        return None
    events.sort(reverse=True)
    told = [
        f"{event} up to {worst} ms in {times} {'spike' if times == 1 else 'spikes'}"
        for worst, event, times in events[:_MOST]
    ]
    more = [f"{len(events) - _MOST} more"] if len(events) > _MOST else []
    worst = events[0][0]
    return Finding("redis.latency", worst, ", ".join([*told, *more]), _advice(server.latency))


def _advice(text: str) -> str:
    found = _ADVICE.search(text)
    if found is None:
        return ""
    words = " ".join(found["first"].split())
    if len(words) > _LONGEST:
        whole, _, _ = words[:_LONGEST].rpartition(". ")
        words = f"{whole}." if whole else f"{words[:_LONGEST].rpartition(' ')[0]} …"
    return f"It says: {words}"
