"""A model host on its way through several changes and back, as the use cases take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from optimizer import catalog
from optimizer.app.outcomes import verdict_of
from optimizer.app.taken import snapshots_of
from optimizer.host.wire import (
    apply_program,
    confirm_program,
    encode_manifest,
    parse_answer,
)
from optimizer.model.plan import HostPlan
from optimizer.model.request import ProbeRequest, join
from optimizer.model.snapshot import Snapshot, snapshot_id
from optimizer.model.transaction import Step, ValueStep
from optimizer.model.tunable import Effect
from optimizer.modules.coupling import REACHED, Coupler
from optimizer.modules.examination import request_for
from optimizer.modules.host_plan import plan_host
from optimizer.planning.changes import chain
from optimizer.planning.restoring import Undo, undo
from optimizer.resources.base import decode_blobs
from tests.unit.factories import observed, profile, snapshot
from tests.unit.model_host import ModelHost
from tests.unit.model_kernel import AVAILABLE, VM

NOTHING: frozenset[Effect] = frozenset()
_PAIRS = ("dirty_bytes", "dirty_ratio", "dirty_background_bytes", "dirty_background_ratio",
          "overcommit_kbytes", "overcommit_ratio")  # fmt: skip
_UNWRITABLE_ZEROS = frozenset(f"{VM}{name}" for name in _PAIRS)


@dataclass
class Story:
    """A host, and the answer to the last change of it."""

    host: ModelHost
    told: str = ""
    changes: int = 0
    taken: list[str] = field(default_factory=list)

    def apply(self, wanted: Mapping[str, object]) -> bool:
        """Plan and apply a profile; False when there was nothing to do."""
        plan = planned(self.host, wanted)
        assert plan.state == "planned", plan.error
        if plan.steps:
            self._carry_out(plan.steps, "apply", (), decode_blobs(plan.blobs))
        return bool(plan.steps)

    def take(self) -> None:
        """Keep all values, as the verb snapshot does."""
        steps = [
            ValueStep(
                tunable=path,
                path=path,
                before=text,
                after=text,
                write="hold",
                restore="skip" if path in _UNWRITABLE_ZEROS and text == "0" else "set",
            )
            for path, text in self.host.kernel.values().items()
            if path != AVAILABLE
        ]
        manifest = encode_manifest(self._snapshot(steps, "snapshot", ()))
        self.host.snapshots[snapshot_id(manifest)] = manifest
        self.taken.append(snapshot_id(manifest))

    def way_back(self, to: str, *, include_foreign: bool = False) -> Undo:
        """Plan the way back to where a snapshot was taken."""
        seen = observed(self.host, join((ProbeRequest(snapshots=True), REACHED)))
        back = undo(chain(snapshots_of(seen), to, "db-1"), seen, include_foreign=include_foreign)
        return replace(back, steps=Coupler(catalog.find, seen).reached(back.steps))

    def roll_back(self, to: str, *, include_foreign: bool = False) -> Undo:
        """Go back to where a snapshot was taken."""
        way = self.way_back(to, include_foreign=include_foreign)
        if way.steps:
            self._carry_out(way.steps, "rollback", way.undoes, self.host.blobs)
        return way

    def _carry_out(
        self,
        steps: Sequence[Step],
        kind: Literal["apply", "rollback"],
        undoes: tuple[str, ...],
        blobs: Mapping[str, bytes],
    ) -> None:
        change = self._snapshot(steps, kind, undoes, blobs)
        self.told = self.host.answer(apply_program(change, 60))
        assert verdict_of(parse_answer(self.told)) == "applied", self.told
        self.told = self.host.answer(confirm_program(change.run, ProbeRequest()))
        assert verdict_of(parse_answer(self.told)) == "confirmed", self.told
        self.taken.append(snapshot_id(encode_manifest(change)))

    def _snapshot(
        self,
        steps: Sequence[Step],
        kind: Literal["apply", "rollback", "snapshot"],
        undoes: tuple[str, ...],
        blobs: Mapping[str, bytes] | None = None,
    ) -> Snapshot:
        self.changes += 1
        created = f"2026-11-21T10:15:{self.changes:02}.000000Z"
        run = f"r-20261121-1015{self.changes:02}-1a2b"
        return snapshot(
            steps, kind=kind, created=created, run=run, undoes=undoes, blobs=blobs or {}
        )


def planned(host: ModelHost, wanted: Mapping[str, object]) -> HostPlan:
    """Probe a model host for what a profile wants, and plan it."""
    asked = profile(wanted)
    seen = observed(host, request_for(asked))
    return plan_host("db-1", asked, seen, {}, NOTHING)


def carry_out(host: ModelHost, plan: HostPlan) -> str:
    """Apply and confirm a plan; return the last word of the host, and its problems."""
    made = snapshot(plan.steps, blobs=decode_blobs(plan.blobs))
    answers = host.answer(apply_program(made, 60))
    if verdict_of(parse_answer(answers)) == "applied":
        answers += host.answer(confirm_program(made.run, ProbeRequest()))
    problems = [line for line in answers.splitlines() if line.startswith(("problem", "stale"))]
    return "\n".join([verdict_of(parse_answer(answers)), *problems])
