"""The record of a run: what is answered, and what the controller keeps of it."""

from __future__ import annotations

from datetime import datetime

from optimizer.app.requests import ApplyOptions
from optimizer.model.errors import OptimizerError
from optimizer.model.plan import Plan
from optimizer.model.result import ApplyResult, HostOutcome, RollbackResult, RunInfo
from optimizer.store import runs


def recorded(
    plan: Plan,
    run: str,
    started: datetime,
    options: ApplyOptions,
    outcomes: tuple[HostOutcome, ...],
) -> ApplyResult | RollbackResult:
    """Make the answer of a run that touched hosts, and keep a record of it here."""
    made: ApplyResult | RollbackResult
    if plan.kind == "rollback":
        made = RollbackResult(run=run, profile=plan.profile, hosts=outcomes)
    else:
        made = ApplyResult(run=run, profile=plan.profile, hosts=outcomes)
    states = [outcome.state for outcome in outcomes]
    info = RunInfo(
        id=run,
        created=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        verb=plan.kind,
        profile=plan.profile.name,
        by=options.by or "unknown",
        hosts=len(outcomes),
        changed=states.count("applied") + states.count("waiting"),
        restored=states.count("restored"),
        failed=states.count("failed"),
    )
    if any(state not in ("unchanged", "unreachable") for state in states):
        _record(info, made.model_dump_json())
    return made


def _record(info: RunInfo, result: str) -> None:
    """Keep the record; a full disk here must not hide what happened on the hosts."""
    try:
        runs.record(info, result)
    except (OSError, OptimizerError):
        return
