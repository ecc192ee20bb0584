"""The order of steps: what a host carries out first, and in which order it is walked back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from optimizer.model.transaction import (
    ActionStep,
    DirectoryStep,
    FileStep,
    LinkStep,
    ModuleStep,
    Step,
    ValueStep,
    in_order,
)

STEP: TypeAdapter[Step] = TypeAdapter(Step)


def value(path: str) -> ValueStep:
    return ValueStep(tunable="t", path=path, before="1", after="2")


STEPS: list[Step] = [
    ModuleStep(name="m"),
    value("/b"),
    value("/a"),
    DirectoryStep(path="/d"),
    DirectoryStep(path="/d/e"),
    FileStep(path="/d/e/f", before=None, after=None),
    LinkStep(path="/d/e/l", before=None, after="/t"),
    DirectoryStep(path="/x/y/z", is_present=False),
    DirectoryStep(path="/x/y", is_present=False),
    ModuleStep(name="n", is_loaded=False),
    ActionStep(action="daemon-reload"),
    ActionStep(action="restart-unit", argument="u"),
]


@given(st.permutations(STEPS))
def test_any_steps_come_into_the_order_of_a_host(shuffled: list[Step]) -> None:
    ordered = in_order(shuffled)
    kinds = [(step.step, getattr(step, "is_loaded", getattr(step, "is_present", True)))
             for step in ordered]  # fmt: skip
    assert kinds == [
        ("module", True), ("value", True), ("value", True),
        ("directory", True), ("directory", True), ("file", True), ("link", True),
        ("directory", False), ("directory", False), ("module", False),
        ("action", True), ("action", True),
    ]  # fmt: skip
    assert sorted(map(str, ordered)) == sorted(map(str, STEPS))


@given(st.permutations(STEPS))
def test_a_directory_is_made_before_and_taken_away_after_what_is_in_it(
    shuffled: list[Step],
) -> None:
    paths = [step.path for step in in_order(shuffled) if isinstance(step, DirectoryStep)]
    assert paths == ["/d", "/d/e", "/x/y/z", "/x/y"]


@given(st.permutations(STEPS))
def test_within_a_kind_the_given_order_stays(shuffled: list[Step]) -> None:
    def values(steps: list[Step]) -> list[str]:
        return [step.path for step in steps if isinstance(step, ValueStep)]

    assert values(list(in_order(shuffled))) == values(shuffled)


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_step_survives_json(step: Step) -> None:
    assert STEP.validate_json(STEP.dump_json(step)) == step


@pytest.mark.parametrize(
    "text",
    [
        '{"step": "shell", "command": "reboot"}',
        '{"step": "value", "tunable": "t", "path": "/p", "before": "1"}',
        '{"step": "module", "name": "m", "force": true}',
        '{"step": "action", "action": "reboot"}',
    ],
)
def test_a_plan_file_cannot_smuggle_in_another_step(text: str) -> None:
    with pytest.raises(ValidationError):
        STEP.validate_json(text)
