"""Packages: where one can be installed, what a plan lists, and what a way back takes away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.host.packages_observed import packages
from optimizer.model.errors import InvalidValue
from optimizer.model.observation import LiveValue, Observation, ValueState
from optimizer.model.packages import (
    Candidate,
    Package,
    is_version,
    name_at,
    package_path,
)
from optimizer.model.plan import HostPlan
from optimizer.model.reading import ReadingState
from optimizer.model.transaction import FileStep, LineStep, Step, ValueStep
from optimizer.modules.host_plan import plan_host
from optimizer.resources.package_back import guarded
from tests.unit.factories import known, observation, profile, read
from tests.unit.shell_lab import OLD, ref
from tests.unit.test_resources_postgresql import CLUSTER

ID = "postgresql.pgbouncer.installed"
ALONG = (Candidate("libevent", "2.1-8", 445), Candidate("pgbouncer", "1:1.18-1+deb12u1", 600))
NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]+", fullmatch=True)


def host(text: str = "@absent", along: tuple[Candidate, ...] = ALONG, **more: str) -> Observation:
    """Make a host with a cluster, and PgBouncer as dpkg has it."""
    found = Package("pgbouncer", text, along=along, **more)
    return replace(observation(), packages={"pgbouncer": found}, postgresql=(CLUSTER,))


def planned(seen: Observation) -> HostPlan:
    return plan_host("db-1", profile({ID: "on"}), seen, {}, frozenset())


def test_everything_that_comes_along_is_listed_and_done_in_the_order_of_dpkg() -> None:
    plan = planned(host())
    assert [(one.tunable, one.before, one.after, one.follows) for one in plan.changes] == [
        (ID, "off", "on", None),
        (f"{ID}[libevent]", None, "2.1-8", ID),
        (f"{ID}[pgbouncer]", None, "1:1.18-1+deb12u1", ID),
    ]
    steps = [step for step in plan.steps if isinstance(step, ValueStep)]
    assert [(step.path, step.before, step.after, step.write) for step in steps] == [
        ("package:pgbouncer/libevent", "@absent", "2.1-8", "last"),
        ("package:pgbouncer", "@absent", "1:1.18-1+deb12u1", "last"),
    ]
    assert all(step.patience for step in steps)
    [note] = [note for note in plan.notes if note.startswith(ID)]
    assert "1045 kB" in note
    assert "dpkg -L" in note


@pytest.mark.parametrize("version", ["1.18.0-1", "0.9", "2:1.24.1-1+deb13u2"])
def test_whatever_version_is_there_already_matches_with_or_without_a_cluster(version: str) -> None:
    for seen in (host(version), replace(host(version), postgresql=())):
        plan = planned(seen)
        assert (plan.steps, plan.changes, plan.unchanged) == ((), (), 1)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (host("@unmanaged"), "apt and dpkg"),
        (observation(), "apt and dpkg"),
        (host("config-files"), "kept its configuration"),
        (host("half-configured"), "half-configured"),
        (host(left="apt knows no package pgbouncer: apt-get update"), "apt-get update"),
        (replace(host(), postgresql=()), "no PostgreSQL cluster"),
        (replace(host(), postgresql=(replace(CLUSTER, is_elsewhere=True),)), "no PostgreSQL"),
    ],
)
def test_where_it_cannot_be_installed_the_reason_is_said(seen: Observation, reason: str) -> None:
    [found] = read(ID, seen)
    assert found.state is ReadingState.NOT_APPLICABLE
    assert reason in found.reason
    assert planned(seen).steps == ()


def test_what_would_change_other_packages_is_not_done_and_names_them() -> None:
    plan = planned(host(refused="libc6 would be upgraded, mta would be removed"))
    assert (plan.steps, plan.changes) == ((), ())
    [skipped] = plan.not_applicable
    assert "libc6 would be upgraded, mta would be removed" in skipped.reason


def test_a_profile_removes_no_package() -> None:
    with pytest.raises(InvalidValue, match="removes no package"):
        known(ID).value.canonical("off")
    assert known(ID).opt_in


@given(wanted=NAMES, name=NAMES)
def test_the_name_is_found_in_a_path_again(wanted: str, name: str) -> None:
    assert name_at(package_path(wanted, name)) == name
    assert name_at(f"pgbouncer:{name}/pool") == ""
    assert name_at(f"/etc/{name}") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.2", True), ("0", True), ("@absent", False), ("config-files", False), ("", False)],
)
def test_only_a_version_is_an_installed_package(text: str, expected: bool) -> None:
    assert is_version(text) is expected


def test_an_answer_is_read() -> None:
    found = packages(
        {
            "package": [("pgbouncer", "@absent"), ("other", "1.2")],
            "package-left": [("pgbouncer", "there is something")],
            "package-refused": [("pgbouncer", "a would be removed"), ("pgbouncer", "b too")],
            "package-along": [("pgbouncer", "libevent", "2.1-8", "445")],
        }
    )
    assert found["pgbouncer"] == Package(
        "pgbouncer",
        "@absent",
        left="there is something",
        refused="a would be removed, b too",
        along=(Candidate("libevent", "2.1-8", 445),),
    )
    assert found["other"] == Package("other", "1.2")


def back(name: str) -> ValueStep:
    return ValueStep(
        tunable=ID,
        path=package_path("pgbouncer", name),
        before="1.0",
        after="@absent",
        write="last",
    )


def installed(**more: dict[str, str]) -> Observation:
    """Make a host with both packages; more: `dependents` or `edited` of each by name."""
    names = ("pgbouncer", "libevent")
    rest = {name: {key: texts.get(name, "") for key, texts in more.items()} for name in names}
    values = [
        LiveValue(back(name).path, ValueState.WRITABLE, "1.0", **rest[name])  # type: ignore[arg-type]
        for name in names
    ]
    return replace(observation(), values={value.path: value for value in values})


STEPS: tuple[Step, ...] = (back("pgbouncer"), back("libevent"))


def test_what_depends_on_a_package_of_ours_and_goes_as_well_is_no_obstacle() -> None:
    way = guarded(STEPS, installed(dependents={"libevent": "pgbouncer"}))
    assert (way.steps, way.held) == (STEPS, ())


def test_what_others_depend_on_stays_with_their_names() -> None:
    way = guarded(STEPS, installed(dependents={"libevent": "pgbouncer, tor"}))
    assert way.steps == STEPS[:1]
    assert [held.advice for held in way.held] == ["needed by tor: remove that first"]


def test_what_somebody_configured_stays_and_so_does_what_it_needs() -> None:
    seen = installed(edited={"pgbouncer": "/etc/x.ini"}, dependents={"libevent": "pgbouncer"})
    way = guarded(STEPS, seen)
    assert way.steps == ()
    assert "/etc/x.ini" in way.held[0].advice
    assert "needed by pgbouncer" in way.held[1].advice


@pytest.mark.parametrize(
    "setting",
    [
        ValueStep(tunable="t", path="pgbouncer:u@/run:6432/x", before="1", after="2", write="file"),
        FileStep(path="/etc/pgbouncer/optimizer.ini", before=ref(OLD), after=None),
        LineStep(path="/etc/pgbouncer/pgbouncer.ini", line="l", before=ref(OLD), is_present=False),
    ],
)
def test_settings_of_ours_go_back_before_the_package(setting: Step) -> None:
    way = guarded((setting, *STEPS), installed(dependents={"libevent": "pgbouncer"}))
    assert way.steps == (setting,)
    assert "settings go back first" in way.held[0].advice


def test_an_installation_that_comes_back_and_other_steps_are_let_through() -> None:
    again = back("pgbouncer").model_copy(update={"before": "@absent", "after": "1.0"})
    file = FileStep(path="/etc/sysctl.d/x.conf", before=None, after=ref(OLD))
    assert guarded((file, again), installed()).steps == (file, again)


def test_what_was_removed_by_hand_since_is_left_with_its_configuration() -> None:
    step = back("pgbouncer").model_copy(update={"before": "config-files"})
    [held] = guarded((step,), installed()).held
    assert "purge it by hand" in held.advice
