"""What a way back means for Node services: the file that they load goes after them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from optimizer.model.node import PROBE_FILE
from optimizer.model.observation import Observation
from optimizer.model.transaction import ActionStep, DirectoryStep, FileStep, Step, is_allowed
from optimizer.model.tunable import Permission

_LIBRARY = PROBE_FILE.rpartition("/")[0]


@dataclass(frozen=True)
class Back:
    """The steps to take, and what keeps the file that is loaded; empty where it goes or stays."""

    steps: tuple[Step, ...]
    kept_by: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """Say what stays, and what to do about it."""
        return (
            f"{PROBE_FILE} stays while {', '.join(self.kept_by)} runs with it: "
            "--allow restart, or restart it and roll back again"
        )


def guarded(steps: Sequence[Step], seen: Observation, allow: Collection[Permission]) -> Back:
    """Hold the file back while a process runs that loads it, and is not restarted with this.

    What such a process starts, a worker of a cluster for one, loads it as well, and would end at
    once without it.
    """
    restarted = {
        step.argument
        for step in steps
        if isinstance(step, ActionStep)
        and step.action == "restart-node"
        and is_allowed(step, allow)
    }
    kept_by = tuple(sorted(seen.library_users - restarted))
    if not kept_by or not any(map(_takes_away, steps)):
        return Back(tuple(steps))
    return Back(tuple(step for step in steps if not _takes_away(step)), kept_by)


def _takes_away(step: Step) -> bool:
    if isinstance(step, DirectoryStep):
        return step.path == _LIBRARY and not step.is_present
    return isinstance(step, FileStep) and step.path == PROBE_FILE and step.after is None
