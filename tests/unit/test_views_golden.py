"""Whole screens of every view, compared with golden files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from optimizer.model.plan import Plan
from optimizer.views import apply, doctor, history, plan, score, verify
from optimizer.views.text import ASCII, Asked, Look
from tests.unit import view_samples as samples
from tests.unit.conftest import Golden

ASKED = Asked(inventory="inventories/prod.py", profile="hft")
LOOK = Look()
WHOLE = replace(LOOK, show_all=True, show_why=True, show_diff=True)


@pytest.mark.parametrize(
    ("name", "made", "look"),
    [
        ("plan-one-host", samples.ONE_HOST, LOOK),
        ("plan-one-host-whole", samples.ONE_HOST, WHOLE),
        ("plan-one-host-ascii", samples.ONE_HOST, replace(LOOK, symbols=ASCII)),
        ("plan-one-host-wide", samples.ONE_HOST, replace(LOOK, width=120)),
        ("plan-fleet", samples.FLEET, LOOK),
        ("plan-refused", samples.REFUSED, LOOK),
        ("plan-nothing-to-do", samples.UP_TO_DATE, LOOK),
        ("plan-rollback", samples.BACK, LOOK),
    ],
)
def test_plan(golden: Golden, name: str, made: Plan, look: Look) -> None:
    golden(f"{name}.txt", plan.render(made, look, ASKED))


@pytest.mark.parametrize(
    ("name", "render", "look"),
    [
        ("apply-one-host", lambda look: apply.render(samples.APPLIED, look, ASKED), LOOK),
        ("apply-one-host-all", lambda look: apply.render(samples.APPLIED, look, ASKED), WHOLE),
        ("apply-fleet", lambda look: apply.render(samples.MIXED, look, ASKED), LOOK),
        ("apply-waiting", lambda look: apply.render(samples.WAITING, look, ASKED), LOOK),
        ("rollback", lambda look: apply.render(samples.ROLLED_BACK, look, ASKED), LOOK),
        ("snapshot", lambda look: apply.render_snapshots(samples.TAKEN, look, ASKED), LOOK),
        ("verify", lambda look: verify.render(samples.VERIFIED, look, ASKED), LOOK),
        ("score-one-host", lambda look: score.render(samples.SCORED, look, ASKED), LOOK),
        ("score-one-host-whole", lambda look: score.render(samples.SCORED, look, ASKED), WHOLE),
        ("score-fleet", lambda look: score.render(samples.SCORED_FLEET, look, ASKED), LOOK),
        ("history-runs", lambda look: history.render(samples.RUNS, look, ASKED), LOOK),
        ("history-snapshots", lambda look: history.render(samples.SNAPSHOTS, look, ASKED), LOOK),
        ("doctor", lambda look: doctor.render(samples.DIAGNOSED, look, ASKED), LOOK),
    ],
)
def test_result(golden: Golden, name: str, render: Callable[[Look], list[str]], look: Look) -> None:
    golden(f"{name}.txt", render(look))
