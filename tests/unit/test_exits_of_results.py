"""Exit codes of whole fleets: the code that a person has to hear about first."""

from __future__ import annotations

from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.cli.exits import apply_code, score_code, verify_code
from optimizer.model.errors import ExitCode, worst
from optimizer.model.plan import ProfileRef
from optimizer.model.result import (
    ApplyResult,
    HostOutcome,
    HostScore,
    HostVerdict,
    ScoreResult,
    VerifyResult,
)

State = Literal["applied", "waiting", "unchanged", "refused", "restored", "failed", "unreachable"]
STATES = st.lists(st.sampled_from(get_args(State)), min_size=1, max_size=6)


def code_of(states: list[State]) -> int:
    hosts = tuple(HostOutcome(name=f"h{at}", state=state) for at, state in enumerate(states))
    return apply_code(ApplyResult(run="r", profile=ProfileRef(name="p"), hosts=hosts))


def test_every_state_of_a_host_has_a_code() -> None:
    assert set(get_args(State)) == set(get_args(HostOutcome.model_fields["state"].annotation))
    assert {state: code_of([state, "applied"]) for state in get_args(State)} == {
        "applied": 0, "waiting": 0, "unchanged": 0, "refused": 1, "restored": 3, "failed": 4,
        "unreachable": 5,
    }  # fmt: skip


@given(STATES, st.randoms())
def test_the_order_of_the_hosts_does_not_matter(states: list[State], chance: object) -> None:
    shuffled = list(states)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert code_of(shuffled) == code_of(states)


@given(STATES)
def test_a_host_that_needs_a_person_is_never_hidden(states: list[State]) -> None:
    code = code_of(states)
    assert (code == 4) is ("failed" in states)
    if "failed" not in states:
        assert (code == 3) is ("restored" in states)
    assert (code == 0) is all(state in ("applied", "waiting", "unchanged") for state in states)


@given(STATES)
def test_another_good_host_hides_nothing(states: list[State]) -> None:
    more = code_of([*states, "applied"])
    if set(states) == {"unreachable"}:
        # A part of the fleet is not all of it.
        assert (code_of(states), more) == (1, 5)
    else:
        assert more == code_of(states)


@given(st.lists(st.sampled_from(list(ExitCode)), max_size=5))
def test_the_worst_code_is_one_of_them(codes: list[ExitCode]) -> None:
    known: list[ExitCode] = [code for code in codes if code is not ExitCode.USAGE]
    found = worst(known)
    assert found in (known or [ExitCode.OK])


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["match"], 0),
        (["match", "drift"], 2),
        (["match", "unknown"], 2),
        (["match", "unreachable"], 5),
        (["drift", "unreachable"], 5),
        (["unreachable"], 1),
    ],
)
def test_what_verify_found(states: list[Literal["match", "drift"]], code: int) -> None:
    hosts = tuple(HostVerdict(name=f"h{at}", state=state) for at, state in enumerate(states))
    assert verify_code(VerifyResult(profile=None, hosts=hosts)) == code


@given(
    points=st.lists(st.none() | st.floats(0, 100), min_size=1, max_size=4),
    least=st.none() | st.floats(0, 100),
)
def test_a_score_under_the_wanted_one_or_unknown_is_a_difference(
    points: list[float | None], least: float | None
) -> None:
    hosts = tuple(
        HostScore(name=f"h{at}", state="unknown" if one is None else "scored", score=one)
        for at, one in enumerate(points)
    )
    code = score_code(ScoreResult(profile=ProfileRef(name="p"), hosts=hosts), least)
    is_under = least is not None and any(one is None or one < least for one in points)
    assert code == (2 if is_under else 0)
