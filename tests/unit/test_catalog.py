"""The catalogue: every declaration is sound, and names lead to the right one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from optimizer import catalog
from optimizer.catalog import reference, services
from optimizer.catalog.declare import Area
from optimizer.model.errors import InvalidValue
from optimizer.model.tunable import Effect, Tunable

REFERENCE = Path(__file__).parents[2] / "docs" / "tunables.md"

UNIT_TUNABLES = [
    services.find(directive.id.replace("<unit>", "redis-server"))
    for directive in services.DIRECTIVES
]
MADE = [
    catalog.find(name)
    for name in (
        "system.logrotate.titan",
        "system.boot.panic",
        "system.sysctl.net.ipv4.conf.all.rp_filter",
        "node.option.dns-result-order",
        "node.worker-count.CLUSTER_WORKERS",
    )
]
# Resource kinds of servers, which say themselves what they cannot change, and their modules.
SERVERS = {
    "redis": "redis",
    "postgresql": "postgresql",
    "postgresql-object": "postgresql",
    "maintenance": "postgresql",
    "pgbouncer": "postgresql",
    "node": "node",
    "package": "postgresql",
}
ALL = [*catalog.TUNABLES.values(), *filter(None, [*UNIT_TUNABLES, *MADE])]


def test_each_directive_and_family_makes_a_tunable() -> None:
    assert None not in [*UNIT_TUNABLES, *MADE]


def tunable_parameters(tunables: list[Tunable]) -> list[object]:
    return [pytest.param(tunable, id=tunable.id) for tunable in tunables]


@pytest.mark.parametrize("tunable", tunable_parameters(ALL))
def test_each_declaration_is_complete(tunable: Tunable) -> None:
    assert re.fullmatch(r"(system|redis|postgresql|node)(\.[A-Za-z0-9_@-]+)+", tunable.id)
    assert tunable.module == SERVERS.get(tunable.kind, "system")
    assert re.fullmatch(r"[A-Z][^\n]{18,}\.", tunable.why), "why is one sentence"
    assert "  " not in tunable.why
    assert re.fullmatch(
        r"https://(docs\.kernel\.org|man7\.org)/[\w./-]+\.html(#[\w-]+)?"
        r"|https://redis\.io/docs/latest/[\w./-]+/"
        r"|https://nodejs\.org/api/[a-z]+\.html(#[\w-]+)?"
        r"|https://www\.postgresql\.org/docs/current/[\w-]+\.html(#GUC-[A-Z-]+)?"
        r"|https://www\.pgbouncer\.org/(config\.html#[a-z_]+|install\.html)",
        tunable.docs,
    )
    assert 1 <= tunable.weight <= 10
    assert tunable.value.describe()
    assert catalog.find(tunable.id) == tunable


@pytest.mark.parametrize("tunable", tunable_parameters(ALL))
def test_each_target_fits_its_kind(tunable: Tunable) -> None:
    match tunable.kind:
        case "sysctl" | "boot" | "unit" | "journald" | "logrotate":
            assert tunable.id == f"system.{tunable.kind}.{tunable.target}"
        case "redis" | "postgresql":
            assert tunable.id == f"{tunable.kind}.{tunable.target}"
        case "postgresql-object":
            assert re.fullmatch(r"(extension|view)/[a-z_]+", tunable.target)
            assert tunable.id == f"postgresql.{tunable.target.replace('/', '.')}"
        case "maintenance":
            assert tunable.id == f"postgresql.maintenance.{tunable.target}"
        case "pgbouncer":
            assert tunable.id == f"postgresql.pgbouncer.{tunable.target}"
        case "package":
            assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", tunable.target)
            assert tunable.id == f"postgresql.{tunable.target}.installed"
        case "sysfs":
            assert re.fullmatch(r"/(sys|proc/irq)(/[a-z0-9_*-]+)+", tunable.target)
            assert tunable.target.count("*") <= 2
        case "node":
            assert re.fullmatch(r"--[a-z-]+|[A-Z_]+|[A-Z][A-Za-z]+|probe", tunable.target)
        case "timer":
            assert tunable.target.endswith(".timer")
        case _:
            pytest.fail(f"no resource kind is named {tunable.kind}")


@pytest.mark.parametrize("tunable", tunable_parameters(ALL))
def test_what_needs_a_restart_or_reboot_says_so(tunable: Tunable) -> None:
    needs = {"unit": Effect.RESTART, "journald": Effect.RESTART, "boot": Effect.REBOOT}
    if tunable.refused:
        return
    if tunable.kind == "node":
        assert tunable.effect is Effect.RESTART
    elif tunable.kind in SERVERS:
        # A server says itself what it cannot change; its own tests have the usual ones.
        return
    elif tunable.kind in needs:
        assert tunable.effect is needs[tunable.kind]
    else:
        assert tunable.effect in (Effect.LIVE, Effect.NEW_CONNECTIONS, Effect.RELOAD)


@pytest.mark.parametrize(
    ("name", "dangerous", "sound"),
    [
        ("system.sysctl.vm.overcommit_memory", "2", "1"),
        ("system.sysctl.kernel.sched_rt_runtime_us", "-1", "950000"),
        ("system.sysctl.net.ipv4.tcp_syncookies", "0", "1"),
        ("system.sysctl.net.ipv4.tcp_sack", "0", "1"),
        ("system.sysctl.net.ipv4.tcp_timestamps", "0", "1"),
        ("system.sysctl.net.ipv4.tcp_window_scaling", "0", "1"),
        ("system.sysctl.vm.vfs_cache_pressure", "0", "50"),
        ("system.smt.control", "forceoff", "off"),
        ("redis.appendfsync", "no", "everysec"),
        ("postgresql.fsync", "off", "on"),
        ("postgresql.full_page_writes", "off", "on"),
        ("postgresql.autovacuum", "off", "on"),
        ("postgresql.log_statement", "all", "ddl"),
    ],
)
def test_dangerous_values_are_refused_with_the_reason(
    name: str, dangerous: str, sound: str
) -> None:
    value = catalog.TUNABLES[name].value
    assert value.canonical(sound) == sound
    assert f"never {dangerous}" in value.describe()
    with pytest.raises(InvalidValue, match=rf"{dangerous} is refused: \w+ \w+"):
        value.canonical(dangerous)


@pytest.mark.parametrize("spelling", ["NO", "0"])
def test_other_spellings_of_a_dangerous_value_are_refused_too(spelling: str) -> None:
    with pytest.raises(InvalidValue, match="no is refused"):
        catalog.TUNABLES["redis.appendfsync"].value.canonical(spelling)


@pytest.mark.parametrize(
    ("name", "impossible"),
    [
        ("system.sysctl.vm.dirty_bytes", "0"),
        ("system.sysctl.vm.swappiness", "201"),
        ("system.sysctl.vm.min_free_kbytes", "1 GiB"),
        ("system.sysctl.vm.min_free_kbytes", "1073741824"),
        ("system.sysctl.net.ipv4.tcp_tw_reuse", "3"),
        ("system.block.scheduler", "noop"),
        ("system.boot.intel_idle.max_cstate", "0"),
    ],
)
def test_values_that_the_kernel_or_sense_rejects_are_out_of_range(
    name: str, impossible: str
) -> None:
    with pytest.raises(InvalidValue):
        catalog.TUNABLES[name].value.canonical(impossible)


@pytest.mark.parametrize(
    "name",
    [
        "system.sysctl.net.ipv4.tcp_low_latency",
        "system.sysctl.net.ipv4.tcp_tw_recycle",
        "system.sysctl.net.ipv4.tcp_mem",
        "system.sysctl.net.ipv4.udp_mem",
        "system.sysctl.kernel.sched_latency_ns",
        "system.sysctl.kernel.sched_min_granularity_ns",
        "system.sysctl.kernel.sched_wakeup_granularity_ns",
        "system.sysctl.kernel.sched_migration_cost_ns",
        "system.boot.idle",
        "system.boot.mitigations",
        "system.boot.elevator",
        "redis.bind",
        "redis.port",
        "redis.tls-port",
        "redis.protected-mode",
        "redis.requirepass",
        "redis.aclfile",
        "redis.user",
        "redis.rename-command",
        "redis.masteruser",
        "redis.masterauth",
        "redis.replicaof",
        "redis.cluster-enabled",
        "redis.dir",
        "redis.dbfilename",
        "redis.appendfilename",
        "redis.appenddirname",
    ],
)
def test_obsolete_and_harmful_settings_are_refused(name: str) -> None:
    tunable = catalog.find(name)
    assert tunable is not None
    assert len(tunable.refused) > 20


def test_all_couplings_name_tunables() -> None:
    for tunable in ALL:
        coupling = tunable.coupling
        for other in (*coupling.excludes, *coupling.mirrors, *coupling.resets):
            is_pattern = other.startswith("/")
            assert is_pattern or other in catalog.TUNABLES, f"{tunable.id} is coupled with {other}"
            assert other != tunable.id


def test_exclusion_is_mutual() -> None:
    for tunable in catalog.TUNABLES.values():
        for other in tunable.coupling.excludes:
            assert tunable.id in catalog.TUNABLES[other].coupling.excludes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("vm.dirty_bytes", "vm.dirty_ratio"),
        ("vm.dirty_background_bytes", "vm.dirty_background_ratio"),
        ("vm.overcommit_kbytes", "vm.overcommit_ratio"),
    ],
)
def test_pairs_of_which_the_kernel_keeps_one_are_known(one: str, other: str) -> None:
    coupling = catalog.TUNABLES[f"system.sysctl.{one}"].coupling
    assert coupling.excludes == (f"system.sysctl.{other}",)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("system.cpufreq.scaling_governor", "system.cpufreq.energy_performance_preference"),
        ("system.block.scheduler", "system.block.nr_requests"),
        ("system.block.scheduler", "system.block.wbt_lat_usec"),
        ("system.thp.enabled", "system.sysctl.vm.min_free_kbytes"),
        ("system.smt.control", "system.irq.smp_affinity_list"),
        ("system.sysctl.net.core.busy_read", "system.sysctl.net.core.busy_poll"),
        ("system.sysctl.kernel.watchdog", "system.sysctl.kernel.nmi_watchdog"),
    ],
)
def test_tunables_stand_in_the_order_of_writing(first: str, second: str) -> None:
    order = list(catalog.TUNABLES)
    assert order.index(first) < order.index(second)


def test_what_a_write_resets_is_written_after_it() -> None:
    order = list(catalog.TUNABLES)
    resetting = [tunable for tunable in catalog.TUNABLES.values() if tunable.coupling.resets]
    assert len(resetting) >= 4
    for tunable in resetting:
        for other in (name for name in tunable.coupling.resets if not name.startswith("/")):
            assert order.index(tunable.id) < order.index(other)


def test_a_tunable_cannot_be_declared_twice() -> None:
    twice = catalog.TUNABLES["system.thp.enabled"]
    with pytest.raises(ValueError, match=r"system\.thp\.enabled twice"):
        catalog.index([Area("One", (twice,)), Area("Two", (twice,))])


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        catalog.TUNABLES["system.thp.enabled"] = ALL[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "id_", "target"),
    [
        (
            "system.unit.redis-server.LimitNOFILE",
            "system.unit.redis-server.service.LimitNOFILE",
            "redis-server.service.LimitNOFILE",
        ),
        (
            "system.unit.postgresql@15-main.service.Nice",
            "system.unit.postgresql@15-main.service.Nice",
            "postgresql@15-main.service.Nice",
        ),
        ("system.logrotate.titan", "system.logrotate.titan", "titan"),
        (
            "system.boot.usbcore.autosuspend",
            "system.boot.usbcore.autosuspend",
            "usbcore.autosuspend",
        ),
        (
            "system.sysctl.net.ipv4.conf.eth0/100.rp_filter",
            "system.sysctl.net.ipv4.conf.eth0/100.rp_filter",
            "net.ipv4.conf.eth0/100.rp_filter",
        ),
    ],
)
def test_families_make_tunables(name: str, id_: str, target: str) -> None:
    made = catalog.find(name)
    assert made is not None
    assert (made.id, made.target) == (id_, target)
    assert catalog.find(made.id) == made


@pytest.mark.parametrize(
    "name",
    [
        "",
        "system",
        "redis.",
        "redis.maxmemory.normal",
        "redis.client-output-buffer-limit",
        "maxmemory",
        "system.thp",
        "system.unit.redis-server",
        "system.unit.redis-server.ExecStart",
        "system.unit.system.slice.LimitNOFILE",
        "system.unit.postgresql@.service.LimitNOFILE",
        "system.unit.../../tmp/x.LimitNOFILE",
        "system.unit.a b.LimitNOFILE",
        "system.unit..LimitNOFILE",
        "system.logrotate.",
        "system.logrotate...",
        "system.logrotate.a/b",
        "system.boot.a b",
        "system.boot.a=b",
        "system.sysctl.swappiness",
        "system.sysctl.net.//.//.//.etc.passwd",
        "system.sysctl.net..ipv4",
        "system.sysctl.vm.swappiness\n",
        "system.sysctl.vm.*",
    ],
)
def test_no_tunable_is_made_of_other_names(name: str) -> None:
    assert catalog.find(name) is None


def test_unlisted_kernel_settings_are_marked_as_unknown() -> None:
    made = catalog.find("system.sysctl.net.ipv4.conf.all.rp_filter")
    assert made is not None
    assert not made.is_known
    assert made.weight == 1
    assert all(tunable.is_known for tunable in catalog.TUNABLES.values())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("vm.swapiness", "system.sysctl.vm.swappiness"),
        ("system.vm.swappiness", "system.sysctl.vm.swappiness"),
        ("system.sysctl.vm.swapiness", "system.sysctl.vm.swappiness"),
        ("swappiness", "system.sysctl.vm.swappiness"),
        ("net/core/somaxconn", "system.sysctl.net.core.somaxconn"),
        ("system.thp.enable", "system.thp.enabled"),
        ("system.cpu.governor", "system.cpufreq.scaling_governor"),
        ("system.boot.isolcpu", "system.boot.isolcpus"),
        ("net.ipv4.conf.all.rp_filter", "system.sysctl.net.ipv4.conf.all.rp_filter"),
        (
            "system.unit.redis-server.limitnofile",
            "system.unit.redis-server.service.LimitNOFILE",
        ),
    ],
)
def test_a_mistyped_name_leads_to_the_right_one(written: str, meant: str) -> None:
    assert catalog.nearest(written) == meant


def test_a_refused_setting_is_never_suggested() -> None:
    for tunable in catalog.TUNABLES.values():
        suggested = catalog.nearest(tunable.id[:-1])
        found = catalog.find(suggested) if suggested else None
        assert found is None or not found.refused


def test_nothing_is_suggested_for_what_looks_like_nothing() -> None:
    assert catalog.nearest("zzz") is None


def test_modules_of_congestion_controls_and_qdiscs_are_known() -> None:
    congestion = catalog.TUNABLES["system.sysctl.net.ipv4.tcp_congestion_control"].modules
    qdisc = catalog.TUNABLES["system.sysctl.net.core.default_qdisc"].modules
    assert (congestion["bbr"], congestion["htcp"]) == ("tcp_bbr", "tcp_htcp")
    assert (qdisc["fq"], qdisc["fq_codel"], qdisc["cake"]) == ("sch_fq", "sch_fq_codel", "sch_cake")
    # Part of every kernel: asking for a module would make them impossible.
    assert "reno" not in congestion
    assert "pfifo_fast" not in qdisc


def test_the_reference_page_is_up_to_date() -> None:
    assert REFERENCE.read_text() == reference.markdown(), (
        "run: python -m optimizer.catalog.reference > docs/tunables.md"
    )


def test_the_reference_page_has_every_tunable_once() -> None:
    page = reference.markdown()
    for tunable in (*catalog.TUNABLES.values(), *services.DIRECTIVES):
        assert page.count(f"`{tunable.id}`") == 1
    for family in catalog.FAMILIES:
        assert f"`{family.pattern}`" in page


def test_no_cell_of_the_reference_page_breaks_its_table() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", reference.markdown(), re.MULTILINE):
        columns = [len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()]
        assert len(columns) > 2
        assert set(columns) == {columns[0]}
