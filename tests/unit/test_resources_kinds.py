"""How each kind of resource finds a tunable on a host, and what it hands on to change it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from optimizer import catalog
from optimizer.model.observation import Disk, Facts, KernelValue, Observation, Unit, ValueState
from optimizer.model.reading import Difference, Reading, ReadingState
from optimizer.model.transaction import ActionStep, FileStep, ValueStep
from optimizer.model.tunable import Effect, Tunable
from optimizer.modules.examination import request_for
from optimizer.modules.kinds import KINDS
from optimizer.resources import journald, logrotate, sysfs, timer, unit
from optimizer.resources.boot_parameter import PRESENT, parameters, spelled
from tests.unit.factories import FACTS, config_of, file_state, observation, profile
from tests.unit.model_kernel import IPV4, QUEUE, START, THP, VM

NOT_HERE = ReadingState.NOT_APPLICABLE


def known(name: str) -> Tunable:
    tunable = catalog.find(name)
    assert tunable is not None
    return tunable


def read(name: str, seen: Observation) -> tuple[Reading, ...]:
    tunable = known(name)
    return KINDS[tunable.kind].read(tunable, seen)


def facts(**changes: object) -> Facts:
    return Facts(**{**FACTS.__dict__, **changes})  # type: ignore[arg-type]


# Kernel values


def test_a_kernel_value_is_read_in_its_canonical_form() -> None:
    seen = observation({f"{IPV4}tcp_rmem": "4096 131072 6291456"})
    [found] = read("system.sysctl.net.ipv4.tcp_rmem", seen)
    assert (found.live, found.boot, found.state) == (
        "4096 131072 6291456",
        None,
        ReadingState.KNOWN,
    )


def test_a_value_that_no_profile_could_ask_for_is_kept_as_text() -> None:
    [found] = read(
        "system.sysctl.vm.overcommit_memory", observation({f"{VM}overcommit_memory": "2"})
    )
    assert found.live == "2"


@pytest.mark.parametrize(
    ("value", "uid", "state", "reason"),
    [
        (None, 0, NOT_HERE, f"this kernel has no {VM}swappiness"),
        (ValueState.UNREADABLE, 0, ReadingState.UNKNOWN, f"{VM}swappiness cannot be read"),
        (ValueState.READ_ONLY, 0, NOT_HERE, "/proc/sys/vm is read-only here"),
        (ValueState.READ_ONLY, 1000, ReadingState.KNOWN, ""),
        (ValueState.WRITABLE, 0, ReadingState.KNOWN, ""),
    ],
)
def test_whether_a_value_can_be_changed_is_said(
    value: ValueState | None, uid: int, state: ReadingState, reason: str
) -> None:
    path = f"{VM}swappiness"
    values = {path: KernelValue(path, value, "60")} if value else {}
    [found] = read("system.sysctl.vm.swappiness", Observation(facts(uid=uid), values=values))
    assert (found.state, found.reason) == (state, reason)


def test_the_boot_value_of_a_sysctl_is_canonical_and_has_its_place() -> None:
    parts = config_of("sysctl", {"/etc/sysctl.d/10-a.conf": "\nvm.swappiness = 0x0a"})
    [found] = read("system.sysctl.vm.swappiness", observation({f"{VM}swappiness": "60"}, **parts))
    assert (found.boot, found.source) == ("10", "/etc/sysctl.d/10-a.conf:2")
    assert found.overridden_by is None


def differences(
    name: str, seen: Observation, live: str | None, boot: str | None
) -> list[Difference]:
    return [Difference(one, live, boot) for one in read(name, seen)]


def test_a_sysctl_is_written_now_and_into_our_file() -> None:
    seen = observation(START)
    changes = differences("system.sysctl.vm.swappiness", seen, "1", "1")
    artifact = KINDS["sysctl"].write(changes, seen)
    value, file = artifact.steps[0], artifact.steps[-1]
    assert isinstance(value, ValueStep) and isinstance(file, FileStep)
    assert (value.path, value.before, value.after) == (f"{VM}swappiness", "60", "1")
    assert artifact.blobs[file.after.sha256 if file.after else ""].endswith(b"vm.swappiness = 1\n")


def test_a_boot_value_alone_is_not_written_now() -> None:
    changes = differences("system.sysctl.vm.swappiness", observation(START), None, "60")
    artifact = KINDS["sysctl"].write(changes, observation(START))
    assert not any(isinstance(step, ValueStep) for step in artifact.steps)


CONGESTION = "system.sysctl.net.ipv4.tcp_congestion_control"


@pytest.mark.parametrize(
    ("module", "offered", "allowed", "state", "reason"),
    [
        ("loadable", "reno cubic", "reno cubic", "writable", ""),
        ("builtin", "reno cubic bbr", "reno cubic", "writable", ""),
        ("missing", "reno cubic bbr", "reno cubic", "writable", ""),
        ("missing", "reno cubic", "reno cubic", "writable", "the kernel has no tcp_bbr"),
        ("loadable", "reno cubic", "reno cubic", "read-only",
         "bbr is restricted, and a container may not allow it"),
        ("loaded", "reno cubic bbr", "reno cubic bbr", "read-only", ""),
    ],
)  # fmt: skip
def test_an_algorithm_is_possible_where_it_is_offered_and_may_be_allowed(
    module: str, offered: str, allowed: str, state: str, reason: str
) -> None:
    texts = {"congestion_control": "cubic", "available_congestion_control": offered,
             "allowed_congestion_control": allowed}  # fmt: skip
    values = {
        f"{IPV4}tcp_{name}": KernelValue(f"{IPV4}tcp_{name}", ValueState(state), text)
        for name, text in texts.items()
    }
    seen = Observation(FACTS, values=values, modules={"tcp_bbr": module})
    [found] = read(CONGESTION, seen)
    assert KINDS["sysctl"].impossible(found, "bbr", seen) == reason


# Values below /sys


def queue(*disks: Disk, **more: object) -> Observation:
    values = {f"/sys/block/{disk.name}/queue/scheduler": "mq-deadline" for disk in disks}
    values["/sys/block/loop0/queue/scheduler"] = "none"
    return Observation(facts(disks=disks), observation(values).values, **more)  # type: ignore[arg-type]


def test_each_disk_is_an_instance_and_loop_devices_are_none() -> None:
    found = read("system.block.scheduler", queue(Disk("vdb", "virtio"), Disk("vda", "hdd")))
    assert [(one.id, one.facts) for one in found] == [
        ("system.block.scheduler[vda]", {"disk": "hdd"}),
        ("system.block.scheduler[vdb]", {"disk": "virtio"}),
    ]


def test_instances_are_in_the_order_of_their_numbers() -> None:
    names = ("policy10", "policy2", "policy1")
    values = {f"/sys/devices/system/cpu/cpufreq/{name}/scaling_governor": "x" for name in names}
    found = read("system.cpufreq.scaling_governor", observation(values))
    assert [one.instance for one in found] == ["policy1", "policy2", "policy10"]


def test_where_nothing_matches_the_tunable_is_not_applicable() -> None:
    [nothing] = read("system.thp.enabled", observation())
    assert (nothing.state, nothing.reason) == (NOT_HERE, f"this host has no {THP}")
    [only_loop] = read("system.block.scheduler", queue())
    assert (only_loop.state, only_loop.reason) == (NOT_HERE, "no such device here")


def test_a_star_stays_within_one_name() -> None:
    assert sysfs.instance_of("/sys/a/eth0/queues/rx-1/rps", "/sys/a/*/queues/*/rps") == "eth0/rx-1"
    assert sysfs.instance_of(THP, THP) == ""


def test_our_unit_counts_at_boot_only_when_it_is_enabled() -> None:
    files = {sysfs.UNIT: file_state(sysfs.render({THP: "never"}).encode())}
    [off] = read("system.thp.enabled", observation({THP: "never"}, files=files))
    assert (off.boot, off.source, off.own) == (None, None, None)
    links = {sysfs.LINK: sysfs.UNIT}
    [on] = read("system.thp.enabled", observation({THP: "never"}, files=files, links=links))
    assert (on.boot, on.source, on.own) == ("never", sysfs.UNIT, "never")


def test_lines_of_tmpfiles_count_at_boot_where_ours_do_not() -> None:
    lines = {"/etc/tmpfiles.d/a.conf": f"w {THP} - - - - always\nw {QUEUE}scheduler - - - - none"}
    seen = observation({THP: "never"}, **config_of("tmpfiles", lines))
    [found] = read("system.thp.enabled", seen)
    assert (found.boot, found.source) == ("always", "/etc/tmpfiles.d/a.conf:1")


def test_without_systemd_nothing_is_kept() -> None:
    seen = Observation(facts(init="init"), observation({THP: "never"}).values)
    [found] = read("system.thp.enabled", seen)
    assert not found.can_keep


def test_a_word_that_a_file_does_not_offer_is_impossible() -> None:
    values = {THP: KernelValue(THP, ValueState.WRITABLE, "never", ("always", "never"))}
    seen = Observation(FACTS, values=values)
    [found] = read("system.thp.enabled", seen)
    assert (
        KINDS["sysfs"].impossible(found, "madvise", seen) == "it offers always, never, not madvise"
    )
    assert KINDS["sysfs"].impossible(found, "always", seen) == ""


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
    assert actions == [("daemon-reload", None), ("restart-unit", Effect.RESTART)]


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
        action="restart-unit", argument=journald.SERVICE, needs=Effect.RESTART
    )
    assert any(b"[Journal]\nSystemMaxUse=1073741824\n" in text for text in artifact.blobs.values())


# Timers


SCHEDULE = "system.logrotate-timer.OnCalendar"


def calendar(text: str, **parts: object) -> Observation:
    properties = {"LoadState": "loaded", "TimersCalendar": text, "FragmentPath": "/lib/t.timer"}
    return observation(units={"logrotate.timer": Unit("logrotate.timer", properties)}, **parts)


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


def test_our_drop_in_is_the_source_of_a_schedule() -> None:
    path = timer.DROP_IN.format(unit="logrotate.timer")
    seen = calendar("{ OnCalendar=*-*-* *:00:00 ; }", files={path: file_state(b"")})
    [found] = read(SCHEDULE, seen)
    assert (found.boot, found.source) == ("hourly", path)


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


# Parameters of the kernel


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ro quiet", {"ro": PRESENT, "quiet": PRESENT}),
        ("a=1 a=2", {"a": "2"}),
        ('a="x y" b', {"a": "x y", "b": PRESENT}),
        ("a=b=c", {"a": "b=c"}),
        ("a -- b", {"a": PRESENT}),
        ('a="open', {"a": '"open'}),
        ("", {}),
    ],
)
def test_a_kernel_command_line_is_read(line: str, found: dict[str, str]) -> None:
    assert parameters(line) == found


def test_a_parameter_is_written_as_it_stands_on_the_line() -> None:
    assert [spelled("nosoftlockup", PRESENT), spelled("skew_tick", "1")] == [
        "nosoftlockup",
        "skew_tick=1",
    ]


def test_a_container_has_no_kernel_to_boot() -> None:
    [found] = read("system.boot.skew_tick", Observation(facts(virtualization="docker")))
    assert found.state is NOT_HERE


def test_a_parameter_has_the_value_the_kernel_was_started_with() -> None:
    [found] = read("system.boot.skew_tick", Observation(facts(cmdline="ro skew_tick=1")))
    assert (found.live, found.boot, found.source) == ("1", "1", "/proc/cmdline")
