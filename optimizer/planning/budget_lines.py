"""The memory budget of a host line by line, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from optimizer.model.plan import BudgetLine
from optimizer.planning.division import MIB, NAMES, Cluster, Division, Host
from optimizer.planning.postgresql_sizes import CONNECTION, OPERATIONS, Sizes

LEFT_OVER = "left over"


def add_up(lines: tuple[BudgetLine, ...], ram: int) -> tuple[BudgetLine, ...]:
    """Return the lines and what they leave of the memory, in bytes."""
    rest = ram - sum(line.bytes for line in lines)
    return (*lines, _line(LEFT_OVER, rest, "by rounding and upper limits"))


def lines_of(host: Host, division: Division, sizes: Mapping[str, Sizes]) -> Iterator[BudgetLine]:
    """Yield every part of the memory with its worst case; sizes: by name of the cluster."""
    yield _line("kernel", division.kernel, "a tenth, 512 MiB to 8 GiB")
    if division.cache:
        yield _line("page cache", division.cache, "a tenth, as PostgreSQL reads through it")
    if division.lost:
        yield _line("huge pages", division.lost, "reserved, and in no part of a PostgreSQL cluster")
    whole = sum(division.ratio.values())
    for cluster in host.clusters:
        label = f"PostgreSQL {cluster.name}"
        if cluster.name in sizes:
            yield from _of_cluster(label, cluster, sizes[cluster.name])
        else:
            yield _line(label, division.clusters[cluster.name], "all that it may take")
    for service, servers in host.servers.items():
        is_divided = sum(one.limit is None for one in servers) > 1
        for one in servers:
            how = "the limit of its unit"
            if one.limit is None:
                how = f"{division.ratio[service]} of {whole} shares"
                how += ", divided equally" if is_divided else ""
            how += f", for {one.processes} processes" if one.processes > 1 else ""
            yield _line(f"{NAMES[service]} {one.name}", division.slices[service][one.name], how)
    for service, size in division.unnamed.items():
        yield _line(NAMES[service], size, f"{division.ratio[service]} of {whole} shares")


def _of_cluster(label: str, cluster: Cluster, sizes: Sizes) -> Iterator[BudgetLine]:
    demand = sizes.demand
    how = f"shared_buffers {sizes.buffers} MiB, and what stands beside them"
    yield _line(f"{label}, shared memory", sizes.shared * MIB, how)
    how = (
        f"{sizes.maintenance} MiB for one command, "
        f"{sizes.autovacuum} MiB for each of {demand.workers} autovacuum workers"
    )
    yield _line(f"{label}, maintenance", sizes.upkeep * MIB, how)
    how = f"{demand.connections} of {CONNECTION} MiB"
    if cluster.demand is not None and demand.connections < cluster.demand.connections:
        how += f", not {cluster.demand.connections}: work_mem would be less than 4 MiB"
    yield _line(f"{label}, connections", sizes.private * MIB, how)
    how = (
        f"{OPERATIONS} of {sizes.work} KiB (work_mem) for each connection and "
        f"each of {demand.parallel} parallel workers"
    )
    yield _line(f"{label}, sorts and hashes", sizes.operations * MIB, how)


def _line(what: str, size: int, how: str) -> BudgetLine:
    return BudgetLine(what=what, bytes=size, how=how)
