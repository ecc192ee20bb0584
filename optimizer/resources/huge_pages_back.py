"""What a way back means for the huge pages that a cluster runs on. Pure.

A pool that is made smaller keeps the pages that are in use, until the cluster stops. Until then
they are no longer anybody's right, though: after a crash of one of its processes a cluster takes
its shared memory anew, and with `huge_pages = on` in force it ends there for good.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from optimizer.model.observation import Observation
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ActionStep, Step, ValueStep, is_allowed
from optimizer.model.tunable import Effect, Permission
from optimizer.resources.back import Back, Held

REQUEST = ProbeRequest(postgresql=frozenset({"huge_pages"}))

_POOL = frozenset({"/proc/sys/vm/nr_hugepages", "/proc/sys/vm/nr_hugepages_mempolicy"})


def guarded(steps: Sequence[Step], seen: Observation, allow: Collection[Permission]) -> Back:
    """Hold back what takes huge pages from a cluster that has to have them.

    A restart among the steps ends that: the cluster then starts with what its files say.
    """
    restarted = _restarted(steps, allow)
    is_bound = any(
        one.huge and one.unit not in restarted and one.settings["huge_pages"].setting == "on"
        for one in seen.postgresql
        if "huge_pages" in one.settings
    )
    held = [step for step in _of_pool(steps) if is_bound and int(step.after) < int(step.before)]
    kept = tuple(step for step in steps if step not in held)
    return Back(kept, tuple(Held(step, effect=Effect.RESTART) for step in held))


def staying(
    steps: Sequence[Step], seen: Observation, allow: Collection[Permission]
) -> tuple[str, ...]:
    """Say which clusters keep pages of a pool that becomes smaller than what they use."""
    size, restarted = seen.facts.huge_pages.size, _restarted(steps, allow)
    used = {
        one.name: one.huge // size
        for one in seen.postgresql
        if size and one.huge and one.unit not in restarted
    }
    left = [int(step.after) for step in _of_pool(steps)]
    if not left or sum(used.values()) <= min(left):
        return ()
    return tuple(
        f"PostgreSQL {name} keeps its {pages} huge pages until it is restarted"
        for name, pages in used.items()
    )


def _of_pool(steps: Sequence[Step]) -> list[ValueStep]:
    return [
        step
        for step in steps
        if isinstance(step, ValueStep)
        and step.path in _POOL
        and step.before.isdecimal()
        and step.after.isdecimal()
    ]


def _restarted(steps: Sequence[Step], allow: Collection[Permission]) -> set[str]:
    """Return the units that the steps restart."""
    return {
        step.restarts
        for step in steps
        if isinstance(step, ActionStep) and step.restarts and is_allowed(step, allow)
    }
