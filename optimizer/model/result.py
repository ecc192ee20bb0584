"""What the verbs answer: the public JSON documents besides the plan."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from optimizer.model.plan import Change, ProfileRef, Skipped


class _Data(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        serialize_by_alias=True,
        defer_build=True,
    )


class Problem(_Data):
    """One thing that went wrong on a host: what, where, and what was expected and found."""

    what: str
    tunable: str = ""
    path: str = ""
    expected: str | None = None
    found: str | None = None


class HostOutcome(_Data):
    """What an apply or a rollback did on one host.

    state: `applied` (confirmed), `waiting` (applied, to be confirmed by hand),
        `unchanged`, `refused` (nothing was changed), `restored` (failed and put back),
        `failed` (a person is needed), `unreachable` (never reached).
    snapshot: id of the snapshot that brings the host back; empty when nothing changed.
    """

    name: str
    state: Literal[
        "applied", "waiting", "unchanged", "refused", "restored", "failed", "unreachable"
    ]
    snapshot: str = ""
    applied: tuple[Change, ...] = ()
    pending: tuple[Change, ...] = ()
    held_back: tuple[Change, ...] = ()
    foreign: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    score_before: float | None = None
    score_after: float | None = None
    commands: int = 0


class ApplyResult(_Data):
    """What `apply` or `confirm` did."""

    schema_: Literal["optimizer/apply/1"] = Field("optimizer/apply/1", alias="schema")
    run: str
    profile: ProfileRef
    hosts: tuple[HostOutcome, ...]


class RollbackResult(_Data):
    """What `rollback` did."""

    schema_: Literal["optimizer/rollback/1"] = Field("optimizer/rollback/1", alias="schema")
    run: str
    profile: ProfileRef
    hosts: tuple[HostOutcome, ...]


class Drift(_Data):
    """One tunable that is no longer what was applied or what the profile wants."""

    tunable: str
    expected: str | None
    live: str | None
    boot: str | None
    source: str | None = None


class HostVerdict(_Data):
    """Whether one host still matches.

    applied: what it is compared with, when that is not a profile: profile, version and run.
    """

    name: str
    state: Literal["match", "drift", "unknown", "unreachable"]
    applied: str = ""
    checked: int = 0
    drift: tuple[Drift, ...] = ()
    pending: tuple[Drift, ...] = ()
    unknown: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""


class VerifyResult(_Data):
    """What `verify` found."""

    schema_: Literal["optimizer/verify/1"] = Field("optimizer/verify/1", alias="schema")
    profile: ProfileRef | None
    hosts: tuple[HostVerdict, ...]


class LostPoint(_Data):
    """One tunable that costs points: what it is, what it should be, what matching it adds."""

    tunable: str
    live: str | None
    wanted: str | None
    gain: float
    effect: str
    why: str = ""


class ModuleScore(_Data):
    """Conformance of one module; None when a value of it is unknown."""

    module: str
    score: float | None
    weight: float
    matching: int
    counted: int


class HealthCheck(_Data):
    """One live check against a threshold."""

    name: str
    status: Literal["optimal", "good", "warning", "critical"]
    value: str
    threshold: str
    recommendation: str = ""


class HostScore(_Data):
    """Conformance of one host, where its points are lost, and its health."""

    name: str
    state: Literal["scored", "unknown", "unreachable"]
    score: float | None = None
    status: Literal["optimal", "good", "warning", "critical", "unknown"] = "unknown"
    modules: tuple[ModuleScore, ...] = ()
    lost: tuple[LostPoint, ...] = ()
    health: tuple[HealthCheck, ...] = ()
    not_applicable: tuple[Skipped, ...] = ()
    pinned: tuple[Skipped, ...] = ()
    unknown: tuple[Skipped, ...] = ()
    error: str = ""


class ScoreResult(_Data):
    """What `score` found."""

    schema_: Literal["optimizer/score/1"] = Field("optimizer/score/1", alias="schema")
    profile: ProfileRef
    hosts: tuple[HostScore, ...]


class SnapshotInfo(_Data):
    """One snapshot as a list shows it."""

    id: str
    run: str
    host: str
    created: str
    kind: Literal["apply", "rollback", "snapshot"]
    profile: str
    by: str
    kernel: str
    values: int
    files: int
    state: Literal["in effect", "undone", "damaged", "taken"]
    label: str = ""


class RunInfo(_Data):
    """One invocation over hosts, as the controller recorded it. created: UTC."""

    id: str
    created: str
    verb: str
    profile: str
    by: str
    hosts: int
    changed: int
    restored: int
    failed: int


class HistoryResult(_Data):
    """What `history` lists: runs of this controller, or snapshots of hosts."""

    schema_: Literal["optimizer/history/1"] = Field("optimizer/history/1", alias="schema")
    runs: tuple[RunInfo, ...] = ()
    snapshots: tuple[SnapshotInfo, ...] = ()
    problems: tuple[Problem, ...] = ()


class Diagnosis(_Data):
    """One line of `doctor`: a question about a host and its answer."""

    check: str
    status: Literal["ok", "warning", "critical", "unknown"]
    answer: str
    hint: str = ""


class HostDiagnosis(_Data):
    """All answers about one host."""

    name: str
    state: Literal["examined", "unreachable"]
    checks: tuple[Diagnosis, ...] = ()
    error: str = ""


class DoctorResult(_Data):
    """What `doctor` found."""

    schema_: Literal["optimizer/doctor/1"] = Field("optimizer/doctor/1", alias="schema")
    hosts: tuple[HostDiagnosis, ...]


class ErrorBody(_Data):
    """A failure as JSON."""

    code: str
    message: str
    host: str | None = None
    hint: str = ""


class ErrorResult(_Data):
    """What `--format json` prints when a verb fails as a whole."""

    schema_: Literal["optimizer/error/1"] = Field("optimizer/error/1", alias="schema")
    error: ErrorBody
