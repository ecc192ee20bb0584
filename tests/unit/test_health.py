"""Health checks of a host: their thresholds, how profiles change them, and what they find."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import profiles
from optimizer.model.errors import ProfileError
from optimizer.model.profile import Profile, Threshold
from optimizer.model.result import HealthCheck
from optimizer.scoring.check import Bad, Check
from optimizer.scoring.checks import CHECKS
from optimizer.scoring.health import system_health
from optimizer.scoring.thresholds import read_threshold
from tests.unit.factories import FACTS, facts
from tests.unit.shelf import Shelf

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "profiles.md"
SHIPPED = sorted((ROOT / "profiles").glob("*.yaml"))
SEVERITY = ("optimal", "good", "warning", "critical")
NUMBERS = st.floats(0, 1e6, allow_nan=False)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def thresholds(check: Check) -> st.SearchStrategy[Threshold]:
    """Thresholds that a profile may give to a check."""
    pairs = st.lists(NUMBERS, min_size=2, max_size=2).map(sorted)
    ordered = pairs.map(lambda pair: pair[::-1] if check.bad is Bad.BELOW else pair)
    both = ordered.map(lambda pair: Threshold(*pair))
    one = st.builds(Threshold, st.none() | NUMBERS) | st.builds(
        Threshold, st.none(), st.none() | NUMBERS
    )
    return both | one


CHOSEN = st.sampled_from(sorted(CHECKS.values(), key=lambda check: check.name))
JUDGED = CHOSEN.flatmap(lambda check: st.tuples(st.just(check), thresholds(check)))


# Checks and their thresholds


@pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))
def test_each_check_says_what_it_is_and_has_a_sound_default(check: Check) -> None:
    assert check.meaning
    assert check.advice
    assert check.source
    warning, critical = check.threshold.warning, check.threshold.critical
    texts = [None if level is None else f"{level:g}" for level in (warning, critical)]
    assert read_threshold(check.name, *texts) == check.threshold
    assert check.threshold != Threshold()
    if check.good is not None and warning is not None:
        assert check.good > warning if check.bad is Bad.BELOW else check.good < warning


@given(judged=JUDGED, one=NUMBERS, other=NUMBERS)
def test_a_worse_number_never_has_a_better_status(
    judged: tuple[Check, Threshold], one: float, other: float
) -> None:
    check, threshold = judged
    better, worse = sorted((one, other), reverse=check.bad is Bad.BELOW)
    statuses = [check.status(number, threshold) for number in (better, worse)]
    assert SEVERITY.index(statuses[0]) <= SEVERITY.index(statuses[1])


@given(judged=JUDGED)
def test_a_threshold_itself_is_not_beyond_it(judged: tuple[Check, Threshold]) -> None:
    check, threshold = judged
    for level, name in ((threshold.critical, "critical"), (threshold.warning, "warning")):
        if level is not None:
            assert check.status(level, Threshold(**{name: level})) in ("optimal", "good")
            beyond = math.nextafter(level, -1 if check.bad is Bad.BELOW else math.inf)
            assert check.status(beyond, Threshold(**{name: level})) == name


@given(judged=JUDGED, number=NUMBERS)
def test_only_what_is_bad_has_advice(judged: tuple[Check, Threshold], number: float) -> None:
    check, threshold = judged
    found = check.judge(number, "words", threshold)
    assert bool(found.recommendation) is (found.status in ("warning", "critical"))


@pytest.mark.parametrize(
    ("name", "threshold", "words"),
    [
        ("system.memory-available", None, "warning below 15 %, critical below 8 %"),
        ("system.memory-pressure", None, "warning above 5 %, critical above 20 % of the last 10 s"),
        ("system.failed-units", None, "warning when a unit has failed"),
        ("system.failed-units", Threshold(2), "warning above 2"),
        ("redis.fragmentation", Threshold(1.75), "warning above 1.75"),
        ("redis.last-save", None, "critical when it failed"),
        ("redis.last-save", Threshold(), "none"),
    ],
)
def test_a_threshold_in_words(name: str, threshold: Threshold | None, words: str) -> None:
    check = CHECKS[name]
    assert check.words(check.threshold if threshold is None else threshold) == words


# The system


def only(found: tuple[HealthCheck, ...]) -> HealthCheck:
    [check] = found
    return check


@pytest.mark.parametrize(
    ("available", "status"),
    [(30, "optimal"), (29, "good"), (15, "good"), (14, "warning"), (8, "warning"), (7, "critical")],
)
def test_memory_that_is_left_is_judged(available: int, status: str) -> None:
    check = only(system_health(facts(ram=100, ram_available=available, init="sysvinit")))
    assert (check.name, check.value) == ("system.memory-available", f"{available} %")
    assert check.status == status
    assert bool(check.recommendation) is (status in ("warning", "critical"))


@pytest.mark.parametrize(
    ("percent", "status"),
    [(0.0, "optimal"), (1.0, "optimal"), (1.1, "good"), (5.1, "warning"), (20.1, "critical")],
)
def test_waiting_for_memory_is_judged(percent: float, status: str) -> None:
    check = only(system_health(facts(memory_pressure=percent, init="sysvinit")))
    assert (check.name, check.status) == ("system.memory-pressure", status)


def test_a_failed_unit_is_a_warning_with_advice() -> None:
    good = only(system_health(FACTS))
    assert (good.status, good.value) == ("optimal", "none")
    bad = only(system_health(facts(failed_units=("a.service", "b.service"))))
    assert (bad.status, bad.value) == ("warning", "a.service, b.service")
    assert bad.recommendation == "systemctl status a.service"


# Thresholds of profiles


def health_of(shelf: Shelf, text: str) -> Profile:
    shelf.put("one", text)
    return shelf.load("one")


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("{warning: 90, critical: 50}", Threshold(90, 50)),
        ("{warning: 80}", Threshold(80, 50)),
        ("{critical: 12.5}", Threshold(90, 12.5)),
        ("{critical: never}", Threshold(90, None)),
        ("{warning: never, critical: never}", Threshold()),
        ("{warning: 60, critical: 60}", Threshold(60, 60)),
    ],
)
def test_a_profile_has_thresholds(shelf: Shelf, text: str, threshold: Threshold) -> None:
    profile = health_of(shelf, f"health:\n  redis.hit-rate: {text}\n")
    assert profile.health == {"redis.hit-rate": threshold}
    assert profile.settings == {}


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    [
        ("redis.hitrate: {warning: 9}", "no such health check", "Did you mean redis.hit-rate?"),
        ("nothing: {}", "no such health check", "Known: node.gc-pause, "),
        ("redis.hit-rate: 90", r"has to be a mapping such as \{warning: 90", ""),
        ("redis.hit-rate: {bad: 90}", "'bad' is not known here", "Known: critical, warning."),
        ("redis.hit-rate: {warning: 90 %}", "warning: '90 %' is not a number", "counted in %"),
        ("redis.hit-rate: {warning: -1}", "warning: '-1' is not a number", "or never"),
        ("redis.hit-rate: {warning: nan}", "'nan' is not a number", ""),
        ("redis.hit-rate: {warning: 101}", "101 % is more than everything", ""),
        (
            "redis.hit-rate: {warning: 40}",
            "critical 50 % is above warning 40 %",
            "low numbers are bad, so critical lies below warning",
        ),
        (
            "redis.fork-time: {critical: 5}",
            "critical 5 ms is below warning 100 ms",
            "high numbers are bad, so critical lies above warning",
        ),
    ],
)
def test_a_threshold_that_cannot_be_meant_is_refused(
    shelf: Shelf, line: str, what: str, hint: str
) -> None:
    shelf.put("one", f"health:\n  {line}\n")
    with pytest.raises(ProfileError, match=rf"one\.yaml:4: .*{what}") as error:
        shelf.load("one")
    assert hint in error.value.hint


def test_lint_finds_every_wrong_threshold(shelf: Shelf) -> None:
    shelf.put("one", "health:\n  a: {}\n  redis.hit-rate: {warning: x}\n  redis.latency: 5\n")
    assert len(shelf.lint("one")) == 3


def test_the_child_wins_check_by_check(shelf: Shelf) -> None:
    shelf.put("first", "health:\n  redis.hit-rate: {warning: 80}\n  redis.slow-log: {warning: 1}\n")
    shelf.put("second", "health:\n  redis.slow-log: {warning: 2}\n")
    shelf.put("child", "extends: [first, second]\nhealth:\n  redis.hit-rate: {critical: 20}\n")
    assert shelf.load("child").health == {
        "redis.hit-rate": Threshold(90, 20),
        "redis.slow-log": Threshold(2),
    }


def test_thresholds_ask_nothing_of_a_host(shelf: Shelf) -> None:
    shelf.put("one", "set: {system.sysctl.vm.swappiness: 1}\n")
    before = shelf.load("one").digest
    shelf.put("one", "set: {system.sysctl.vm.swappiness: 1}\nhealth: {redis.latency: {}}\n")
    assert shelf.load("one").digest == before


@given(percent=st.integers(9, 29))
def test_a_threshold_of_a_profile_changes_the_status(percent: int) -> None:
    seen = facts(ram=100, ram_available=percent, init="sysvinit")
    strict = {"system.memory-available": Threshold(31, 30)}
    mild = {"system.memory-available": Threshold(5, 1)}
    assert only(system_health(seen, strict)).status == "critical"
    assert only(system_health(seen, mild)).status == "good"


@pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))
def test_the_manual_lists_every_check_with_its_default(check: Check) -> None:
    row = f"| `{check.name}` | {check.meaning} | {check.words(check.threshold)} |"
    assert row in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_the_thresholds_of_shipped_profiles_are_of_known_checks(path: Path) -> None:
    assert set(profiles.load(str(path)).health) <= set(CHECKS)
