"""What a probe has to read. Several requests add up to one remote command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class ProbeRequest:
    """Items to read; every field is a set, so that requests can be joined.

    values: path patterns below /proc and /sys. files: paths of files of ours.
    modules: `name:KERNEL_CONFIG_OPTION`. units: systemd units. properties: of units.
    names: users and groups whose existence matters.
    """

    values: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    modules: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    properties: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    snapshots: bool = False


def join(requests: Iterable[ProbeRequest]) -> ProbeRequest:
    """Return the request that reads everything the given ones read."""
    requests = tuple(requests)
    sets = {
        field.name: frozenset().union(*(getattr(one, field.name) for one in requests))
        for field in fields(ProbeRequest)
        if field.name != "snapshots"
    }
    return ProbeRequest(**sets, snapshots=any(one.snapshots for one in requests))
