"""The score: 0 to 100 or unknown, never up when something gets worse, and every point named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.reading import Reading
from optimizer.model.tunable import Effect
from optimizer.planning.comparing import Status, Verdict
from optimizer.scoring import conformance
from tests.unit.factories import tunable

COUNTED = (Status.MATCH, Status.DRIFT, Status.PENDING)
EFFECTS = (Effect.LIVE, Effect.RESTART, Effect.REBOOT)


def verdict(
    name: str, status: Status, weight: int = 3, effect: Effect = Effect.LIVE, instance: str = ""
) -> Verdict:
    """Make a verdict; `name` starts with its module."""
    made = tunable(f"{name}", weight=weight, effect=effect)
    return Verdict(Reading(made, instance, live="60", boot="60"), status, "1")


MODULES = ("system", "redis", "node", "postgresql")
NAMES = st.sampled_from([f"{module}.{letter}" for module in MODULES for letter in "abcd"])


def verdicts(statuses: Sequence[Status] = COUNTED) -> st.SearchStrategy[list[Verdict]]:
    one = st.builds(
        verdict, NAMES, st.sampled_from(statuses), st.integers(1, 10), st.sampled_from(EFFECTS)
    )
    return st.lists(one, max_size=12, unique_by=lambda made: made.reading.id)


ALL = tuple(Status)


@given(verdicts(ALL))
def test_a_score_is_between_nothing_and_everything_or_unknown(made: list[Verdict]) -> None:
    score = conformance.now(made)
    if any(one.status is Status.UNKNOWN for one in made):
        assert score is None
    else:
        assert score is not None and 0 <= score <= 100


@given(verdicts(ALL))
def test_all_points_together_are_a_hundred(made: list[Verdict]) -> None:
    points = conformance.weights(made)
    assert all(share > 0 for share in points.values())
    assert sum(points.values()) == pytest.approx(100.0 if points else 0.0)


@given(verdicts(), st.data())
def test_a_match_more_never_costs_a_point(made: list[Verdict], data: st.DataObject) -> None:
    before = conformance.now(made)
    if not made:
        assert before == 100
        return
    better = data.draw(st.integers(0, len(made) - 1))
    made[better] = replace(made[better], status=Status.MATCH)
    after = conformance.now(made)
    assert before is not None and after is not None and after >= before


@given(verdicts())
def test_what_is_lost_is_what_is_missing(made: list[Verdict]) -> None:
    score = conformance.now(made)
    lost = conformance.lost(made)
    assert score is not None
    assert sum(row.gain for row in lost) == pytest.approx(100 - score, abs=1.0)
    assert [row.gain for row in lost] == sorted((row.gain for row in lost), reverse=True)
    assert {row.tunable for row in lost} == {
        one.reading.id for one in made if one.status is not Status.MATCH
    }


@given(verdicts(), st.sets(st.sampled_from(EFFECTS)))
def test_a_forecast_only_rises(made: list[Verdict], allow: set[Effect]) -> None:
    forecast = conformance.forecast(made, allow)
    assert forecast.now is not None and forecast.after is not None
    assert forecast.possible == 100
    assert forecast.now <= forecast.after <= forecast.possible


@given(verdicts())
def test_what_does_not_count_changes_nothing(made: list[Verdict]) -> None:
    others = [verdict("system.z", status, weight=10)
              for status in (Status.PINNED, Status.NOT_APPLICABLE, Status.UNTOUCHED)]  # fmt: skip
    assert conformance.now([*made, *others]) == conformance.now(made)


def test_instances_share_the_weight_of_their_tunable() -> None:
    queues = [verdict("system.q", Status.MATCH, instance=f"cpu{at}") for at in range(8)]
    made = [*queues, verdict("system.a", Status.DRIFT)]
    assert conformance.now(made) == 50
    assert conformance.weights(made)["system.q[cpu3]"] == pytest.approx(6.25)


def test_modules_have_their_shares() -> None:
    made = [verdict("system.a", Status.MATCH), verdict("redis.a", Status.DRIFT)]
    assert conformance.now(made) == round(100 * 40 / 60, 1)
    rows = {row.module: (row.score, row.weight, row.matching, row.counted)
            for row in conformance.by_module(made)}  # fmt: skip
    assert rows == {"system": (100, 40, 1, 1), "redis": (0, 20, 0, 1)}


def test_an_unknown_value_makes_only_its_own_module_unknown() -> None:
    made = [verdict("system.a", Status.UNKNOWN), verdict("redis.a", Status.MATCH)]
    assert conformance.now(made) is None
    assert {row.module: row.score for row in conformance.by_module(made)} == {
        "system": None,
        "redis": 100,
    }
    assert conformance.forecast(made, ()).possible is None


@pytest.mark.parametrize(
    ("effect", "allow", "after"),
    [
        (Effect.LIVE, (), 100),
        (Effect.RESTART, (), 0),
        (Effect.RESTART, (Effect.RESTART,), 100),
        (Effect.REBOOT, (Effect.REBOOT,), 0),
    ],
)
def test_the_forecast_counts_what_will_be_in_force(
    effect: Effect, allow: tuple[Effect, ...], after: float
) -> None:
    made = [verdict("system.a", Status.DRIFT, effect=effect)]
    assert conformance.forecast(made, allow).after == after


def test_what_somebody_elses_file_sets_cannot_be_won() -> None:
    beaten = verdict("system.a", Status.DRIFT)
    beaten = replace(beaten, reading=replace(beaten.reading, overridden_by="/etc/z.conf:1"))
    forecast = conformance.forecast([beaten, verdict("system.b", Status.MATCH)], ())
    assert (forecast.after, forecast.possible) == (50, 50)


@pytest.mark.parametrize(
    ("points", "status"),
    [(100, "optimal"), (90, "optimal"), (89.9, "good"), (75, "good"), (74.9, "warning"),
     (50, "warning"), (49.9, "critical"), (0, "critical"), (None, "unknown")],
)  # fmt: skip
def test_a_score_has_a_name(points: float | None, status: str) -> None:
    assert conformance.status_of(points) == status


@pytest.mark.parametrize(
    ("status", "checks", "lowered"),
    [
        ("optimal", ["optimal", "good"], "optimal"),
        ("optimal", ["warning", "good"], "warning"),
        ("optimal", ["warning", "critical"], "critical"),
        ("critical", ["warning"], "critical"),
        ("unknown", ["warning"], "unknown"),
        ("good", [], "good"),
    ],
)
def test_bad_health_lowers_the_status(status: str, checks: list[str], lowered: str) -> None:
    assert conformance.lowered_by_health(status, checks) == lowered
