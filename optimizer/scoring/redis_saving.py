"""Whether the saves that the save points of a Redis server ask for have come. Pure.

Source: redis.conf, SNAPSHOTTING: a point is due when both its seconds and its changes are.
"""

from __future__ import annotations

from optimizer.model.redis import RedisInstance
from optimizer.scoring.finding import Finding, duration


def save_overdue(server: RedisInstance, now: float) -> Finding | None:
    """Tell for how long a save has been due; nothing without save points or changes.

    now: seconds since the epoch, by the clock of the host.
    """
    points = save_points(server.config.get("save", ""))
    changes = server.number("rdb_changes_since_last_save")
    saved = server.number("rdb_last_save_time")
    if not points or not saved or not now:
        return None
    age = max(0.0, now - saved)
    due = [seconds for seconds, least in points if changes >= least]
    overdue = max(0.0, age - min(due)) if due else 0.0
    value = f"saved {duration(age)} ago, {changes} changes since"
    return Finding("redis.save-overdue", overdue, value)


def save_points(text: str) -> list[tuple[int, int]]:
    """Return (seconds, changes) of each save point, as CONFIG GET prints them."""
    numbers = [int(word) for word in text.split() if word.isdecimal()]
    return list(zip(numbers[::2], numbers[1::2], strict=False))
