"""Constructors of tunables: what an area file says once, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

from optimizer.catalog.postgresql_values import ON_OFF, Real, Size, Time
from optimizer.catalog.redis_values import BytesOrPercent
from optimizer.catalog.valuetypes import Barring, Limit
from optimizer.model.boot import PRESENT
from optimizer.model.tunable import Coupling, Effect, Risk, Tunable
from optimizer.model.values import Choice, Integer, IntegerList, Sentinel, Text, ValueType

KERNEL_DOCS = "https://docs.kernel.org"
REDIS_DOCS = "https://redis.io/docs/latest/operate/oss_and_stack/management/config-file/"
PGBOUNCER_DOCS = "https://www.pgbouncer.org/config.html"
POSTGRESQL_DOCS = "https://www.postgresql.org/docs/current"
MANUAL = "https://man7.org/linux/man-pages"
PARAMETERS = f"{KERNEL_DOCS}/admin-guide/kernel-parameters.html"

FLAG = Choice(
    (PRESENT,),
    (("", PRESENT), ("1", PRESENT), ("on", PRESENT), ("yes", PRESENT), ("true", PRESENT)),
)

INSTALLED = Barring(
    ON_OFF,
    (("off", "a profile removes no package; leave it out, or say untouched"),),
)


class Details(TypedDict, total=False):
    """What most tunables leave at its default; meanings in model.tunable.Tunable."""

    weight: int
    effect: Effect
    risk: Risk
    coupling: Coupling
    modules: Mapping[str, str]
    opt_in: str
    is_known: bool
    refused: str


@dataclass(frozen=True)
class Area:
    """Tunables that belong together, in the order in which they have to be written."""

    title: str
    tunables: tuple[Tunable, ...]


@dataclass(frozen=True)
class Family:
    """Tunables that cannot be listed because a part of their id is free.

    pattern: the id with the free part in `<>`, as help prints it.
    make: returns the tunable of an id; None for an id that is not of this family.
    """

    pattern: str
    what: str
    make: Callable[[str], Tunable | None]


def sysctl(key: str, value: ValueType, why: str, docs: str, **details: Unpack[Details]) -> Tunable:
    """Declare a kernel setting below /proc/sys; `key` is its dotted name."""
    return Tunable(sysctl_id(key), "sysctl", key, value, why, docs, unit=unit_of(value), **details)


def sysctl_id(key: str) -> str:
    """Return the id of the tunable of a sysctl key."""
    return f"system.sysctl.{key}"


def sysfs(
    name: str, path: str, value: ValueType, why: str, docs: str, **details: Unpack[Details]
) -> Tunable:
    """Declare a file below /sys or /proc/irq; each `*` in `path` names an instance."""
    return Tunable(
        f"system.{name}", "sysfs", path, value, why, docs, unit=unit_of(value), **details
    )


def redis(parameter: str, value: ValueType, why: str, **details: Unpack[Details]) -> Tunable:
    """Declare a parameter of a Redis or Valkey server.

    parameter: as CONFIG GET names it; `name.class` for one class of client-output-buffer-limit.
    """
    return Tunable(
        f"redis.{parameter}",
        "redis",
        parameter,
        value,
        why,
        REDIS_DOCS,
        unit=unit_of(value),
        **details,
    )


def postgresql(
    name: str, value: ValueType, why: str, page: str, **details: Unpack[Details]
) -> Tunable:
    """Declare a setting of PostgreSQL; page: of its manual, `runtime-config-resource`.

    Sizes are in bytes, times in the unit that the value type names, whatever the server counts in.
    """
    details = {"effect": Effect.RELOAD, **details}
    return Tunable(
        f"postgresql.{name}",
        "postgresql",
        name,
        value,
        why,
        postgresql_docs(name, page),
        unit=unit_of(value),
        **details,
    )


def pgbouncer(name: str, value: ValueType, why: str, **details: Unpack[Details]) -> Tunable:
    """Declare a parameter of PgBouncer, as SHOW CONFIG names it."""
    details = {"effect": Effect.RELOAD, **details}
    return Tunable(
        f"postgresql.pgbouncer.{name}",
        "pgbouncer",
        name,
        value,
        why,
        f"{PGBOUNCER_DOCS}#{name}",
        unit=unit_of(value),
        **details,
    )


def package(tunable: str, name: str, why: str, docs: str, **details: Unpack[Details]) -> Tunable:
    """Declare a package of Debian's that may be installed; name: as apt knows it."""
    details = {"risk": Risk.MEDIUM, **details}
    return Tunable(tunable, "package", name, INSTALLED, why, docs, **details)


def postgresql_docs(name: str, page: str) -> str:
    """Return the address of a setting in the manual; page: `runtime-config-resource`."""
    return f"{POSTGRESQL_DOCS}/{page}.html#GUC-{name.upper().replace('_', '-')}"


def postgresql_object(
    target: str, value: ValueType, why: str, page: str, **details: Unpack[Details]
) -> Tunable:
    """Declare an object in databases of PostgreSQL; target: `extension/NAME` or `view/NAME`."""
    name = target.replace("/", ".")
    docs = f"{POSTGRESQL_DOCS}/{page}.html"
    return Tunable(f"postgresql.{name}", "postgresql-object", target, value, why, docs, **details)


def boot(name: str, value: ValueType, why: str, **details: Unpack[Details]) -> Tunable:
    """Declare a parameter of the kernel command line."""
    details = {"effect": Effect.REBOOT, "risk": Risk.MEDIUM, "weight": 2, **details}
    return Tunable(f"system.boot.{name}", "boot", name, value, why, PARAMETERS, **details)


def refuse(kind: str, target: str, why: str, docs: str, refused: str) -> Tunable:
    """Declare a setting that no profile may name; `refused` says why, for its author.

    kind: sysctl, boot, redis or postgresql, the one that would set it.
    """
    return _refused(kind, target, Text(), why, docs, refused)


def refuse_boot(target: str, value: ValueType, why: str, refused: str) -> Tunable:
    """Declare a boot parameter that no profile may name, but `--force` may."""
    tunable = _refused("boot", target, value, why, PARAMETERS, refused)
    return replace(tunable, effect=Effect.REBOOT, is_forcible=True)


def _refused(  # noqa: PLR0913 - a declaration says all of these
    kind: str, target: str, value: ValueType, why: str, docs: str, refused: str
) -> Tunable:
    module = "" if kind in ("redis", "postgresql") else "system."
    return Tunable(
        f"{module}{kind}.{target}",
        kind,
        target,
        value,
        why,
        docs,
        weight=1,
        risk=Risk.HIGH,
        refused=refused,
    )


def unit_of(value: ValueType) -> str:
    """Return the unit that a value type counts in; empty for words and bare numbers."""
    match value:
        case Integer(unit=unit) | IntegerList(unit=unit) | Limit(unit=unit):
            return unit
        case Size(unit=unit) | Time(unit=unit) | Real(unit=unit):
            return unit
        case Sentinel(number=number):
            return number.unit
        case BytesOrPercent():
            return "bytes"
        case Barring(inner=inner):
            return unit_of(inner)
    return ""
