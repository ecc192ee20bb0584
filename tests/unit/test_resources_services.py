"""Units, the journal, timers and log sets: found on a host, and handed on to be changed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from optimizer.model.observation import ConfigLine, Observation, Unit
from optimizer.model.reading import ReadingState
from optimizer.model.transaction import ActionStep, FileStep
from optimizer.model.tunable import Permission
from optimizer.modules.examination import request_for
from optimizer.modules.kinds import KINDS
from optimizer.resources import journald, logrotate, unit
from tests.unit.factories import (
    FACTS,
    config_of,
    differences,
    facts,
    file_state,
    known,
    observation,
    profile,
    read,
)

NOT_HERE = ReadingState.NOT_APPLICABLE


# Units


def service(properties: Mapping[str, str], limits: Mapping[str, str] | None = None) -> Observation:
    name = "redis-server.service"
    usual = {"LoadState": "loaded", "ActiveState": "active", "FragmentPath": "/lib/r.service"}
    return observation(units={name: Unit(name, {**usual, **properties}, limits or {})})


NOFILE = "system.unit.redis-server.service.LimitNOFILE"


@pytest.mark.parametrize(
    ("properties", "limits", "live", "boot"),
    [
        ({"LimitNOFILE": "524288", "LimitNOFILESoft": "1024"}, {"Max open files": "1024:524288"},
         "1024:524288", "1024:524288"),
        ({"LimitNOFILE": "65536", "LimitNOFILESoft": "65536"}, {"Max open files": "1024:524288"},
         "1024:524288", "65536"),
        ({"LimitNOFILE": "65536"}, {}, "65536", "65536"),
        ({"LimitNOFILE": "infinity", "LimitNOFILESoft": "infinity"},
         {"Max open files": "unlimited:unlimited"}, "infinity", "infinity"),
        ({"LimitNOFILE": "65536", "ActiveState": "inactive"}, {}, "65536", "65536"),
    ],
)  # fmt: skip
def test_a_limit_in_force_is_the_process_and_at_boot_the_units(
    properties: dict[str, str], limits: dict[str, str], live: str, boot: str
) -> None:
    [found] = read(NOFILE, service(properties, limits))
    assert (found.live, found.boot) == (live, boot)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (observation(), "this host does not run systemd"),
        (service({"LoadState": "not-found"}), "there is no unit redis-server.service"),
        (service({}), "this systemd has no LimitNOFILE"),
    ],
)
def test_a_limit_without_its_unit_is_not_applicable(seen: Observation, reason: str) -> None:
    [found] = read(NOFILE, seen)
    assert (found.state, found.reason) == (NOT_HERE, reason)


@pytest.mark.parametrize(
    ("target", "split"),
    [
        ("redis-server.LimitNOFILE", ("redis-server.service", "LimitNOFILE")),
        ("redis-server.service.Nice", ("redis-server.service", "Nice")),
        ("a.b.slice.MemoryMax", ("a.b.slice", "MemoryMax")),
    ],
)
def test_a_target_is_a_unit_and_a_directive(target: str, split: tuple[str, str]) -> None:
    assert unit.split_target(target) == split


def test_one_drop_in_holds_all_directives_of_a_unit() -> None:
    path = unit.DROP_IN.format(unit="redis-server.service")
    base = service({"LimitNOFILE": "1024", "OOMScoreAdjust": "0"})
    files = {path: file_state(unit.render({"Nice": "-5"}).encode())}
    seen = Observation(FACTS, units=base.units, files=files)
    changes = [
        *differences(NOFILE, seen, "65536", "65536"),
        *differences("system.unit.redis-server.service.OOMScoreAdjust", seen, "-900", "-900"),
    ]
    artifact = KINDS["unit"].write(changes, seen)
    [file] = [step for step in artifact.steps if isinstance(step, FileStep)]
    text = artifact.blobs[file.after.sha256 if file.after else ""].decode()
    assert unit.own_values(text) == {"Nice": "-5", "LimitNOFILE": "65536", "OOMScoreAdjust": "-900"}
    actions = [(step.action, step.needs) for step in artifact.steps if isinstance(step, ActionStep)]
    assert actions == [("daemon-reload", ()), ("restart-unit", (Permission.RESTART,))]


def test_a_unit_that_does_not_run_needs_no_restart() -> None:
    seen = service({"LimitNOFILE": "1024", "ActiveState": "inactive"})
    artifact = KINDS["unit"].write(differences(NOFILE, seen, "65536", "65536"), seen)
    actions = [step.action for step in artifact.steps if isinstance(step, ActionStep)]
    assert actions == ["daemon-reload"]


# The journal


def journal(
    texts: Mapping[str, str], started: float = 900.0, changed: float = 100.0
) -> Observation:
    """A host whose journald started `started` seconds after the epoch, 500 s after boot."""
    parts = config_of("journald", texts)
    parts["config_files"] = {"journald": dict.fromkeys(texts, changed)}
    since_boot = started - (FACTS.now - FACTS.uptime)
    properties = {"LoadState": "loaded", "ActiveEnterTimestampMonotonic": f"{since_boot * 1e6:.0f}"}
    units = {journald.SERVICE: Unit(journald.SERVICE, properties)}
    files = {path: file_state(text.encode()) for path, text in texts.items()}
    return observation(units=units, files=files, **parts)


MAX_USE = "system.journald.SystemMaxUse"
MAIN = "/etc/systemd/journald.conf"
LIBRARY = "/usr/lib/systemd/journald.conf"
VENDOR = "/usr/lib/systemd/journald.conf.d/10-vendor.conf"


@pytest.mark.parametrize(
    ("texts", "boot", "source"),
    [
        ({}, None, None),
        ({MAIN: "[Journal]\nSystemMaxUse=1G"}, str(2**30), f"{MAIN}:2"),
        ({MAIN: "SystemMaxUse=1G", VENDOR: "SystemMaxUse=2G"}, str(2**31), f"{VENDOR}:1"),
        ({MAIN: "SystemMaxUse=1G", LIBRARY: "SystemMaxUse=2G"}, str(2**30), f"{MAIN}:1"),
        ({VENDOR: "SystemMaxUse=2G", journald.FILE: "SystemMaxUse=1G"}, str(2**30),
         f"{journald.FILE}:1"),
    ],
)  # fmt: skip
def test_drop_ins_of_the_journal_come_after_its_main_file(
    texts: dict[str, str], boot: str | None, source: str | None
) -> None:
    [found] = read(MAX_USE, journal(texts))
    assert (found.boot, found.live, found.source) == (boot, boot, source)
    assert found.overridden_by is None


def test_a_line_that_was_changed_after_the_start_is_not_in_force() -> None:
    [found] = read(MAX_USE, journal({MAIN: "SystemMaxUse=1G"}, started=900, changed=950))
    assert (found.live, found.boot) == (None, str(2**30))


def test_a_drop_in_that_beats_ours_is_named() -> None:
    other = "/etc/systemd/journald.conf.d/zzz.conf"
    texts = {journald.FILE: "SystemMaxUse=1G", other: "SystemMaxUse=2G"}
    [found] = read(MAX_USE, journal(texts))
    assert found.overridden_by == f"{other}:1"


def test_without_journald_its_limits_are_not_applicable() -> None:
    [found] = read(MAX_USE, observation())
    assert (found.state, found.reason) == (NOT_HERE, "this host does not run systemd-journald")


def test_the_journal_is_restarted_where_that_is_allowed() -> None:
    seen = journal({})
    artifact = KINDS["journald"].write(differences(MAX_USE, seen, str(2**30), str(2**30)), seen)
    assert artifact.steps[-1] == ActionStep(
        action="restart-unit", argument=journald.SERVICE, needs=(Permission.RESTART,)
    )
    assert any(b"[Journal]\nSystemMaxUse=1073741824\n" in text for text in artifact.blobs.values())


# Timers


SCHEDULE = "system.logrotate-timer.OnCalendar"


def calendar(text: str, *lines: ConfigLine) -> Observation:
    properties = {"LoadState": "loaded", "TimersCalendar": text, "FragmentPath": "/lib/t.timer"}
    found = Unit("logrotate.timer", properties, lines=lines)
    return observation(units={"logrotate.timer": found})


@pytest.mark.parametrize(
    ("said", "schedule"),
    [
        ("{ OnCalendar=*-*-* 00:00:00 ; next_elapse=Sat }", "daily"),
        ("{ OnCalendar=*-*-* *:00:00 ; next_elapse=Sat }", "hourly"),
        ("{ OnCalendar=*-*-* 00/4:00:00 ; next_elapse=Sat }", "*-*-* 00/4:00:00"),
        ("", None),
    ],
)
def test_the_schedule_of_a_timer_is_read(said: str, schedule: str | None) -> None:
    [found] = read(SCHEDULE, calendar(said))
    assert (found.boot, found.source, found.has_live) == (schedule, "/lib/t.timer", False)


def test_a_new_schedule_replaces_the_old_one_and_counts_at_once() -> None:
    seen = calendar("{ OnCalendar=*-*-* 00:00:00 ; }")
    artifact = KINDS["timer"].write(differences(SCHEDULE, seen, None, "hourly"), seen)
    [text] = artifact.blobs.values()
    assert text.endswith(b"[Timer]\nOnCalendar=\nOnCalendar=hourly\n")
    actions = [
        (step.action, step.argument) for step in artifact.steps if isinstance(step, ActionStep)
    ]
    assert actions == [("daemon-reload", ""), ("restart-timer", "logrotate.timer")]


def test_the_last_line_that_systemd_read_is_the_source_of_a_schedule() -> None:
    lines = [ConfigLine(path, 3, "OnCalendar=daily") for path in ("/lib/t.timer", "/etc/zzz.conf")]
    [found] = read(SCHEDULE, calendar("{ OnCalendar=*-*-* *:00:00 ; }", *lines))
    assert (found.boot, found.source) == ("hourly", "/etc/zzz.conf:3")


def test_the_drop_in_that_wins_is_the_source_of_a_directive_and_beats_ours() -> None:
    ours = unit.DROP_IN.format(unit="redis-server.service")
    lines = (
        ConfigLine(ours, 3, "LimitNOFILE=65536"),
        ConfigLine("/etc/zzz.conf", 2, "LimitNOFILE = 1024"),
    )
    properties = {"LoadState": "loaded", "LimitNOFILE": "1024", "LimitNOFILESoft": "1024"}
    found = Unit("redis-server.service", properties, lines=lines)
    text = file_state(unit.render({"LimitNOFILE": "65536"}).encode())
    seen = observation(units={"redis-server.service": found}, files={ours: text})
    [one] = read("system.unit.redis-server.LimitNOFILE", seen)
    assert (one.boot, one.source, one.overridden_by) == (
        "1024", "/etc/zzz.conf:2", "/etc/zzz.conf:2",
    )  # fmt: skip


# Log sets


TITAN = "system.logrotate.titan"
STANZA = known(TITAN).value.canonical('{"paths": ["/var/log/titan/*.log"], "su": "titan adm"}')


def test_a_log_set_reads_back_as_it_was_written() -> None:
    bare = observation(directories=frozenset({"/etc/logrotate.d"}))
    artifact = KINDS["logrotate"].write(differences(TITAN, bare, None, STANZA), bare)
    path = logrotate.FILE.format(name="titan")
    [text] = artifact.blobs.values()
    [found] = read(TITAN, observation(files={path: file_state(text)}))
    assert (found.boot, found.source, found.has_live) == (STANZA, path, False)
    assert artifact.steps[-1] == ActionStep(action="check-logrotate", argument=path)


@pytest.mark.parametrize(
    ("users", "groups", "directories", "reason"),
    [
        ({"titan"}, {"adm"}, {"/var/log/titan"}, ""),
        (set(), {"adm"}, {"/var/log/titan"}, "there is no user titan"),
        ({"titan"}, set(), {"/var/log/titan"}, "there is no group adm"),
        ({"titan"}, {"adm"}, {"/var/log"}, "there is no directory /var/log/titan"),
    ],
)
def test_a_log_set_needs_its_owner_and_directory(
    users: set[str], groups: set[str], directories: set[str], reason: str
) -> None:
    seen = observation(
        users=frozenset(users), groups=frozenset(groups), directories=frozenset(directories)
    )
    [found] = read(TITAN, seen)
    assert KINDS["logrotate"].impossible(found, STANZA, seen) == reason


def test_a_probe_asks_for_what_decides_whether_a_log_set_is_possible() -> None:
    asked = request_for(profile({TITAN: {"paths": ["/var/log/titan/*.log"], "su": "titan adm"}}))
    assert asked.names == {"titan", "adm"}
    # The deepest directory above a file that is asked for comes with the answer.
    assert "/var/log/titan" in {path.rpartition("/")[0] for path in asked.files}


def test_without_logrotate_log_sets_are_not_applicable() -> None:
    [found] = read(TITAN, Observation(facts(tools=frozenset())))
    assert (found.state, found.reason) == (NOT_HERE, "logrotate is not installed")
