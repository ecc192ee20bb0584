"""Which huge pages the clusters of a host need, and what a pool of them takes from others. Pure.

Source: "Linux Huge Pages" of the PostgreSQL manual; Documentation/admin-guide/mm/hugetlbpage.rst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optimizer.model.huge_pages import LEAST_BUFFERS


@dataclass(frozen=True)
class Tenant:
    """A cluster as a plan leaves it, sizes in bytes.

    choice: huge_pages, `off`, `try` or `on`. shared: shared memory. part: how much of that the
    memory budget has in the part of the cluster. growth: by how much it is more than now.
    used: mapped in huge pages now; None where it is not known.
    """

    name: str
    choice: str
    buffers: int
    shared: int
    part: int
    growth: int = 0
    used: int | None = None


def pages_needed(
    tenants: tuple[Tenant, ...], size: int, least: int = LEAST_BUFFERS
) -> Mapping[str, int]:
    """Return cluster -> huge pages of `size` bytes for all that may take any.

    Nothing is needed unless one of them has to have them or has buffers of `least` bytes; then
    the small ones count too, as `try` has them take pages that were meant for the large one.
    """
    takers = [one for one in tenants if one.choice != "off" and size]
    if not any(one.choice == "on" or one.buffers >= least for one in takers):
        return {}
    return _pages(takers, size)


def _pages(tenants: list[Tenant], size: int) -> dict[str, int]:
    return {one.name: -(-one.shared // size) for one in tenants}


@dataclass(frozen=True)
class Pool:
    """The huge pages of a host as a plan leaves them.

    size: bytes of one. pages: reserved. others: those that other programs than clusters have.
    elsewhere: bytes in pools of other sizes. outside: bytes of RAM that are no part of the budget.
    """

    size: int = 0
    pages: int = 0
    others: int = 0
    elsewhere: int = 0
    outside: int = 0
    tenants: tuple[Tenant, ...] = field(default=())

    @property
    def needed(self) -> Mapping[str, int]:
        """Cluster -> pages, as `pages_needed`."""
        return pages_needed(self.tenants, self.size)

    @property
    def for_clusters(self) -> int:
        """Pages that other programs leave."""
        return max(0, self.pages - self.others)

    @property
    def is_enough(self) -> bool:
        """Whether every cluster gets its pages, whichever starts first."""
        return self.for_clusters >= sum(self.needed.values())

    @property
    def lost(self) -> int:
        """Bytes of the RAM in pages that are in no part of a cluster.

        A pool that is too small for all counts as one that nobody gets: with `try` a cluster
        takes ordinary memory then, and the pool stays empty.
        """
        takers = [one for one in self.tenants if one.choice != "off"]
        pages = _pages(takers, self.size) if self.size else {}
        housed = 0
        if pages and self.for_clusters >= sum(pages.values()):
            housed = sum(min(one.part, pages[one.name] * self.size) for one in takers)
        whole = max(self.pages, self.others) * self.size + self.elsewhere
        return max(0, whole - housed - self.outside)
