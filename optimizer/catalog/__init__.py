"""The catalogue: every setting that the optimizer understands, declared as data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from optimizer.catalog import (
    block,
    boot,
    cpu,
    filesystem,
    interfaces,
    kernel,
    logs,
    memory,
    network,
    node,
    pgbouncer,
    postgresql,
    postgresql_maintenance,
    postgresql_objects,
    receive,
    redis,
    refused,
    services,
)
from optimizer.catalog.declare import Area, Family, sysctl, sysctl_id
from optimizer.model.tunable import Tunable
from optimizer.model.values import Text

# Written in this order: CPUs before what is spread over them, ceilings before limits, the
# host before its services.
AREAS = (
    cpu.AREA,
    memory.AREA,
    kernel.AREA,
    filesystem.AREA,
    network.AREA,
    interfaces.AREA,
    receive.AREA,
    block.AREA,
    logs.AREA,
    boot.AREA,
    redis.AREA,
    postgresql.AREA,
    postgresql_objects.AREA,
    postgresql_maintenance.AREA,
    pgbouncer.AREA,
    node.AREA,
    refused.AREA,
)

_SYSCTL = sysctl_id("")
# Slashes stand for dots within a name (net.ipv4.conf.eth0/100.mtu). A name that starts with
# one, or has two in a row, could climb out of /proc/sys.
_SYSCTL_KEY = re.compile(r"[a-z0-9_-]+(\.[A-Za-z0-9_-]+([/:@][A-Za-z0-9_-]+)*)+")

_SYSCTL_ROOTS = frozenset({"abi", "debug", "dev", "fs", "kernel", "net", "user", "vm"})

# Shares of letters that two names have in common (difflib). One letter more, less or other is
# almost equal; two sysctls of one folder are merely similar.
_ALMOST_EQUAL = 0.85
_SIMILAR = 0.6


def index(areas: Iterable[Area]) -> Mapping[str, Tunable]:
    """Return the tunables by id in the order of writing; ValueError for an id declared twice."""
    tunables: dict[str, Tunable] = {}
    for tunable in (tunable for area in areas for tunable in area.tunables):
        if tunable.id in tunables:
            raise ValueError(f"the catalogue declares {tunable.id} twice")
        tunables[tunable.id] = tunable
    return MappingProxyType(tunables)


def _any_sysctl(name: str) -> Tunable | None:
    """Return the tunable of a sysctl that the catalogue does not have."""
    key = name.removeprefix(_SYSCTL)
    if not name.startswith(_SYSCTL) or not _SYSCTL_KEY.fullmatch(key):
        return None
    docs = "https://docs.kernel.org/admin-guide/sysctl/index.html"
    why = "Is not in the catalogue: which values are sound is not known."
    coupling = interfaces.coupling_of(key)
    return sysctl(key, Text(), why, docs, weight=1, is_known=False, coupling=coupling)


TUNABLES = index(AREAS)
FAMILIES = (
    services.FAMILY,
    logs.FAMILY,
    boot.FAMILY,
    node.WORKER_COUNTS,
    node.OPTIONS,
    Family("system.sysctl.<key>", "any other kernel setting below /proc/sys", _any_sysctl),
)


def find(name: str) -> Tunable | None:
    """Return the tunable with this id, declared or made by a family; None for any other name."""
    if name in TUNABLES:
        return TUNABLES[name]
    return next((made for family in FAMILIES if (made := family.make(name))), None)


def of(kind: str, target: str) -> Tunable | None:
    """Return the tunable that has a kind's target for its own."""
    declared = (one for one in TUNABLES.values() if (one.kind, one.target) == (kind, target))
    return next(declared, None) or find(f"system.{kind}.{target}")


def nearest(name: str) -> str | None:
    """Return the id that was probably meant: a mistyped one, or one without its prefix."""
    word = _bare(name)
    usual = {_bare(tunable.id): tunable.id for tunable in TUNABLES.values() if not tunable.refused}
    last_words = {known.rpartition(".")[2]: known for known in usual.values()}
    return (
        services.nearest(name)
        or redis.nearest(name)
        or pgbouncer.nearest(name)
        or postgresql.nearest(name)
        or node.nearest(name)
        or _closest(word, usual, _ALMOST_EQUAL)
        or _without_prefix(word)
        or _closest(word, last_words | usual, _SIMILAR)
    )


def _closest(word: str, names: Mapping[str, str], cutoff: float) -> str | None:
    match = next(iter(get_close_matches(word, names, n=1, cutoff=cutoff)), None)
    return names[match] if match else None


def _without_prefix(word: str) -> str | None:
    made = _any_sysctl(_SYSCTL + word) if word.partition(".")[0] in _SYSCTL_ROOTS else None
    return made.id if made else None


def _bare(name: str) -> str:
    """Return the part of an id that people remember."""
    return (
        name.replace("/", ".")
        .removeprefix("system.")
        .removeprefix("sysctl.")
        .removeprefix("redis.")
        .removeprefix("postgresql.")
        .removeprefix("pgbouncer.")
        .removeprefix("node.")
    )
