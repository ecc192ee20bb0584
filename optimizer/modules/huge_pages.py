"""From verdicts and one observation to the huge pages of the host as the plan leaves them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from optimizer.model.errors import InvalidValue
from optimizer.model.observation import Observation
from optimizer.model.postgresql import PgCluster
from optimizer.model.reading import Reading
from optimizer.model.transaction import ActionStep, Step
from optimizer.model.tunable import Effect
from optimizer.modules.left import as_left, numbers
from optimizer.planning.comparing import Verdict
from optimizer.planning.division import MIB
from optimizer.planning.huge_pages import Pool, Tenant
from optimizer.planning.postgresql_sizes import shared_memory

KEY = "vm.nr_hugepages"

# What shared_memory has room for; the server itself takes no more for it than this.
_USUAL_WAL = 16 * MIB


def pool_as_left(verdicts: Sequence[Verdict], observation: Observation) -> Pool:
    """Return the pool; without a verdict on its size it stays as large as it is."""
    left = as_left(verdicts, observation)
    tenants = tuple(
        _tenant(one, left["postgresql", one.name])
        for one in observation.postgresql
        if not one.problem and not one.is_elsewhere and _has_the_usual_size(one, observation)
    )
    found = observation.facts.huge_pages
    wanted = left.get(("system", ""), {}).get(KEY, "")
    unseen = Pool(found.size, tenants=tuple(one for one in tenants if one.used is None)).needed
    known = sum(one.used // found.size for one in tenants if one.used and found.size)
    return Pool(
        size=found.size,
        pages=int(wanted) if wanted.isdecimal() else found.reserved,
        others=max(0, found.used - known - sum(unseen.values())),
        elsewhere=found.elsewhere,
        outside=observation.facts.ram_outside,
        tenants=tenants,
    )


def _has_the_usual_size(cluster: PgCluster, observation: Observation) -> bool:
    setting = cluster.settings.get("huge_page_size")
    size = observation.facts.huge_pages.size
    return setting is None or setting.in_force in ("0", str(size))


def _tenant(cluster: PgCluster, left: Mapping[str, str]) -> Tenant:
    now = {name: cluster.settings[name].in_force for name in left if name in cluster.settings}
    part, before = _worked_out(left), _worked_out(now)
    shared = part
    # What else this server has in there, such as the locks of its extensions, stays with it.
    if (actual := numbers(now).get("shared_memory_size")) is not None:
        shared = max(part, actual + part - before)
    return Tenant(
        name=cluster.name,
        choice=left.get("huge_pages", "try"),
        buffers=numbers(left).get("shared_buffers", 0),
        shared=shared,
        part=shared_memory(*_buffers_and_connections(left)) * MIB,
        growth=max(0, part - before),
        used=cluster.huge,
    )


def _worked_out(values: Mapping[str, str]) -> int:
    wal = numbers(values).get("wal_buffers", 0)
    return shared_memory(*_buffers_and_connections(values)) * MIB + max(0, wal - _USUAL_WAL)


def _buffers_and_connections(values: Mapping[str, str]) -> tuple[int, int]:
    found = numbers(values)
    return -(-found.get("shared_buffers", 0) // MIB), found.get("max_connections", 0)


def words_of(pool: Pool) -> Mapping[str, int]:
    """Return what expressions of vm.nr_hugepages may use.

    database_pages: what all clusters need. other_pages: what other programs have.
    """
    return {"database_pages": sum(pool.needed.values()), "other_pages": pool.others}


def refuse_too_few(pool: Pool, verdicts: Iterable[Verdict]) -> None:
    """Raise InvalidValue, with the sum, where a cluster would not start for want of pages.

    Only where the plan changes the pool, or what such a cluster starts with.
    """
    changed = [one.reading for one in verdicts if one.difference is not None]
    bound = {one.name: pool.needed[one.name] for one in pool.tenants if one.choice == "on"}
    if sum(bound.values()) <= pool.for_clusters or not _is_touched(changed, bound):
        return
    parts = ", ".join(
        f"{pages} for the {one.shared // MIB} MiB of shared memory of PostgreSQL {one.name}"
        for one in pool.tenants
        if (pages := bound.get(one.name))
    )
    others = f", {pool.others} of them used by other programs" if pool.others else ""
    raise InvalidValue(
        what=(
            f"with huge_pages on it takes {sum(bound.values())} huge pages of "
            f"{pool.size // 1024} KiB to start: {parts}; there would be {pool.pages}{others}"
        ),
        hint="Set system.sysctl.vm.nr_hugepages to {at_least: database_pages + other_pages}, "
        "or postgresql.huge_pages to try.",
    )


def _is_touched(changed: Iterable[Reading], clusters: Iterable[str]) -> bool:
    names = set(clusters)
    return any(
        one.tunable.target == KEY
        or (
            one.tunable.module == "postgresql"
            and one.instance in names
            and one.effect is Effect.RESTART
        )
        for one in changed
    )


def waiting_notes(pool: Pool, observation: Observation, steps: Sequence[Step]) -> Iterator[str]:
    """Say which pages stay empty until a cluster is restarted, which the plan does not do."""
    actions = [one for one in steps if isinstance(one, ActionStep)]
    restarted = {one.restarts for one in actions if one.restarts}
    units = {one.name: one.unit for one in observation.postgresql}
    for one in pool.tenants if pool.is_enough else ():
        pages = pool.needed.get(one.name, 0)
        missing = min(pages, -(-one.growth // pool.size)) if one.used else pages
        if one.used is not None and missing and units[one.name] not in restarted:
            yield (
                f"{missing} huge pages ({missing * pool.size // MIB} MiB) stay empty until "
                f"PostgreSQL {one.name} is restarted"
            )
