"""From results to exit codes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from optimizer.model.errors import ExitCode, worst

if TYPE_CHECKING:
    from optimizer.model.plan import HostPlan, Plan
    from optimizer.model.result import (
        ApplyResult,
        DoctorResult,
        HistoryResult,
        HostOutcome,
        HostScore,
        RollbackResult,
        ScoreResult,
        VerifyResult,
    )

MEANINGS: Mapping[ExitCode, str] = MappingProxyType(
    {
        ExitCode.OK: "done, or nothing to do",
        ExitCode.NOTHING_CHANGED: "failed before anything was changed",
        ExitCode.DIFFERENCES: "differences: plan --detailed-exitcode, verify, score --fail-under",
        ExitCode.RESTORED: "failed on some host, and every such host was restored and checked",
        ExitCode.NOT_RESTORED: "as 3, but a host is not restored: a person is needed",
        ExitCode.PARTLY_REACHED: "part of the hosts not reached, the rest is fine",
        ExitCode.USAGE: "wrong usage",
        ExitCode.INTERRUPTED: "interrupted",
    }
)

_OUTCOMES: Mapping[str, ExitCode] = MappingProxyType(
    {
        "applied": ExitCode.OK,
        "waiting": ExitCode.OK,
        "unchanged": ExitCode.OK,
        "refused": ExitCode.NOTHING_CHANGED,
        "restored": ExitCode.RESTORED,
        "failed": ExitCode.NOT_RESTORED,
        "unreachable": ExitCode.PARTLY_REACHED,
    }
)


def plan_code(plan: Plan, is_detailed: bool) -> ExitCode:
    """Return the code of a plan; differences count only where they are asked for."""
    codes = [ExitCode.NOTHING_CHANGED for host in plan.hosts if host.state == "refused"]
    if codes:
        # A refused host refuses the whole plan, whatever became of the others.
        return ExitCode.NOTHING_CHANGED
    if is_detailed and any(_has_differences(host) for host in plan.hosts):
        codes.append(ExitCode.DIFFERENCES)
    return worst([*codes, _reached(host.state for host in plan.hosts)])


def _has_differences(host: HostPlan) -> bool:
    return bool(host.changes or host.files or host.steps)


def apply_code(result: ApplyResult | RollbackResult) -> ExitCode:
    """Return the code of an apply, a confirm or a rollback."""
    codes = [_outcome(host) for host in result.hosts]
    return worst([*codes, _reached(host.state for host in result.hosts)])


def _outcome(host: HostOutcome) -> ExitCode:
    # Whether unreached hosts are a part or all of them is for _reached to say.
    return ExitCode.OK if host.state == "unreachable" else _OUTCOMES[host.state]


def verify_code(result: VerifyResult) -> ExitCode:
    """Return the code of a verify; a value that could not be read is a difference."""
    codes = [ExitCode.DIFFERENCES for host in result.hosts if host.state in ("drift", "unknown")]
    return worst([*codes, _reached(host.state for host in result.hosts)])


def score_code(result: ScoreResult, fail_under: float | None) -> ExitCode:
    """Return the code of a score; an unknown score does not reach a wanted one."""
    codes: list[ExitCode] = []
    if fail_under is not None:
        codes = [ExitCode.DIFFERENCES for host in result.hosts if _is_under(host, fail_under)]
    return worst([*codes, _reached(host.state for host in result.hosts)])


def _is_under(host: HostScore, fail_under: float) -> bool:
    if host.state == "unreachable":
        return False
    return host.score is None or host.score < fail_under


def history_code(result: HistoryResult) -> ExitCode:
    """Return the code of a list; with problems it is a part of what there is, or nothing."""
    if not result.problems:
        return ExitCode.OK
    has_some = bool(result.runs or result.snapshots)
    return ExitCode.PARTLY_REACHED if has_some else ExitCode.NOTHING_CHANGED


def doctor_code(result: DoctorResult) -> ExitCode:
    """Return the code of a diagnosis; 1 for anything critical on any host."""
    statuses = {check.status for host in result.hosts for check in host.checks}
    code = ExitCode.NOTHING_CHANGED if "critical" in statuses else ExitCode.OK
    return worst([code, _reached(host.state for host in result.hosts)])


def lint_code(problems: Sequence[object]) -> ExitCode:
    """Return the code of a look at a profile file."""
    return ExitCode.NOTHING_CHANGED if problems else ExitCode.OK


def _reached(states: Iterable[str]) -> ExitCode:
    missing = [state == "unreachable" for state in states]
    if missing and all(missing):
        return ExitCode.NOTHING_CHANGED
    return ExitCode.PARTLY_REACHED if any(missing) else ExitCode.OK
