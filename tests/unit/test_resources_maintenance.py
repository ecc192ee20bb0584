"""Maintenance of clusters: what a host has of it, and which files make it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from optimizer.app.maintenance import maintenance as told
from optimizer.model.observation import Observation, Unit
from optimizer.model.plan import HostPlan
from optimizer.model.postgresql import PgCluster
from optimizer.model.reading import ReadingState
from optimizer.model.transaction import ActionStep, DirectoryStep, FileStep, LinkStep
from optimizer.modules.examination import examine, request_for
from optimizer.modules.host_plan import plan_host
from optimizer.planning.comparing import Status
from optimizer.resources import maintenance
from optimizer.resources.base import decode_blobs
from optimizer.resources.maintenance import PROGRAM, link_of, path_of, unit_of
from tests.unit.factories import facts, file_state, observation, profile, read
from tests.unit.postgresql_clusters import DOWN, GOOD

FOLDER = PROGRAM.rpartition("/")[0]
PLACES = frozenset({"/usr/local/lib", "/etc/systemd/system/timers.target.wants"})
IDS = {name: f"postgresql.maintenance.{name}" for name in ("vacuum", "reindex", "window", "bloat")}
ALL = {"vacuum": "Sat 02:00", "reindex": "Sun 02:00", "window": 600, "bloat": 50}
KEPT = {
    "vacuum": "Sat *-*-* 02:00:00",
    "reindex": "Sun *-*-* 02:00:00",
    "window": "600",
    "bloat": "50",
}


def host(*clusters: PgCluster, tools: tuple[str, ...] = ("flock",)) -> Observation:
    """A host without any maintenance yet."""
    names = [unit_of(job, suffix) for job in maintenance.JOBS for suffix in ("timer", "service")]
    units = {name: Unit(name, {"LoadState": "not-found"}) for name in names}
    return observation(
        facts=facts(tools=frozenset(tools)),
        units=units,
        postgresql=clusters or (GOOD,),
        directories=PLACES,
    )


def wanted(settings: Mapping[str, object]) -> Mapping[str, object]:
    return {IDS[name]: value for name, value in settings.items()}


def plan(settings: Mapping[str, object], seen: Observation) -> HostPlan:
    return plan_host("db-1", profile(wanted(settings)), seen, {}, frozenset())


def carried_out(settings: Mapping[str, object], seen: Observation) -> Observation:
    """Return the host after a plan, as a probe would see it."""
    made = plan(settings, seen)
    blobs = decode_blobs(made.blobs)
    files, links = dict(seen.files), dict(seen.links)
    for step in made.steps:
        if isinstance(step, FileStep):
            files.pop(step.path, None)
            if step.after:
                files[step.path] = file_state(blobs[step.after.sha256])
        if isinstance(step, LinkStep):
            links.pop(step.path, None)
            if step.after:
                links[step.path] = step.after
    folders = PLACES | ({FOLDER} if PROGRAM in files else set())
    return loaded(replace(seen, files=files, links=links, directories=frozenset(folders)))


def loaded(seen: Observation) -> Observation:
    """Have systemd load what is in the files, and start the timers that are enabled."""
    own = maintenance.own_settings(seen)
    environment = " ".join(
        f"{name.upper()}={own[name]}" for name in ("window", "bloat") if name in own
    )
    units = {}
    for job in maintenance.JOBS:
        for suffix in ("timer", "service"):
            name = unit_of(job, suffix)
            is_there = path_of(job, suffix) in seen.files
            properties = {
                "LoadState": "loaded" if is_there else "not-found",
                "ActiveState": "inactive",
            }
            if suffix == "service" and is_there:
                properties["Environment"] = environment
            if suffix == "timer" and job in own:
                calendar = f"{{ OnCalendar={own[job]} ; next_elapse=n/a }}"
                properties |= {"ActiveState": "active", "TimersCalendar": calendar}
            units[name] = Unit(name, properties)
    return replace(seen, units=units)


def values(seen: Observation) -> dict[str, tuple[str | None, str | None]]:
    """Return what each setting is, live and at boot."""
    found = {name: read(tunable, seen)[0] for name, tunable in IDS.items()}
    return {name: (one.live, one.boot) for name, one in found.items()}


def statuses(settings: Mapping[str, object], seen: Observation) -> set[Status]:
    return {one.status for one in examine(profile(wanted(settings)), seen, {}).verdicts}


def test_where_nothing_is_set_up_timers_are_off() -> None:
    assert values(host()) == {
        "vacuum": ("off", "off"),
        "reindex": ("off", "off"),
        "window": (None, None),
        "bloat": (None, None),
    }
    assert not plan({"vacuum": "off", "reindex": "off"}, host()).steps


def test_what_was_planned_is_what_is_read_afterwards() -> None:
    seen = carried_out(ALL, host())
    assert values(seen) == {name: (text, text) for name, text in KEPT.items()}
    assert statuses(ALL, seen) == {Status.MATCH}


def test_the_files_are_planned_with_their_folder_links_and_the_start_of_the_timers() -> None:
    steps = plan(ALL, host()).steps
    assert [step.path for step in steps if isinstance(step, DirectoryStep)] == [FOLDER]
    assert {step.path for step in steps if isinstance(step, FileStep)} == {
        PROGRAM,
        *(path_of(job, suffix) for job in maintenance.JOBS for suffix in ("service", "timer")),
    }
    links = {step.path: step.after for step in steps if isinstance(step, LinkStep)}
    assert links == {link_of(job): path_of(job, "timer") for job in maintenance.JOBS}
    actions = [(step.action, step.argument) for step in steps if isinstance(step, ActionStep)]
    assert actions == [
        ("daemon-reload", ""),
        ("start-timer", "optimizer-postgresql-vacuum.timer"),
        ("start-timer", "optimizer-postgresql-reindex.timer"),
    ]


def test_a_service_is_ended_from_outside_some_time_after_its_window() -> None:
    seen = carried_out(ALL, host())
    text = seen.files[path_of("vacuum", "service")].content.decode()
    assert "Environment=WINDOW=600\nEnvironment=BLOAT=50\n" in text
    assert f"ExecStart=/bin/sh {PROGRAM} vacuum\nTimeoutStartSec=900\n" in text


@pytest.mark.parametrize("name", ["vacuum", "window"])
def test_a_setting_alone_is_enough(name: str) -> None:
    """Without a calendar the services are there to be started by hand."""
    settings = {name: ALL[name]}
    seen = carried_out(settings, host())
    assert values(seen)[name] == (KEPT[name], KEPT[name])
    assert statuses(settings, seen) == {Status.MATCH}
    assert (path_of("vacuum", "timer") in seen.files) == (name == "vacuum")
    assert path_of("reindex", "timer") not in seen.files


def test_switching_one_off_leaves_the_other_alone() -> None:
    before = carried_out(ALL, host())
    seen = carried_out({"reindex": "off"}, before)
    assert values(seen) == {**values(before), "reindex": ("off", "off")}
    assert link_of("reindex") not in seen.links


def test_with_the_last_setting_everything_goes() -> None:
    seen = carried_out({"vacuum": "Sat 02:00"}, host())
    steps = plan({"vacuum": "off"}, seen).steps
    assert DirectoryStep(path=FOLDER, is_present=False) in steps
    after = carried_out({"vacuum": "off"}, seen)
    assert (after.files, after.links) == ({}, {})


@pytest.mark.parametrize("path", [PROGRAM, path_of("vacuum", "service")])
def test_a_program_or_unit_that_somebody_changed_is_not_what_was_asked_for(path: str) -> None:
    seen = carried_out(ALL, host())
    seen = replace(seen, files={**seen.files, path: file_state(b"#!/bin/sh\n")})
    assert statuses(ALL, seen) == {Status.DRIFT}
    assert path in {step.path for step in plan(ALL, seen).steps if isinstance(step, FileStep)}


def test_a_timer_that_was_stopped_is_started_again() -> None:
    seen = carried_out(ALL, host())
    name = unit_of("vacuum", "timer")
    stopped = Unit(name, {**seen.units[name].properties, "ActiveState": "inactive"})
    seen = replace(seen, units={**seen.units, name: stopped})
    steps = plan(ALL, seen).steps
    assert [step.argument for step in steps if isinstance(step, ActionStep)] == ["", name]
    assert len(steps) == 2


def test_a_drop_in_that_beats_ours_is_named_and_left_alone() -> None:
    seen = carried_out(ALL, host())
    name = unit_of("vacuum", "timer")
    drop_in = f"/etc/systemd/system/{name}.d/override.conf"
    properties = {
        **seen.units[name].properties,
        "TimersCalendar": "{ OnCalendar=*-*-* 12:00:00 ; next_elapse=n/a }",
        "DropInPaths": drop_in,
    }
    seen = replace(seen, units={**seen.units, name: Unit(name, properties)})
    planned = plan(ALL, seen)
    assert not planned.steps
    [change] = planned.changes
    assert (change.before, change.allowed) == ("*-*-* 12:00:00", False)
    assert change.advice == f"{drop_in} beats our file: change it there"


CONTAINED = replace(DOWN, is_elsewhere=True)
REMOTE = replace(GOOD, can_change=False)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (replace(host(), facts=facts(init="openrc")), "this host does not run systemd"),
        (replace(host(), postgresql=()), "there is no PostgreSQL cluster on this host"),
        (host(CONTAINED, REMOTE), "there is no PostgreSQL cluster on this host"),
        (host(tools=()), "there is no flock, which keeps two runs apart"),
    ],
)
def test_where_there_is_nothing_to_keep_up(seen: Observation, reason: str) -> None:
    [found] = read(IDS["vacuum"], seen)
    assert (found.state, found.reason) == (ReadingState.NOT_APPLICABLE, reason)


def test_a_cluster_that_is_down_is_kept_up_when_it_is_back() -> None:
    [found] = read(IDS["vacuum"], host(DOWN))
    assert found.state is ReadingState.KNOWN


def test_timers_of_ours_can_be_switched_off_when_the_last_cluster_is_gone() -> None:
    seen = replace(carried_out(ALL, host()), postgresql=())
    assert plan({"vacuum": "off"}, seen).steps


def test_a_probe_looks_for_clusters_units_and_files() -> None:
    request = request_for(profile(wanted(ALL)))
    assert request.postgresql
    assert link_of("vacuum") in request.files
    assert unit_of("reindex", "service") in request.units


def test_doctor_tells_nothing_where_there_are_no_timers() -> None:
    assert list(told(host())) == []


@pytest.mark.parametrize(
    ("timer", "service", "status", "answer"),
    [
        ({}, {}, "ok", "not run since the host was started; next Sat 02:00"),
        ({}, {"ExecMainExitTimestamp": "Sat 02:10", "Result": "success"}, "ok",
         "ended well Sat 02:10; next Sat 02:00"),
        ({}, {"ExecMainExitTimestamp": "Sat 02:10", "Result": "exit-code"}, "warning",
         "failed Sat 02:10 (exit-code); next Sat 02:00"),
        ({}, {"ActiveState": "activating"}, "ok", "at work now"),
        ({"ActiveState": "inactive"}, {}, "warning", "its timer does not run"),
    ],
)  # fmt: skip
def test_doctor_says_when_it_last_ran_and_how_it_ended(
    timer: dict[str, str], service: dict[str, str], status: str, answer: str
) -> None:
    seen = carried_out({"vacuum": "Sat 02:00"}, host())
    units = dict(seen.units)
    for suffix, more in (
        ("timer", {"NextElapseUSecRealtime": "Sat 02:00", **timer}),
        ("service", service),
    ):
        name = unit_of("vacuum", suffix)
        units[name] = Unit(name, {**units[name].properties, **more})
    [found] = told(replace(seen, units=units))
    assert (found.check, found.status, found.answer) == ("PostgreSQL vacuum", status, answer)
    assert bool(found.hint) == (status == "warning")
