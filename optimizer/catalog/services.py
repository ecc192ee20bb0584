"""Unit directives: limits, priorities and memory of the services, `system.unit.UNIT.DIRECTIVE`.

Each directive is declared once as a template; a unit's own tunable is made from it. The
target is `UNIT.DIRECTIVE`: the directive is the last dotted word, the rest is the unit.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Unpack

from optimizer.catalog.declare import MANUAL, Area, Details, Family, unit_of
from optimizer.catalog.valuetypes import CpuList, Limit, TimeSpan
from optimizer.model.nearest import nearest as nearest_name
from optimizer.model.tunable import Effect, Risk, Tunable
from optimizer.model.values import INT_MAX, Choice, Integer, ValueType

_EXECUTION = f"{MANUAL}/man5/systemd.exec.5.html"
_RESOURCES = f"{MANUAL}/man5/systemd.resource-control.5.html"

_PREFIX = "system.unit."
_PLACEHOLDER = "<unit>"
# A template (`postgresql@.service`) does not run, so nothing could be read back from it.
_SERVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:.-]*(@[A-Za-z0-9_:.-]+)?\.service")
_OTHER_UNIT = re.compile(r".*\.(slice|scope|socket|timer|target|mount|swap|path|device)")

_NEEDS_PLACEMENT = "which CPUs a service gets has to be chosen for each host"


def _directive(
    name: str, value: ValueType, why: str, docs: str, **details: Unpack[Details]
) -> Tunable:
    """Declare a directive of services; it counts when the service starts again."""
    details = {"weight": 2, "effect": Effect.RESTART, "risk": Risk.LOW, **details}
    target = f"{_PLACEHOLDER}.{name}"
    return Tunable(
        _PREFIX + target, "unit", target, value, why, docs, unit=unit_of(value), **details
    )


DIRECTIVES = (
    _directive(
        "LimitNOFILE",
        value=Limit(1, is_pair=True),
        why="Caps the open files and connections of each process of the service, the limit that "
        "a busy service really runs into.",
        docs=_EXECUTION,
        weight=5,
    ),
    _directive(
        "LimitMEMLOCK",
        value=Limit(unit="bytes", is_pair=True),
        why="Caps the memory that the service may lock so that it never has to be paged in.",
        docs=_EXECUTION,
    ),
    _directive(
        "LimitNPROC",
        value=Limit(1, is_pair=True),
        why="Caps the processes and threads of the service's user.",
        docs=_EXECUTION,
    ),
    _directive(
        "LimitCORE",
        value=Limit(unit="bytes", is_pair=True),
        why="Caps the core dump of a crash; writing gigabytes of it delays the next start.",
        docs=_EXECUTION,
    ),
    _directive(
        "LimitSTACK",
        value=Limit(unit="bytes", is_pair=True),
        why="Caps the stack of each thread.",
        docs=_EXECUTION,
        weight=1,
    ),
    _directive(
        "LimitRTPRIO",
        value=Limit(is_pair=True),
        why="Caps the real-time priority that the service may give its own threads.",
        docs=_EXECUTION,
        weight=1,
        risk=Risk.MEDIUM,
    ),
    _directive(
        "TasksMax",
        value=Limit(1),
        why="Caps the processes and threads of the service as a whole.",
        docs=_RESOURCES,
    ),
    _directive(
        "Nice",
        value=Integer(-20, 19),
        why="Gives the service more of a contended CPU, the more the lower it is.",
        docs=_EXECUTION,
        risk=Risk.MEDIUM,
    ),
    _directive(
        "CPUSchedulingPolicy",
        value=Choice(
            ("other", "batch", "idle", "fifo", "rr"),
            (("0", "other"), ("1", "fifo"), ("2", "rr"), ("3", "batch"), ("5", "idle")),
        ),
        why="Chooses the scheduler of the service; under fifo and rr it keeps its CPU for as long "
        "as it runs, which fits native threads that spin and no garbage collector.",
        docs=_EXECUTION,
        risk=Risk.HIGH,
        opt_in="a real-time thread that never sleeps keeps everything else off its CPU",
    ),
    _directive(
        "CPUSchedulingPriority",
        value=Integer(0, 99),
        why="Ranks real-time threads among themselves.",
        docs=_EXECUTION,
        weight=1,
        risk=Risk.HIGH,
        opt_in="it has a meaning under a real-time policy only",
    ),
    _directive(
        "CPUAffinity",
        value=CpuList(),
        why="Keeps all threads of the service on these CPUs, where their data is in the cache.",
        docs=_EXECUTION,
        weight=3,
        risk=Risk.MEDIUM,
    ),
    _directive(
        "AllowedCPUs",
        value=CpuList(),
        why="Keeps the service and everything that it starts on these CPUs.",
        docs=_RESOURCES,
        risk=Risk.MEDIUM,
        opt_in=_NEEDS_PLACEMENT,
    ),
    _directive(
        "IOSchedulingClass",
        value=Choice(
            ("none", "realtime", "best-effort", "idle"),
            (("0", "none"), ("1", "realtime"), ("2", "best-effort"), ("3", "idle")),
        ),
        why="Ranks the service's disk requests, where the I/O scheduler looks at it.",
        docs=_EXECUTION,
        weight=1,
        risk=Risk.MEDIUM,
    ),
    _directive(
        "IOSchedulingPriority",
        value=Integer(0, 7),
        why="Ranks disk requests within their class, 0 first.",
        docs=_EXECUTION,
        weight=1,
    ),
    _directive(
        "OOMScoreAdjust",
        value=Integer(-1000, 1000),
        why="Says who is killed last (-1000: never) when memory runs out.",
        docs=_EXECUTION,
        weight=4,
        risk=Risk.MEDIUM,
    ),
    _directive(
        "MemorySwapMax",
        value=Limit(unit="bytes"),
        why="Caps what the service may have in swap; with 0 it never waits for a page to return.",
        docs=_RESOURCES,
        weight=3,
        risk=Risk.MEDIUM,
    ),
    _directive(
        "MemoryHigh",
        value=Limit(1, "bytes"),
        why="Slows the service down and takes memory back from it above this amount.",
        docs=_RESOURCES,
        risk=Risk.MEDIUM,
    ),
    _directive(
        "MemoryMax",
        value=Limit(1, "bytes"),
        why="Kills within the service rather than elsewhere when it wants more than this amount.",
        docs=_RESOURCES,
        risk=Risk.HIGH,
    ),
    _directive(
        "LogRateLimitIntervalSec",
        value=TimeSpan(),
        why="Is the time over which the journal counts the messages of the service.",
        docs=_EXECUTION,
        weight=1,
    ),
    _directive(
        "LogRateLimitBurst",
        value=Integer(0, INT_MAX),
        why="Is how many messages of the service the journal takes in that time before it drops "
        "the rest; 0 takes all.",
        docs=_EXECUTION,
    ),
)

AREA = Area("Services", DIRECTIVES)
_TEMPLATES = {template.target.rpartition(".")[2]: template for template in DIRECTIVES}


def find(name: str) -> Tunable | None:
    """Return the tunable of `system.unit.UNIT.DIRECTIVE`; a bare unit name is a service."""
    unit, _, directive = name.removeprefix(_PREFIX).rpartition(".")
    template = _TEMPLATES.get(directive)
    service = _service(unit)
    if not name.startswith(_PREFIX) or template is None or service is None:
        return None
    target = f"{service}.{directive}"
    return replace(template, id=_PREFIX + target, target=target)


def _service(unit: str) -> str | None:
    if not unit.endswith(".service") and not _OTHER_UNIT.fullmatch(unit):
        unit = f"{unit}.service"
    return unit if _SERVICE.fullmatch(unit) else None


def nearest(name: str) -> str | None:
    """Return the id that a mistyped directive of a service was probably meant to be."""
    if not name.startswith(_PREFIX):
        return None
    unit, _, directive = name.removeprefix(_PREFIX).rpartition(".")
    spelled = {known.lower(): known for known in _TEMPLATES}
    meant = nearest_name(directive.lower(), spelled)
    found = find(f"{_PREFIX}{unit}.{spelled[meant]}") if meant else None
    return found.id if found else None


FAMILY = Family(
    "system.unit.<unit>.<Directive>",
    f"a directive of a systemd service: {', '.join(_TEMPLATES)}",
    find,
)
