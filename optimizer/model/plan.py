"""The plan: every difference between a profile and the hosts, and how it will be made.

The shape is the public JSON contract `optimizer/plan/1`. `id` is a hash over the rest,
so a plan that was edited by hand is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from optimizer.model.transaction import Step
from optimizer.model.tunable import Effect, Permission, Risk


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Change(_Data):
    """One difference: live value, boot value, or both.

    before, after: canonical text as the host prints it; None where it does not exist.
    source: `file:line` that decides the boot value before the change.
    allowed: False for a change that waits for `--allow restart`, `reboot` or `data`.
    at_stake: which data it can lose; such a change needs `--allow data`.
    follows: tunable whose write makes the kernel change this one too.
    gain: points that the change adds to the score.
    """

    tunable: str
    module: str
    kind: str
    before: str | None
    after: str | None
    boot_before: str | None = None
    boot_after: str | None = None
    source: str | None = None
    effect: Effect = Effect.LIVE
    allowed: bool = True
    risk: Risk = Risk.LOW
    why: str = ""
    docs: str = ""
    unit: str = ""
    at_stake: str = ""
    follows: str | None = None
    gain: float = 0.0
    advice: str = ""

    @property
    def is_live_different(self) -> bool:
        """Whether the value in force changes, now or after the restart or reboot."""
        return self.before != self.after

    @property
    def is_pending(self) -> bool:
        """Whether what is written now counts after a restart that nobody allowed, or a reboot."""
        if self.effect is Effect.REBOOT:
            return self.allowed and self.is_live_different
        # An object of a database is in no file: it is made by the change that restarts, or not.
        has_boot = self.boot_after is not None
        is_written = has_boot and (self.boot_before != self.boot_after or not self.at_stake)
        waits = self.effect is Effect.RESTART and not self.allowed
        return waits and is_written and not self.advice


class FileChange(_Data):
    """One file or link that is created, modified or deleted, with a unified diff."""

    path: str
    action: Literal["create", "modify", "delete"]
    diff: str = ""


class Skipped(_Data):
    """A tunable that is left out, and why."""

    tunable: str
    reason: str


class ScoreForecast(_Data):
    """Conformance now, after what is allowed, and after restarts and reboots too; 0 to 100.

    None where an unknown value keeps the score from being known.
    """

    now: float | None
    after: float | None
    possible: float | None


class BudgetLine(_Data):
    """One part of the memory of a host: its worst case in bytes, and how it was worked out."""

    what: str
    bytes: int
    how: str


class HostPlan(_Data):
    """What one host needs.

    state: `planned`, `unreachable`, or `refused` (nothing of it may be applied).
    blobs: sha256 -> base64 of the files that are written or replaced.
    budget: how the memory is shared out, where a service runs that takes part in it.
    waiting: the change that kept others out of the host when the plan was made; empty for none.
    """

    name: str
    state: Literal["planned", "unreachable", "refused"]
    machine_id: str = ""
    boot_id: str = ""
    kernel: str = ""
    summary: str = ""
    score: ScoreForecast | None = None
    changes: tuple[Change, ...] = ()
    files: tuple[FileChange, ...] = ()
    unchanged: int = 0
    not_applicable: tuple[Skipped, ...] = ()
    pinned: tuple[Skipped, ...] = ()
    unknown: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""
    foreign: tuple[Change, ...] = ()
    undoes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    blobs: dict[str, str] = Field(default_factory=dict)
    budget: tuple[BudgetLine, ...] = ()
    waiting: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether applying it would write nothing."""
        return not self.steps

    @property
    def held_back(self) -> tuple[Change, ...]:
        """Changes that wait for an effect to be allowed."""
        return tuple(change for change in self.changes if not change.allowed)


class ProfileRef(_Data):
    """Which profile a plan follows; a rollback has the snapshot in place of a version."""

    name: str
    version: int = 0
    digest: str = ""


class Plan(_Data):
    """All differences of all hosts, with a content hash as id."""

    schema_: Literal["optimizer/plan/1"] = Field("optimizer/plan/1", alias="schema")
    id: str = ""
    kind: Literal["apply", "rollback", "snapshot"] = "apply"
    profile: ProfileRef
    allow: tuple[Permission, ...] = ()
    hosts: tuple[HostPlan, ...]

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        serialize_by_alias=True,
        defer_build=True,
    )

    def sealed(self) -> Plan:
        """Return the plan with the id that its content has."""
        return self.model_copy(update={"id": self.content_id()})

    def content_id(self) -> str:
        """Hash everything but the id itself."""
        document = self.model_dump(mode="json", exclude={"id"})
        return "sha256:" + canonical_hash(document)


def canonical_hash(document: Any) -> str:
    """Hash a JSON document independently of key order and spacing."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def group_equal(hosts: Iterable[HostPlan]) -> list[list[HostPlan]]:
    """Group the hosts whose plan reads the same, largest group first."""
    groups: dict[str, list[HostPlan]] = {}
    for host in hosts:
        key = host.model_dump_json(
            exclude={
                "name",
                "machine_id",
                "boot_id",
                "kernel",
                "summary",
                "steps",
                "blobs",
                "undoes",
                "budget",
                "waiting",
            }
        )
        groups.setdefault(key, []).append(host)
    return sorted(groups.values(), key=lambda group: (-len(group), group[0].name))
