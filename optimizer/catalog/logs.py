"""Logs: the journal, and the log files that are rotated."""

from __future__ import annotations

import re

from optimizer.catalog.declare import MANUAL, Area, Family, unit_of
from optimizer.catalog.valuetypes import TimeSpan
from optimizer.model.logset import LogSetValue
from optimizer.model.tunable import Effect, Tunable
from optimizer.model.values import INT_MAX, LONG_MAX, Integer, Text, ValueType

_JOURNALD = f"{MANUAL}/man5/journald.conf.5.html"
_LOGROTATE = f"{MANUAL}/man8/logrotate.8.html"
_TIMER = f"{MANUAL}/man5/systemd.timer.5.html"

_LOG_SET = "system.logrotate."
_LOG_SET_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def _journald(name: str, value: ValueType, why: str, weight: int) -> Tunable:
    """Declare an option of the journal, which reads them when it starts."""
    return Tunable(
        f"system.journald.{name}",
        "journald",
        name,
        value,
        why,
        _JOURNALD,
        weight=weight,
        effect=Effect.RESTART,
        unit=unit_of(value),
    )


def log_set(name: str) -> Tunable | None:
    """Return the tunable of `system.logrotate.NAME`, which is /etc/logrotate.d/NAME."""
    target = name.removeprefix(_LOG_SET)
    if not name.startswith(_LOG_SET) or not _LOG_SET_NAME.fullmatch(target):
        return None
    return Tunable(
        name,
        "logrotate",
        target,
        LogSetValue(target),
        "Rotates, compresses and deletes these log files, so that they do not fill the disk.",
        _LOGROTATE,
        weight=3,
    )


AREA = Area(
    "Logs",
    (
        _journald(
            "SystemMaxUse",
            Integer(1024 * 1024, LONG_MAX, "bytes"),
            "Caps the disk space of the journal, a tenth of the file system otherwise.",
            weight=3,
        ),
        _journald(
            "RateLimitIntervalSec",
            TimeSpan(),
            "Is the time over which the journal counts the messages of each service.",
            weight=1,
        ),
        _journald(
            "RateLimitBurst",
            Integer(0, INT_MAX),
            "Is how many messages of a service the journal takes in that time before it drops "
            "the rest, which are those of a burst; 0 takes all.",
            weight=2,
        ),
        Tunable(
            "system.logrotate-timer.OnCalendar",
            "timer",
            "logrotate.timer",
            Text(r"[A-Za-z0-9:*,./~ -]+", "a calendar expression of systemd, such as hourly"),
            "Is how often logs are looked at; a size limit is only noticed then.",
            _TIMER,
            weight=2,
            effect=Effect.RELOAD,
        ),
    ),
)

FAMILY = Family(
    "system.logrotate.<name>",
    "a set of log files: paths, rotate, frequency, maxsize, maxage, su, postrotate",
    log_set,
)
