"""What the kernel changes together: the steps that follow from a step."""

from __future__ import annotations

import pytest

from optimizer import catalog
from optimizer.model.observation import LiveValue, ValueState
from optimizer.model.transaction import DirectoryStep, Step, ValueStep
from optimizer.model.tunable import Tunable
from optimizer.modules.coupling import Coupler, partner_targets
from tests.unit.factories import observation
from tests.unit.model_kernel import IPV4, KERNEL, QUEUE, START, THP, VM

Summary = tuple[str, str, str, str, str]


def step(tunable: str, path: str, after: str, before: str | None = None) -> ValueStep:
    """Set a value that is as the model kernel starts with, or `before`."""
    return ValueStep(
        tunable=f"system.{tunable}", path=path, before=before or START[path], after=after
    )


def coupled(*steps: Step, **changed: str) -> list[Summary]:
    """Couple steps on a host; changed: name below /proc/sys/vm or kernel -> what it is."""
    values = dict(START)
    for name, text in changed.items():
        values[f"{VM}{name}" if f"{VM}{name}" in values else f"{KERNEL}{name}"] = text
    made = Coupler(catalog.find, observation(values)).couple(steps)
    return [
        (one.path.rpartition("/")[2], one.before, one.after, one.write, one.restore)
        for one in made
        if isinstance(one, ValueStep)
    ]


DIRTY_BYTES = step("sysctl.vm.dirty_bytes", f"{VM}dirty_bytes", "8192")


def test_the_other_one_of_a_pair_becomes_zero_and_zero_cannot_be_written_back() -> None:
    assert coupled(DIRTY_BYTES) == [
        ("dirty_bytes", "0", "8192", "set", "skip"),
        ("dirty_ratio", "20", "0", "follow", "set"),
    ]


def test_a_partner_that_is_zero_already_is_named_for_the_way_back() -> None:
    larger = step("sysctl.vm.dirty_bytes", f"{VM}dirty_bytes", "16384", before="8192")
    assert coupled(larger, dirty_ratio="0", dirty_bytes="8192") == [
        ("dirty_bytes", "8192", "16384", "set", "set"),
        ("dirty_ratio", "0", "0", "follow", "set"),
    ]


def test_the_pair_works_in_the_other_direction() -> None:
    ratio = step("sysctl.vm.dirty_ratio", f"{VM}dirty_ratio", "5", before="0")
    assert coupled(ratio, dirty_ratio="0", dirty_bytes="8192") == [
        ("dirty_ratio", "0", "5", "set", "skip"),
        ("dirty_bytes", "8192", "0", "follow", "set"),
    ]


def test_a_partner_that_is_set_itself_does_not_follow() -> None:
    ratio = step("sysctl.vm.dirty_ratio", f"{VM}dirty_ratio", "5")
    assert [row[3] for row in coupled(DIRTY_BYTES, ratio)] == ["set", "set"]


def test_a_partner_that_cannot_be_read_is_left_out() -> None:
    values = {path: LiveValue(path, ValueState.WRITABLE, text) for path, text in START.items()}
    values[f"{VM}dirty_ratio"] = LiveValue(f"{VM}dirty_ratio", ValueState.UNREADABLE)
    seen = observation(values={}, **{})
    seen = type(seen)(seen.facts, values=values)
    [only] = Coupler(catalog.find, seen).couple([DIRTY_BYTES])
    assert only == DIRTY_BYTES


def test_the_same_pool_takes_the_same_value() -> None:
    pages = step("sysctl.vm.nr_hugepages", f"{VM}nr_hugepages", "10")
    assert coupled(pages) == [
        ("nr_hugepages", "0", "10", "set", "set"),
        ("nr_hugepages_mempolicy", "0", "10", "follow", "set"),
    ]


def test_what_a_write_resets_is_held_for_its_own_instance() -> None:
    queue = step("block.scheduler[vda]", f"{QUEUE}scheduler", "none")
    made = Coupler(catalog.find, observation(START)).couple([queue])
    assert [(one.tunable, one.after) for one in made if isinstance(one, ValueStep)] == [
        ("system.block.scheduler[vda]", "none"),
        ("system.block.nr_requests[vda]", "256"),
        ("system.block.wbt_lat_usec[vda]", "75000"),
    ]
    assert [row[3] for row in coupled(queue)] == ["set", "hold", "hold"]


def test_a_reserve_that_the_profile_sets_itself_is_not_held() -> None:
    reserve = step("sysctl.vm.min_free_kbytes", f"{VM}min_free_kbytes", "90112")
    pages = step("thp.enabled", THP, "never")
    assert [row[3] for row in coupled(pages, reserve)] == ["set", "set"]
    assert [row[3] for row in coupled(pages)] == ["set", "hold"]


BBR = step("sysctl.net.ipv4.tcp_congestion_control", f"{IPV4}tcp_congestion_control", "bbr")


def test_an_algorithm_that_becomes_the_default_is_allowed_to_everybody() -> None:
    [_, allowed] = coupled(BBR)
    assert allowed == (
        "tcp_allowed_congestion_control", "reno cubic", "reno cubic bbr", "follow", "set",
    )  # fmt: skip


def test_an_algorithm_that_is_allowed_already_changes_no_list() -> None:
    reno = BBR.model_copy(update={"after": "reno"})
    assert [row[0] for row in coupled(reno)] == ["tcp_congestion_control"]


def test_the_list_of_allowed_algorithms_keeps_the_order_of_the_offered_ones() -> None:
    values = dict(START)
    values[f"{IPV4}tcp_available_congestion_control"] = "reno bbr cubic"
    made = Coupler(catalog.find, observation(values)).couple([BBR])
    assert isinstance(made[1], ValueStep)
    assert made[1].after == "reno bbr cubic"


SOFT = step("sysctl.kernel.soft_watchdog", f"{KERNEL}soft_watchdog", "0")
NMI = step("sysctl.kernel.nmi_watchdog", f"{KERNEL}nmi_watchdog", "0")


@pytest.mark.parametrize(
    ("steps", "running", "after"),
    [((SOFT,), "1", "1"), ((SOFT,), "0", "0"), ((SOFT, NMI), "1", "0"), ((NMI, SOFT), "1", "0")],
)
def test_the_common_switch_reads_whether_a_detector_runs(
    steps: tuple[ValueStep, ...], running: str, after: str
) -> None:
    rows = coupled(*steps, nmi_watchdog=running)
    assert [row for row in rows if row[0] == "watchdog"] == [
        ("watchdog", "1", after, "follow", "set")
    ]


def test_the_common_switch_takes_both_along() -> None:
    common = step("sysctl.kernel.watchdog", f"{KERNEL}watchdog", "0")
    assert [(row[0], row[3]) for row in coupled(common)] == [
        ("watchdog", "set"),
        ("soft_watchdog", "follow"),
        ("nmi_watchdog", "follow"),
    ]


def test_the_common_switch_alone_switches_nothing_on() -> None:
    common = step("sysctl.kernel.watchdog", f"{KERNEL}watchdog", "1", before="0")
    rows = coupled(common, watchdog="0", soft_watchdog="0", nmi_watchdog="0")
    assert [(row[0], row[2], row[3]) for row in rows] == [
        ("watchdog", "1", "set"),
        ("soft_watchdog", "1", "set"),
        ("nmi_watchdog", "0", "hold"),
    ]


def test_a_detector_is_started_together_with_the_common_switch() -> None:
    soft = step("sysctl.kernel.soft_watchdog", f"{KERNEL}soft_watchdog", "1", before="0")
    rows = coupled(soft, watchdog="0", soft_watchdog="0", nmi_watchdog="0")
    assert [(row[0], row[2], row[3]) for row in rows] == [
        ("soft_watchdog", "1", "set"),
        ("watchdog", "1", "set"),
        ("nmi_watchdog", "0", "hold"),
    ]


def test_other_steps_pass_unchanged() -> None:
    steps = (DirectoryStep(path="/d"), step("nothing.known", f"{VM}swappiness", "1"))
    assert Coupler(catalog.find, observation(START)).couple(steps) == steps


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("system.sysctl.vm.dirty_bytes", {f"{VM}dirty_ratio"}),
        ("system.sysctl.vm.swappiness", set()),
        ("system.thp.enabled", {f"{VM}min_free_kbytes"}),
        (
            "system.block.scheduler",
            {
                "/sys/block/*/queue/nr_requests",
                "/sys/block/*/queue/wbt_lat_usec",
                "/sys/block/*/queue/iosched/*",
            },
        ),
        (
            "system.sysctl.kernel.nmi_watchdog",
            {f"{KERNEL}watchdog", f"{KERNEL}soft_watchdog", f"{KERNEL}nmi_watchdog"},
        ),
    ],
)
def test_the_probe_reads_what_is_coupled_too(name: str, targets: set[str]) -> None:
    tunable = catalog.find(name)
    assert tunable is not None
    assert set(partner_targets(tunable, catalog.find)) == targets


@pytest.mark.parametrize("tunable", catalog.TUNABLES.values(), ids=lambda one: one.id)
def test_every_coupling_of_the_catalogue_names_tunables(tunable: Tunable) -> None:
    coupling = tunable.coupling
    for name in (*coupling.excludes, *coupling.mirrors, *coupling.opposes, *coupling.resets):
        assert name in catalog.TUNABLES or name.startswith("/")
    for name in coupling.excludes:
        assert tunable.id in catalog.TUNABLES[name].coupling.excludes
