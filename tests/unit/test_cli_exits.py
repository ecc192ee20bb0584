from __future__ import annotations

import pytest

from optimizer.cli import exits
from optimizer.model.errors import ExitCode
from optimizer.model.plan import HostPlan, Plan, ProfileRef
from optimizer.model.result import (
    ApplyResult,
    Diagnosis,
    DoctorResult,
    HistoryResult,
    HostDiagnosis,
    HostOutcome,
    HostScore,
    HostVerdict,
    Problem,
    RunInfo,
    ScoreResult,
    VerifyResult,
)
from tests.unit.view_samples import SOMAXCONN

PROFILE = ProfileRef(name="p")


def plan(*states: str, has_changes: bool = True) -> Plan:
    changes = (SOMAXCONN,) if has_changes else ()
    hosts = [
        HostPlan.model_validate(
            {"name": f"h{at}", "state": state, "changes": changes if state == "planned" else ()}
        )
        for at, state in enumerate(states)
    ]
    return Plan(profile=PROFILE, hosts=tuple(hosts))


@pytest.mark.parametrize(
    ("states", "has_changes", "is_detailed", "code"),
    [
        (["planned"], True, False, 0),
        (["planned"], True, True, 2),
        (["planned"], False, True, 0),
        (["planned", "unreachable"], False, False, 5),
        (["planned", "unreachable"], True, True, 5),
        (["unreachable", "unreachable"], False, True, 1),
        (["planned", "refused"], True, True, 1),
        (["planned", "refused", "unreachable"], True, False, 1),
        ([], False, False, 0),
    ],
)
def test_plan(states: list[str], has_changes: bool, is_detailed: bool, code: int) -> None:
    assert exits.plan_code(plan(*states, has_changes=has_changes), is_detailed) == code


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["applied", "waiting", "unchanged"], 0),
        (["applied", "refused"], 1),
        (["refused", "refused"], 1),
        (["applied", "restored"], 3),
        (["restored", "failed", "unreachable"], 4),
        (["applied", "unreachable"], 5),
        (["unchanged", "unreachable"], 5),
        (["restored", "unreachable"], 3),
        (["refused", "unreachable"], 5),
        (["unreachable"], 1),
        ([], 0),
    ],
)
def test_apply(states: list[str], code: int) -> None:
    hosts = [
        HostOutcome.model_validate({"name": f"h{at}", "state": state})
        for at, state in enumerate(states)
    ]
    assert exits.apply_code(ApplyResult(run="r", profile=PROFILE, hosts=tuple(hosts))) == code


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["match"], 0),
        (["match", "drift"], 2),
        (["match", "unknown"], 2),
        (["drift", "unreachable"], 5),
        (["match", "unreachable"], 5),
        (["unreachable"], 1),
    ],
)
def test_verify(states: list[str], code: int) -> None:
    hosts = [
        HostVerdict.model_validate({"name": f"h{at}", "state": state})
        for at, state in enumerate(states)
    ]
    assert exits.verify_code(VerifyResult(profile=None, hosts=tuple(hosts))) == code


@pytest.mark.parametrize(
    ("scores", "fail_under", "code"),
    [
        ([100.0], None, 0),
        ([10.0], None, 0),
        ([None], None, 0),
        ([90.0, 89.9], 90.0, 2),
        ([90.0], 90.0, 0),
        ([None], 0.0, 2),
        (["unreachable", 95.0], 90.0, 5),
        (["unreachable"], 90.0, 1),
    ],
)
def test_score(scores: list[float | str | None], fail_under: float | None, code: int) -> None:
    hosts = [
        HostScore(name="h", state="unreachable")
        if isinstance(score, str)
        else HostScore(name="h", state="unknown" if score is None else "scored", score=score)
        for score in scores
    ]
    assert exits.score_code(ScoreResult(profile=PROFILE, hosts=tuple(hosts)), fail_under) == code


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("critical", 1)])
def test_doctor(status: str, code: int) -> None:
    check = Diagnosis.model_validate({"check": "c", "status": status, "answer": "a"})
    fine = HostDiagnosis(name="h", state="examined", checks=(check,))
    lost = HostDiagnosis(name="g", state="unreachable")
    assert exits.doctor_code(DoctorResult(hosts=(fine,))) == code
    assert exits.doctor_code(DoctorResult(hosts=(fine, lost))) == ExitCode.PARTLY_REACHED
    assert exits.doctor_code(DoctorResult(hosts=(lost,))) == ExitCode.NOTHING_CHANGED


def test_history() -> None:
    run = RunInfo(
        id="r",
        created="",
        verb="apply",
        profile="p",
        by="a",
        hosts=1,
        changed=1,
        restored=0,
        failed=0,
    )
    problem = Problem(what="x")
    assert exits.history_code(HistoryResult()) == ExitCode.OK
    assert exits.history_code(HistoryResult(runs=(run,))) == ExitCode.OK
    part = HistoryResult(runs=(run,), problems=(problem,))
    assert exits.history_code(part) == ExitCode.PARTLY_REACHED
    assert exits.history_code(HistoryResult(problems=(problem,))) == ExitCode.NOTHING_CHANGED


def test_every_code_has_a_meaning() -> None:
    assert set(exits.MEANINGS) == set(ExitCode)
