"""Whether a PostgreSQL cluster has the huge pages that it tried to get. Pure.

Source: huge_pages and huge_pages_status of the PostgreSQL manual.
"""

from __future__ import annotations

from optimizer.model.huge_pages import LEAST_BUFFERS, HugePages
from optimizer.model.postgresql import PgCluster
from optimizer.scoring.finding import Finding, size


def huge_pages(cluster: PgCluster, pool: HugePages) -> Finding | None:
    """Tell whether a cluster runs on huge pages; with `try` it does without and says nothing.

    That is bad where its buffers are large, or where pages are reserved that it does not have.
    """
    seen = cluster.health
    if seen is None or seen.huge_pages == "off":
        return None
    has_them = seen.on_huge_pages
    if has_them is None and cluster.huge is not None:
        has_them = cluster.huge > 0
    if has_them is None:
        return None
    name = "postgresql.huge-pages"
    if has_them:
        told = f", {size(cluster.huge)}" if cluster.huge else ""
        return Finding(name, 0, f"used{told}")
    value = "not used"
    if pool.idle:
        value += f", {pool.idle} of {pool.total} reserved ones are empty"
    return Finding(name, pool.idle > 0 or seen.shared_buffers >= LEAST_BUFFERS, value)
