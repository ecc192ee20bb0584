"""What a probe has to read. Several requests add up to one remote command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class ProbeRequest:
    """Items to read; every field is a set, so that requests can be joined.

    values: path patterns below /proc and /sys. files: paths of files of ours.
    modules: `name:KERNEL_CONFIG_OPTION`. units: systemd units. properties: of units.
    names: users and groups whose existence matters.
    redis: parameters of Redis servers; asking for any finds the servers of the host.
    postgresql: settings of PostgreSQL clusters, pgbouncer: parameters of PgBouncers, likewise.
    node: options (`--…`), variables and directives of Node services, likewise.
    packages: names of packages of the host's own manager.
    grub: also what the files of GRUB make of the kernel command line.
    redis_health, postgresql_health: also what health checks of them need.
    postgresql_objects: also extensions and views in each database.
    node_health: what health checks of Node processes need; it finds them, too.
    """

    values: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    properties: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    redis: frozenset[str] = frozenset()
    redis_health: bool = False
    postgresql: frozenset[str] = frozenset()
    postgresql_health: bool = False
    postgresql_objects: bool = False
    pgbouncer: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    node_health: bool = False
    node: frozenset[str] = frozenset()
    grub: bool = False
    snapshots: bool = False


def join(requests: Iterable[ProbeRequest]) -> ProbeRequest:
    """Return the request that reads everything the given ones read."""
    requests = tuple(requests)
    joined: dict[str, Any] = {}
    for field in fields(ProbeRequest):
        parts = [getattr(one, field.name) for one in requests]
        is_set = isinstance(field.default, frozenset)
        joined[field.name] = frozenset().union(*parts) if is_set else any(parts)
    return ProbeRequest(**joined)
