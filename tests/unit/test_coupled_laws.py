"""Coupled values over the model kernel: every start, every target, back by every road.

tests/hosts/test_vm_coupled.py goes the same roads on a real kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import pytest

from optimizer.app.outcomes import verdict_of
from optimizer.host.wire import apply_program, cancel_program, parse_answer
from tests.unit.factories import snapshot
from tests.unit.model_host import ModelHost
from tests.unit.model_kernel import (
    CONF,
    CPUFREQ,
    IPV4,
    KERNEL,
    POLICIES,
    QUEUE,
    THP,
    VM,
    ModelKernel,
    Refused,
)
from tests.unit.story import Story, carry_out, planned

Writes = Sequence[tuple[str, str]]
Wanted = Mapping[str, object]

_SYSCTL = "system.sysctl."
_GOVERNORS = ("schedutil", "ondemand", "conservative", "performance")


def _pair(amount: str, share: str, least: str) -> tuple[list[Writes], list[Wanted]]:
    """Make all states of two values of which one is zero, and what a profile may want of them."""
    starts: list[Writes] = [
        [],
        [(VM + share, "7")],
        [(VM + amount, least)],
        [(VM + share, "0")],
        [(VM + amount, least), (VM + share, "9")],
    ]
    wishes = ({amount: int(least) * 2}, {amount: int(least)}, {share: 11}, {share: 7})
    return starts, [{f"{_SYSCTL}vm.{k}": v for k, v in one.items()} for one in wishes]


def _at_once(
    one: tuple[list[Writes], list[Wanted]], other: tuple[list[Writes], list[Wanted]]
) -> tuple[list[Writes], list[Wanted]]:
    """Have two pairs move in one change, in step."""
    starts = [[*first, *second] for first, second in zip(one[0], reversed(other[0]), strict=True)]
    wishes = zip(one[1], reversed(other[1]), strict=True)
    return starts, [{**first, **second} for first, second in wishes]


def _disk() -> tuple[list[Writes], list[Wanted]]:
    starts: list[Writes] = [
        [],
        [(f"{QUEUE}iosched/read_expire", "100"), (f"{QUEUE}nr_requests", "300")],
        [
            (f"{QUEUE}nr_requests", "32"),
            (f"{QUEUE}wbt_lat_usec", "2000"),
            (f"{QUEUE}iosched/async_depth", "7"),
        ],
        [(f"{QUEUE}scheduler", "bfq"), (f"{QUEUE}iosched/slice_idle", "0")],
        [(f"{QUEUE}scheduler", "kyber"), (f"{QUEUE}wbt_lat_usec", "0")],
        [(f"{QUEUE}scheduler", "none"), (f"{QUEUE}nr_requests", "64")],
    ]
    wishes: list[Wanted] = [
        {"system.block.scheduler": name, **more}
        for name in ("none", "mq-deadline", "kyber", "bfq")
        for more in ({}, {"system.block.nr_requests": 128}, {"system.block.wbt_lat_usec": 500})
    ]
    wishes.append({"system.block.nr_requests": 128})
    return starts, wishes


def _watchdogs() -> tuple[list[Writes], list[Wanted]]:
    names = ("watchdog", "soft_watchdog", "nmi_watchdog")
    starts: list[Writes] = [
        [(KERNEL + name, "0") for name in off]
        for off in ([], names[:1], names[1:2], names[2:], names[1:], (names[0], names[1]), names)
    ]
    states = [dict(zip(names[1:], both, strict=True)) for both in product("01", repeat=2)]
    wishes = [
        {"watchdog": "0"},
        {"watchdog": "1"},
        *states,
        *({n: v} for n in names[1:] for v in "01"),
    ]
    wishes += [{**state, "watchdog": str(int("1" in state.values()))} for state in states]
    return starts, [{f"{_SYSCTL}kernel.{k}": v for k, v in one.items()} for one in wishes]


def _pool() -> tuple[list[Writes], list[Wanted]]:
    names = ("nr_hugepages", "nr_hugepages_mempolicy")
    starts: list[Writes] = [[], [(VM + names[0], "5")], [(VM + names[1], "9")]]
    return starts, [{f"{_SYSCTL}vm.{name}": n} for name in names for n in (0, 4, 9)]


def _interfaces() -> tuple[list[Writes], list[Wanted]]:
    forward, card = f"{IPV4}ip_forward", f"{CONF}eth0/forwarding"
    starts: list[Writes] = [
        [],
        [(card, "1")],
        [(forward, "1")],
        [(forward, "1"), (card, "0"), (f"{CONF}default/forwarding", "0")],
        [(f"{CONF}all/accept_redirects", "0")],
        [(forward, "1"), (f"{CONF}all/accept_redirects", "1")],
        [(f"{CONF}eth0/rp_filter", "2"), (f"{CONF}default/rp_filter", "1")],
    ]
    keys = ("ip_forward", "conf.all.forwarding", "conf.eth0.forwarding", "conf.default.forwarding")
    wishes = [{f"{_SYSCTL}net.ipv4.{key}": n} for key in keys for n in (0, 1)]
    wishes += [{f"{_SYSCTL}net.ipv4.conf.default.rp_filter": n} for n in (0, 1, 2)]
    return starts, wishes


def _processors() -> tuple[list[Writes], list[Wanted]]:
    def governors(*names: str) -> list[tuple[str, str]]:
        return [(f"{CPUFREQ}{p}/scaling_governor", n) for p, n in zip(POLICIES, names, strict=True)]

    starts: list[Writes] = [
        [(f"{CPUFREQ}policy0/schedutil/rate_limit_us", "500")],
        [*governors("ondemand", "ondemand"), (f"{CPUFREQ}ondemand/up_threshold", "60")],
        [*governors("ondemand", "conservative"), (f"{CPUFREQ}conservative/freq_step", "10")],
        governors("performance", "schedutil"),
    ]
    return starts, [{"system.cpufreq.scaling_governor": one} for one in _GOVERNORS]


_THP = ([[], [(THP, "never"), (f"{VM}min_free_kbytes", "90112")]],
        [{"system.thp.enabled": one} for one in ("always", "never")])  # fmt: skip
_DIRTY = _pair("dirty_bytes", "dirty_ratio", "8192")
_BACKGROUND = _pair("dirty_background_bytes", "dirty_background_ratio", "8192")
GROUPS: Mapping[str, tuple[list[Writes], list[Wanted]]] = {
    "dirty": _DIRTY,
    "background": _BACKGROUND,
    "both": _at_once(_DIRTY, _BACKGROUND),
    "overcommit": _pair("overcommit_kbytes", "overcommit_ratio", "1000"),
    "disk": _disk(),
    "watchdogs": _watchdogs(),
    "huge pages": _pool(),
    "interfaces": _interfaces(),
    "processors": _processors(),
    "reserve": _THP,
}


def _started(writes: Writes, *, syncs_watchdog: bool) -> ModelHost:
    host = ModelHost(ModelKernel(syncs_watchdog=syncs_watchdog))
    for path, text in writes:
        host.kernel.write(path, text)
    return host


def _combinations(group: str) -> Iterator[tuple[ModelHost, Wanted]]:
    starts, wishes = GROUPS[group]
    for writes, wanted, old in product(starts, wishes, (False, True)):
        if group == "watchdogs" or not old:
            yield _started(writes, syncs_watchdog=old), wanted


@pytest.mark.parametrize("group", GROUPS)
def test_a_rollback_brings_every_start_back_from_every_target_and_the_target_again(
    group: str,
) -> None:
    changed = 0
    for host, wanted in _combinations(group):
        story, before = Story(host), host.kernel.values()
        if not story.apply(wanted):
            continue
        changed += 1
        after = host.kernel.values()
        assert _said_all(before, after, story), wanted
        way = story.roll_back(story.taken[0])
        assert (host.kernel.values(), way.foreign) == (before, ()), wanted
        story.roll_back(story.taken[-1])
        assert host.kernel.values() == after, wanted
    assert changed >= 4


def _said_all(before: Mapping[str, str], after: Mapping[str, str], story: Story) -> bool:
    """Whether whatever is another value now, or gone, is in the manifest."""
    manifest = story.host.snapshots[story.taken[-1]]
    return all(f"\t{path}\t" in manifest for path in before if before[path] != after.get(path))


@pytest.mark.parametrize("group", GROUPS)
def test_a_change_that_is_not_confirmed_leaves_every_start_as_it_was(group: str) -> None:
    for host, wanted in _combinations(group):
        before = host.kernel.values()
        plan = planned(host, wanted)
        made = snapshot(plan.steps)
        if plan.steps:
            assert verdict_of(parse_answer(host.answer(apply_program(made, 60)))) == "applied"
            assert verdict_of(parse_answer(host.answer(cancel_program(made.run)))) == "restored"
        assert host.kernel.values() == before, wanted


@pytest.mark.parametrize("group", GROUPS)
def test_a_change_that_is_cut_off_after_any_write_leaves_every_start_as_it_was(group: str) -> None:
    for host, wanted in _combinations(group):
        before = host.kernel.values()
        made = snapshot(planned(host, wanted).steps)
        for stop in range(1, len(made.steps) + 1):
            host.cut_after(stop)
            host.answer(apply_program(made, 60))
            host.cut_after(0)
            if host.journal:
                told = host.answer(cancel_program(made.run))
                assert verdict_of(parse_answer(told)) == "restored", (wanted, told)
            assert host.kernel.values() == before, (wanted, stop)


@pytest.mark.parametrize("group", GROUPS)
def test_an_applied_target_is_there_and_leaves_nothing_to_do(group: str) -> None:
    for host, wanted in _combinations(group):
        plan = planned(host, wanted)
        if plan.steps:
            assert carry_out(host, plan) == "confirmed", wanted
        assert planned(host, wanted).changes == (), wanted


def test_a_card_that_was_plugged_in_since_is_on_the_way_back_too() -> None:
    story = Story(ModelHost())
    story.apply({f"{_SYSCTL}net.ipv4.ip_forward": 1})
    story.host.kernel.plug("eth9")
    way = story.roll_back("last")
    assert f"{CONF}eth9/forwarding" in {getattr(step, "path", "") for step in way.steps}
    assert story.host.kernel.read(f"{CONF}eth9/forwarding") == "0"
    story.roll_back(story.taken[-1])
    assert story.host.kernel.read(f"{CONF}eth9/forwarding") == "1"


def test_a_card_that_is_gone_keeps_nothing_from_going_back() -> None:
    story = Story(ModelHost())
    story.apply({f"{_SYSCTL}net.ipv4.ip_forward": 1})
    story.host.kernel.unplug("eth0")
    assert story.roll_back("last").foreign == ()
    assert story.host.kernel.read(f"{IPV4}ip_forward") == "0"


def test_the_model_refuses_what_the_kernel_refuses() -> None:
    kernel = ModelKernel()
    for path, text in ((f"{VM}dirty_bytes", "0"), (f"{QUEUE}iosched/slice_idle", "0")):
        with pytest.raises(Refused):
            kernel.write(path, text)
