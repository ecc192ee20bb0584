"""Boot parameters that are not as they were applied, and those that wait for a reboot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optimizer.model.boot import GRUB_CONFIG, normal, parameter_at
from optimizer.model.observation import ABSENT, Observation
from optimizer.model.result import Drift
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import Step, ValueStep
from optimizer.planning.changes import in_effect
from optimizer.resources import grub


def boot_parameters(
    steps: Iterable[Step], taken: Mapping[str, Snapshot], seen: Observation
) -> tuple[tuple[Drift, ...], tuple[Drift, ...]]:
    """Hold boot parameters against what we left: what differs, and what waits for a reboot."""
    next_boot = grub.next_boot(seen)
    earlier = {
        step.path: one.boot_id != seen.facts.boot_id
        for _, one in in_effect(taken)
        for step in one.steps
        if isinstance(step, ValueStep)
    }
    drift, pending = [], []
    for step in steps:
        if not isinstance(step, ValueStep) or not step.takes_reboot:
            continue
        value = seen.values.get(step.path)
        live = value.text if value and value.text != ABSENT else None
        boot = next_boot.get(normal(parameter_at(step.path)))
        found = Drift(
            tunable=step.tunable, expected=step.after, live=live, boot=boot, source=GRUB_CONFIG
        )
        # A reboot since then that did not bring it was not by this menu.
        if boot != step.after or (live != step.after and earlier[step.path]):
            drift.append(found)
        elif live != step.after:
            pending.append(found)
    return tuple(drift), tuple(pending)
