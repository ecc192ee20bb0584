"""What a profile wants of a tunable, held against what a host has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.errors import InvalidValue
from optimizer.model.profile import Constraint, Setting, Wanted
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.tunable import Coupling, Effect, Permission, Tunable
from optimizer.model.values import Choice, Integer, IntegerList
from optimizer.planning.comparing import Status, compare, excluding_pairs, resolve
from tests.unit.factories import FACTS, reading, setting, tunable

EXACTLY, LEAST, MOST = Constraint.EXACTLY, Constraint.AT_LEAST, Constraint.AT_MOST


def outcome(
    constraint: Constraint, wanted: str, live: str | None, boot: str | None, **parts: object
) -> tuple[str, str | None, str | None]:
    """Return status and what has to change, live and at boot."""
    verdict = compare(setting(wanted, constraint), reading(live, boot, **parts), FACTS, None)
    change = verdict.difference or Difference(verdict.reading)
    return verdict.status.value, change.live, change.boot


@pytest.mark.parametrize(
    ("constraint", "live", "boot", "expected"),
    [
        (EXACTLY, "10", "10", ("match", None, None)),
        (EXACTLY, "60", "10", ("drift", "10", None)),
        (EXACTLY, "10", "60", ("drift", None, "10")),
        (EXACTLY, "10", None, ("drift", None, "10")),
        (EXACTLY, "60", None, ("drift", "10", "10")),
        (EXACTLY, None, None, ("drift", "10", "10")),
        (LEAST, "60", None, ("match", None, None)),
        (LEAST, "5", None, ("drift", "10", "10")),
        (LEAST, "60", "60", ("match", None, None)),
        (LEAST, "60", "5", ("drift", None, "10")),
        (LEAST, "5", "60", ("drift", "10", None)),
        (MOST, "5", None, ("match", None, None)),
        (MOST, "60", "5", ("drift", "10", None)),
        (MOST, "5", "60", ("drift", None, "10")),
        (MOST, "", None, ("drift", "10", "10")),
    ],
)
def test_live_and_boot_values_are_brought_within_the_constraint(
    constraint: Constraint,
    live: str | None,
    boot: str | None,
    expected: tuple[str, str | None, str | None],
) -> None:
    assert outcome(constraint, "10", live, boot) == expected


@given(
    constraint=st.sampled_from([EXACTLY, LEAST, MOST]),
    wanted=st.integers(0, 100),
    live=st.integers(0, 100),
    boot=st.none() | st.integers(0, 100),
)
def test_what_has_to_change_is_enough_and_no_more(
    constraint: Constraint, wanted: int, live: int, boot: int | None
) -> None:
    def holds(number: int) -> bool:
        return {EXACTLY: number == wanted, LEAST: number >= wanted, MOST: number <= wanted}[
            constraint
        ]

    here = reading(str(live), None if boot is None else str(boot))
    change = compare(setting(str(wanted), constraint), here, FACTS, None).difference
    new_live = int(change.live) if change and change.live is not None else live
    new_boot = int(change.boot) if change and change.boot is not None else boot
    assert holds(new_live)
    assert new_boot is None or holds(new_boot)
    # A value that was good enough is not touched, and a bound is not overshot.
    assert new_live == (live if holds(live) else wanted)
    if boot is not None:
        assert new_boot == (boot if holds(boot) else wanted)
    after = reading(str(new_live), None if new_boot is None else str(new_boot))
    assert compare(setting(str(wanted), constraint), after, FACTS, None).difference is None


def test_each_number_of_a_list_is_bound_by_itself() -> None:
    rmem = tunable(value=IntegerList(3))
    wanted = setting("4096 87380 16777216", LEAST, rmem)
    here = Reading(rmem, live="8192 65536 6291456", boot=None)
    verdict = compare(wanted, here, FACTS, None)
    assert verdict.difference == Difference(here, "8192 87380 16777216", "8192 87380 16777216")


@pytest.mark.parametrize("live", ["many", "1 2"])
def test_a_value_without_an_order_is_replaced(live: str) -> None:
    assert outcome(LEAST, "10", live, None) == ("drift", "10", "10")


def test_a_pin_wins_over_everything() -> None:
    here = reading("60", state=ReadingState.NOT_APPLICABLE, reason="no such file")
    verdict = compare(setting("10"), here, FACTS, "ask ana first")
    assert (verdict.status, verdict.reason) == (Status.PINNED, "ask ana first")
    assert compare(setting("10"), here, FACTS, "").reason == "pinned in the inventory"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (ReadingState.NOT_APPLICABLE, Status.NOT_APPLICABLE),
        (ReadingState.UNKNOWN, Status.UNKNOWN),
    ],
)
def test_what_cannot_be_compared_keeps_its_reason(state: ReadingState, status: Status) -> None:
    verdict = compare(setting("10"), reading("60", state=state, reason="why"), FACTS, None)
    assert (verdict.status, verdict.reason, verdict.difference) == (status, "why", None)


def test_untouched_is_not_even_unknown() -> None:
    here = reading(None, state=ReadingState.UNKNOWN, reason="why")
    verdict = compare(setting("", Constraint.UNTOUCHED), here, FACTS, None)
    assert (verdict.status, verdict.difference) == (Status.UNTOUCHED, None)


def alternatives(*pairs: tuple[str, dict[str, str]]) -> Setting:
    return Setting(tunable(), tuple(Wanted(EXACTLY, value, when) for value, when in pairs))


@pytest.mark.parametrize(
    ("choices", "wanted"),
    [
        ((("1", {"cpus": "> 8"}), ("2", {"cpus": "> 2"}), ("3", {})), "2"),
        ((("1", {"cpus": "4"}), ("2", {"cpus": "> 2"})), "1"),
        ((("1", {"cpus": "4", "storage": "hdd"}), ("2", {})), "2"),
        ((("1", {"disk": "nvme"}), ("2", {})), "1"),
    ],
)
def test_the_first_alternative_that_fits_counts(
    choices: tuple[tuple[str, dict[str, str]], ...], wanted: str
) -> None:
    here = reading("60", facts={"disk": "nvme"})
    assert compare(alternatives(*choices), here, FACTS, None).wanted == wanted


def test_where_no_alternative_fits_the_conditions_are_named() -> None:
    choices = alternatives(("1", {"cpus": "> 8"}), ("2", {"storage": "hdd", "os": "rhel"}))
    verdict = compare(choices, reading("60"), FACTS, None)
    assert verdict.status is Status.NOT_APPLICABLE
    assert verdict.reason == ("the profile sets it only where cpus > 8, or storage hdd and os rhel")


def test_a_fact_that_an_instance_lacks_fits_no_condition() -> None:
    choices = alternatives(("1", {"disk": "nvme"}))
    assert compare(choices, reading("60"), FACTS, None).status is Status.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("written", "resolved"),
    [("64 KiB", "65536"), ("25% ram", str(4 * 2**30)), ("2 * cpus", "8"), ("numa_nodes", "1")],
)
def test_an_expression_is_worked_out_on_this_host(written: str, resolved: str) -> None:
    here = Reading(tunable(value=Integer(0, 2**40, "bytes")))
    assert resolve(Wanted(EXACTLY, written), here, FACTS) == resolved


@pytest.mark.parametrize(
    ("of", "written", "said"),
    [
        (tunable(value=Integer(0, 10)), "cpus * 10", "cpus * 10: 40 is out of range"),
        (tunable(value=Integer(0, 10)), "cores", "cores"),
        (tunable(value=Choice(("a", "b"))), "c", "'c' is not one of a, b"),
    ],
)
def test_a_value_that_is_none_here_is_refused(of: Tunable, written: str, said: str) -> None:
    with pytest.raises(InvalidValue) as error:
        resolve(Wanted(EXACTLY, written), Reading(of), FACTS)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("live", "boot", "expected"),
    [
        ("60", "10", ("pending", "10", None)),
        ("60", "60", ("drift", "10", "10")),
        ("10", "10", ("match", None, None)),
    ],
)
def test_what_only_waits_for_a_restart_is_pending(
    live: str, boot: str, expected: tuple[str, str | None, str | None]
) -> None:
    waits = tunable(effect=Effect.RESTART)
    verdict = compare(setting("10", of=waits), Reading(waits, live=live, boot=boot), FACTS, None)
    change = verdict.difference
    found = (verdict.status.value, change and change.live, change and change.boot)
    assert found == expected


@pytest.mark.parametrize(
    ("live", "boot", "has_boot", "expected"),
    [
        ("60", "60", True, ("drift", "10", "10")),
        ("60", "10", True, ("pending", "10", None)),
        ("10", "60", True, ("drift", None, "10")),
        ("10", "10", True, ("match", None, None)),
        # Nothing of ours can bring it.
        ("60", "60", False, ("drift", "10", None)),
    ],
)
def test_what_the_next_reboot_brings_is_pending(
    live: str, boot: str, has_boot: bool, expected: tuple[str, str | None, str | None]
) -> None:
    waits = tunable(effect=Effect.REBOOT)
    reading = Reading(waits, live=live, boot=boot, has_boot=has_boot)
    verdict = compare(setting("10", of=waits), reading, FACTS, None)
    change = verdict.difference
    found = (verdict.status.value, change and change.live, change and change.boot)
    assert found == expected
    assert not verdict.is_allowed(frozenset())
    assert verdict.is_allowed(frozenset({Permission.REBOOT}))


def test_a_value_that_nothing_can_keep_is_only_set_now() -> None:
    assert outcome(EXACTLY, "10", "60", None, unkept="nothing can") == ("drift", "10", None)
    assert outcome(EXACTLY, "10", "10", None, unkept="nothing can") == ("match", None, None)


def test_a_file_of_ours_that_somebody_overrides_is_not_written_again() -> None:
    assert outcome(EXACTLY, "10", "10", "60", own="10") == ("drift", None, None)


def test_a_setting_without_a_live_value_has_none_to_change() -> None:
    assert outcome(EXACTLY, "10", None, "60", has_live=False) == ("drift", None, "10")


def pair(one: Constraint, other: Constraint) -> dict[str, Setting]:
    """Settings of two tunables of which the kernel keeps one."""
    settings = {}
    for name, partner, constraint in (("a", "b", one), ("b", "a", other)):
        made = Tunable(name, "sysctl", name, Integer(), "", "", coupling=Coupling((partner,)))
        settings[name] = Setting(made, (Wanted(constraint, "1"),))
    return settings


def test_a_pair_of_which_the_kernel_keeps_one_is_found_once() -> None:
    assert excluding_pairs(pair(EXACTLY, LEAST)) == [("a", "b")]
    assert excluding_pairs(pair(EXACTLY, Constraint.UNTOUCHED)) == []
    assert excluding_pairs({"a": pair(EXACTLY, EXACTLY)["a"]}) == []
