"""What of the profile a sweep is about: its hosts, and an independent look at all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from testbed.host import Host
from tests.hosts.faults import packages, services
from tests.hosts.scan import Scan, scan

# What a scan of files and units does not see: our files in memory, and our processes.
_TRACES = """
for path in /run/[o]ptimizer* /dev/shm/[o]ptimizer*; do [ ! -e "$path" ] || echo "$path"; done
pgrep -af [o]ptimizer || :
"""


@dataclass(frozen=True)
class Area:
    """A part of the profile.

    only: which tunables of the profile; look: what else than the scan it shows; hosts: of which
    kinds, by turns; furnish: has there what the change is about, for as long as a host lives.
    borrowed: of the writes that programs of the distribution make for us each Nth is a point; ours
    all are. profile: which one, by its name. patience: seconds that the timer of such a change is
    set later by than was asked for.
    """

    name: str
    only: tuple[str, ...]
    look: Callable[[Host], Scan]
    hosts: tuple[str, ...] = services.HOSTS
    furnish: Callable[[Host], None] = services.furnish
    borrowed: int = 1
    profile: str = "faults"
    patience: int = 0

    def sight(self, host: Host) -> Scan:
        """Return everything that a change of this area could change."""
        traces = host.run(_TRACES).stdout.strip()
        return {**scan(host), **self.look(host), "traces": traces}


def _no_more(_: Host) -> Scan:
    """The scan has it all."""
    return {}


def _as_it_is(_: Host) -> None:
    """The host has what the change is about."""


AREAS: Mapping[str, Area] = {
    area.name: area
    for area in (
        Area("system", ("system.*",), _no_more),
        Area("kernel", (), _no_more, ("machine",), _as_it_is, profile="faults-kernel"),
        # The scan has the boot menu, and all that it is made of.
        Area(
            "boot",
            (),
            _no_more,
            ("machine",),
            _as_it_is,
            borrowed=25,
            profile="faults-boot",
            patience=120,
        ),
        Area("redis", ("redis.*",), services.redis, patience=60),
        Area("postgresql", ("postgresql.*",), services.postgresql),
        Area("node", ("node.*",), services.node),
        Area(
            "package",
            ("postgresql.pgbouncer.installed",),
            packages.look,
            packages.HOSTS,
            packages.furnish,
            borrowed=10,
            patience=60,
        ),
        Area("all", (), services.together, patience=120),
    )
}
