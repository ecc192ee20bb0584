"""The shipped profiles: sound on every host, and faithful to what they were made from."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import catalog, profiles
from optimizer.model.observation import Facts
from optimizer.model.profile import Constraint, Profile, Wanted
from optimizer.model.reading import Reading
from optimizer.planning import expressions
from optimizer.planning.comparing import compare

ROOT = Path(__file__).parents[2]
DIRECTORY = ROOT / "profiles"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.yaml"))
SEED_PROFILES = ("trading-agents", "trading-bot", "trading-loop", "titan")
LATENCY_PROFILES = ("hft", "hft-colo")

# Current kernels start higher than many guides ask for, so these are only ever raised.
RAISE_ONLY = (
    "system.sysctl.net.core.somaxconn",
    "system.sysctl.net.ipv4.tcp_max_syn_backlog",
    "system.sysctl.net.core.netdev_max_backlog",
    "system.sysctl.net.core.rmem_max",
    "system.sysctl.net.core.wmem_max",
    "system.sysctl.vm.min_free_kbytes",
)

# What a setting is called in docs/seed-settings.md where it is not its last word.
IN_THE_PAGE = {"system.logrotate-timer.OnCalendar": "`logrotate.timer` hourly"}

# Reading a profile for the first time takes longer than one example may.
EXAMPLES = settings(deadline=None)

A_HOST = Facts(
    hostname="titan-1",
    machine_id="0" * 32,
    boot_id="0" * 32,
    os="debian",
    os_version="12",
    os_name="Debian GNU/Linux 12",
    kernel="6.1.0",
    cpus=8,
    ram=32 * 2**30,
    virtualization="none",
    init="systemd",
    uid=0,
    cmdline="",
)

HOSTS = st.fixed_dictionaries(
    {
        "ram": st.integers(512 * 2**20, 4 * 2**40),
        "cpus": st.integers(1, 512),
        "numa_nodes": st.integers(1, 8),
        "slice": st.integers(64 * 2**20, 4 * 2**40),
    }
)


@cache
def load(name: str) -> Profile:
    return profiles.load(name, directories=[DIRECTORY])


def own_ids(name: str) -> set[str]:
    """Return the ids that a profile names itself, without what it extends."""
    document = yaml.safe_load((DIRECTORY / f"{name}.yaml").read_text())
    return set(document["set"])


def only(profile: Profile, name: str) -> Wanted:
    """Return what a profile wants of a tunable that has no alternatives."""
    (wanted,) = profile.settings[name].alternatives
    return wanted


def exact(profile: Profile, name: str) -> str:
    wanted = only(profile, name)
    assert wanted.constraint is Constraint.EXACTLY
    return wanted.value


def value_on(wanted: Wanted, name: str, facts: dict[str, int]) -> int:
    """Return a number as a host with these facts gets it."""
    tunable = catalog.find(name)
    assert tunable is not None
    value = tunable.value
    return int(value.canonical(str(expressions.evaluate(wanted.value, facts))))


def test_the_profiles_of_the_design_are_shipped() -> None:
    assert set(NAMES) == {
        "development",
        "production",
        *LATENCY_PROFILES,
        "cache-only",
        *SEED_PROFILES,
    }


@pytest.mark.parametrize("name", NAMES)
def test_each_profile_loads_and_says_what_it_is_for(name: str) -> None:
    assert profiles.lint(name, directories=[DIRECTORY]) == []
    profile = load(name)
    assert profile.name == name
    assert profile.version >= 1
    assert re.fullmatch(r"[A-Za-z].{20,90}\.", profile.summary)
    assert profile.settings


@pytest.mark.parametrize("name", NAMES)
def test_profiles_set_what_is_known_and_nothing_that_has_to_be_asked_for(name: str) -> None:
    for setting in load(name).settings.values():
        assert setting.tunable.is_known
        assert not setting.tunable.refused
        assert not setting.tunable.opt_in


@pytest.mark.parametrize("name", NAMES)
def test_no_profile_sets_both_of_what_the_kernel_keeps_one_of(name: str) -> None:
    settings = load(name).settings
    for setting in settings.values():
        assert not set(setting.tunable.coupling.excludes) & set(settings)


@pytest.mark.parametrize("name", NAMES)
def test_buffers_and_backlogs_are_only_raised(name: str) -> None:
    settings = load(name).settings
    for raised in set(RAISE_ONLY) & set(settings):
        constraints = {wanted.constraint for wanted in settings[raised].alternatives}
        assert constraints == {Constraint.AT_LEAST}


@pytest.mark.parametrize("name", NAMES)
def test_no_profile_sizes_the_windows_of_tcp(name: str) -> None:
    assert not {
        "system.sysctl.net.ipv4.tcp_rmem",
        "system.sysctl.net.ipv4.tcp_wmem",
        "system.sysctl.net.ipv4.tcp_mem",
    } & set(load(name).settings)


@pytest.mark.parametrize("name", NAMES)
@EXAMPLES
@given(facts=HOSTS)
def test_every_expression_is_in_range_on_every_host(name: str, facts: dict[str, int]) -> None:
    for setting in load(name).settings.values():
        # Numbers of pools are tried on whole hosts, in test_pool_sizes.
        if not setting.tunable.value.is_numeric or setting.tunable.kind == "pgbouncer":
            continue
        for wanted in setting.alternatives:
            least_cpus = int(wanted.when.get("cpus", "1").lstrip("> ="))
            if re.search(r"\b(ram|cpus|numa_nodes|slice)\b", wanted.value):
                facts = {**facts, "cpus": max(facts["cpus"], least_cpus)}
                value_on(wanted, setting.tunable.id, facts)


@pytest.mark.parametrize("name", ["production", *LATENCY_PROFILES, *SEED_PROFILES])
@EXAMPLES
@given(facts=HOSTS)
def test_background_writing_starts_well_before_writers_wait(
    name: str, facts: dict[str, int]
) -> None:
    settings = load(name).settings
    background, limit = (
        value_on(settings[key].alternatives[0], key, facts)
        for key in ("system.sysctl.vm.dirty_background_bytes", "system.sysctl.vm.dirty_bytes")
    )
    assert 2 * background <= limit
    assert limit <= facts["ram"] // 10


@EXAMPLES
@given(facts=HOSTS)
def test_the_reserve_of_free_memory_stays_small(facts: dict[str, int]) -> None:
    key = "system.sysctl.vm.min_free_kbytes"
    reserve = value_on(only(load("hft"), key), key, facts) * 1024
    assert 0 < reserve <= min(facts["ram"] // 50, 2**30)


@pytest.mark.parametrize(
    ("name", "kind_of_disk", "scheduler"),
    [
        ("production", "nvme", "none"),
        ("production", "virtio", "none"),
        ("production", "ssd", "mq-deadline"),
        ("production", "hdd", "mq-deadline"),
        ("hft", "nvme", "none"),
        ("hft", "ssd", "none"),
        ("hft", "hdd", "mq-deadline"),
    ],
)
def test_the_scheduler_follows_the_kind_of_disk(
    name: str, kind_of_disk: str, scheduler: str
) -> None:
    alternatives = load(name).settings["system.block.scheduler"].alternatives
    fitting = [one.value for one in alternatives if kind_of_disk in one.when["disk"].split(" | ")]
    assert fitting == [scheduler]


def test_hft_has_bbr_with_the_qdisc_that_paces_it() -> None:
    hft = load("hft")
    assert exact(hft, "system.sysctl.net.ipv4.tcp_congestion_control") == "bbr"
    assert exact(hft, "system.sysctl.net.core.default_qdisc") == "fq"


@pytest.mark.parametrize("name", LATENCY_PROFILES)
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("system.sysctl.net.core.busy_read", "50"),
        ("system.sysctl.net.core.busy_poll", "50"),
        ("system.sysctl.kernel.numa_balancing", "0"),
        ("system.sysctl.vm.swappiness", "1"),
        ("system.thp.enabled", "never"),
        ("system.ksm.run", "0"),
        ("system.cpufreq.scaling_governor", "performance"),
        ("system.cpu.resume_latency", "2"),
        ("system.boot.skew_tick", "1"),
        ("system.boot.nosoftlockup", "present"),
        ("system.boot.intel_idle.max_cstate", "1"),
        ("system.boot.processor.max_cstate", "1"),
    ],
)
def test_latency_profiles(name: str, setting: str, value: str) -> None:
    assert exact(load(name), setting) == value


def test_hft_colo_is_hft_without_bbr_and_pacing() -> None:
    hft, colo = load("hft"), load("hft-colo")
    different = {
        name for name, setting in colo.settings.items()
        if setting.alternatives != hft.settings[name].alternatives
    }  # fmt: skip
    assert set(colo.settings) == set(hft.settings)
    assert different == {
        "system.sysctl.net.ipv4.tcp_congestion_control",
        "system.sysctl.net.core.default_qdisc",
    }
    assert exact(colo, "system.sysctl.net.ipv4.tcp_congestion_control") == "cubic"


def test_no_profile_but_the_latency_ones_burns_cpu_time() -> None:
    for name in set(NAMES) - set(LATENCY_PROFILES):
        settings = load(name).settings
        for burning in ("system.sysctl.net.core.busy_read", "system.sysctl.net.core.busy_poll"):
            if burning in settings:
                assert only(load(name), burning).value == "0"


def test_a_cache_leaves_alone_what_only_a_database_needs() -> None:
    settings = load("cache-only").settings
    for dropped in ("vm.dirty_bytes", "vm.dirty_background_bytes", "net.ipv4.tcp_retries2"):
        setting = settings.get(f"system.sysctl.{dropped}")
        assert setting is None or setting.alternatives[0].constraint is Constraint.UNTOUCHED


def test_titan_carries_out_what_its_document_asks() -> None:
    titan = load("titan")
    assert exact(titan, "system.sysctl.vm.swappiness") == "1"
    assert exact(titan, "system.sysctl.net.ipv4.tcp_congestion_control") == "bbr"
    assert exact(titan, "system.sysctl.net.core.default_qdisc") == "fq"
    assert only(titan, "system.sysctl.net.core.somaxconn").value == "4096"
    assert exact(titan, "system.logrotate-timer.OnCalendar") == "hourly"
    log_set = exact(titan, "system.logrotate.titan").split("; ")
    assert {"/var/log/titan/*.log", "maxsize 100M", "maxage 30", "compress"} <= set(log_set)


@pytest.mark.parametrize(
    ("now", "after"),
    [
        ("1024:524288", "65536:524288"),
        ("1024:1048576", "65536:1048576"),
        ("65536:524288", "65536:524288"),
        ("1048576", "1048576"),
        ("1024:infinity", "65536:infinity"),
    ],
)
def test_titan_raises_open_files_and_never_lowers_what_node_may_raise_them_to(
    now: str, after: str
) -> None:
    """systemd reads `soft:hard`; Node raises its soft limit up to the hard one by itself."""
    setting = load("titan").settings["system.unit.titan.service.LimitNOFILE"]
    reading = Reading(setting.tunable, live=now, boot=now)
    assert compare(setting, reading, A_HOST, None).wanted == after


def test_the_bot_carries_out_what_its_document_asks() -> None:
    bot = load("trading-bot")
    assert only(bot, "system.sysctl.net.core.rmem_max").value == str(16 * 2**20)
    assert only(bot, "system.sysctl.net.core.wmem_max").value == str(16 * 2**20)
    assert only(bot, "system.sysctl.net.core.netdev_max_backlog").value == "5000"
    assert only(bot, "system.sysctl.net.ipv4.tcp_max_syn_backlog").value == "4096"
    assert exact(bot, "system.unit.tradingbot.service.CPUAffinity") == "0-3"
    log_set = exact(bot, "system.logrotate.tradingbot").split("; ")
    assert {"daily", "rotate 7", "sharedscripts", "missingok"} <= set(log_set)
    assert "create 0640 tradingbot tradingbot" in log_set
    assert "postrotate systemctl reload tradingbot.service" in log_set


def test_the_loop_carries_out_what_its_document_asks() -> None:
    loop = load("trading-loop")
    asked = {"time": "60", "intvl": "10", "probes": "6"}
    for name, value in asked.items():
        assert exact(loop, f"system.sysctl.net.ipv4.tcp_keepalive_{name}") == value


@pytest.mark.parametrize("name", NAMES)
def test_no_log_set_signals_a_program_that_may_not_expect_it(name: str) -> None:
    for setting in load(name).settings.values():
        if setting.tunable.kind == "logrotate":
            assert "kill" not in setting.alternatives[0].value


@pytest.mark.parametrize("name", SEED_PROFILES)
def test_the_page_about_the_documents_names_what_their_profiles_set(name: str) -> None:
    page = (ROOT / "docs" / "seed-settings.md").read_text()
    assert f"profile `{name}`" in page
    for name_of_setting in own_ids(name):
        assert IN_THE_PAGE.get(name_of_setting, name_of_setting.rpartition(".")[2]) in page


def documented_profiles() -> list[object]:
    """Return the complete profiles that docs/profiles.md shows."""
    page = (ROOT / "docs" / "profiles.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    return [pytest.param(block, id=f"block {number}") for number, block in enumerate(blocks, 1)]


@pytest.mark.parametrize("text", documented_profiles())
def test_the_examples_of_the_manual_are_profiles(text: str, tmp_path: Path) -> None:
    path = tmp_path / f"{yaml.safe_load(text)['name']}.yaml"
    path.write_text(text)
    assert profiles.lint(str(path), directories=[DIRECTORY]) == []


def test_the_manual_lists_every_profile() -> None:
    page = (ROOT / "docs" / "profiles.md").read_text()
    for name in NAMES:
        assert f"| `{name}` |" in page
