"""Whole screens of every view, compared with golden files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from optimizer.model.plan import Plan
from optimizer.model.transaction import ModuleStep
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


def test_a_restart_that_is_allowed_still_stands_out() -> None:
    allowed = samples.NOFILE.model_copy(update={"allowed": True})
    made = Plan(profile=samples.PROFILE, hosts=(samples.host("db-1", changes=(allowed,)),))
    [line] = [line for line in plan.render(made, LOOK, ASKED) if "LimitNOFILE" in line]
    assert line.startswith("    ! ")
    assert line.endswith("  by restart")


def test_hosts_on_which_more_is_done_are_shown_apart() -> None:
    more = samples.host("web-2", steps=(ModuleStep(name="tcp_bbr"), samples.STEP))
    hosts = (samples.host("web-1"), more, samples.host("web-3"))
    lines = plan.render(Plan(profile=samples.PROFILE, hosts=hosts), LOOK, ASKED)
    heads = [line.split("   ")[0] for line in lines if line.startswith("web-")]
    assert heads == ["web-[1,3]", "web-2"]
    assert lines.count("    + load kernel module tcp_bbr") == 1


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
