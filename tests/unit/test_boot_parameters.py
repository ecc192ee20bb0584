"""Parameters of the kernel command line: found, written into GRUB's menu, waiting for a reboot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.boot import (
    GRUB_CONFIG,
    GRUB_FILE,
    PRESENT,
    Grub,
    parameters,
    spelled,
)
from optimizer.model.observation import ABSENT
from optimizer.model.plan import HostPlan
from optimizer.model.reading import ReadingState
from optimizer.model.transaction import FileStep, ValueStep
from optimizer.model.tunable import Permission
from optimizer.modules.host_plan import plan_host
from optimizer.modules.kinds import KINDS
from optimizer.resources import grub
from optimizer.resources.base import decode_blobs
from tests.unit.factories import facts, file_state, observation, profile, read
from tests.unit.grub_menus import DEFAULTS, LINUX, SETUP, host, menu

SKEW = "system.boot.skew_tick"
ISOLATED = "system.boot.isolcpus"
ALLOWED = frozenset({Permission.REBOOT})
NOTHING: frozenset[Permission] = frozenset()
NAMES = st.sampled_from(["skew_tick", "nosoftlockup", "isolcpus", "hugepages", "a.b_c"])
VALUES = st.text("abc019.,:=+/@%^-_", min_size=1, max_size=8)
OURS = st.dictionaries(NAMES, VALUES, max_size=4)


def planned(
    wanted: dict[str, object], seen: object, allow: frozenset[Permission] = ALLOWED
) -> HostPlan:
    return plan_host("db-1", profile(wanted), seen, {}, allow)  # type: ignore[arg-type]


# The command line


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ro quiet", {"ro": PRESENT, "quiet": PRESENT}),
        ("a=1 a=2", {"a": "2"}),
        ("isolcpus=1 isolcpus=2", {"isolcpus": "1"}),
        ("hugepagesz=1G hugepages=2 hugepagesz=2M", {"hugepagesz": "1G", "hugepages": "2"}),
        ("intel-idle.max-cstate=1", {"intel_idle.max_cstate": "1"}),
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


# The menu


@given(OURS)
def test_our_file_reads_back(ours: dict[str, str]) -> None:
    assert grub.own_values(grub.render(ours)) == ours


@given(OURS, OURS)
def test_a_menu_that_is_made_again_without_ours_is_as_it_was(
    one: dict[str, str], other: dict[str, str]
) -> None:
    plain = menu(versions=("6.1.0-9", "6.1.0-8"))
    changed = grub.remade(plain, SETUP, {}, one)
    assert grub.remade(changed, SETUP, one, other) == grub.remade(plain, SETUP, {}, other)
    assert grub.remade(changed, SETUP, one, {}) == plain


def test_only_entries_that_are_not_for_recovery_get_ours() -> None:
    changed = grub.remade(menu(), SETUP, {}, {"skew_tick": "1", "nosoftlockup": PRESENT})
    assert changed == menu(" skew_tick=1 nosoftlockup")
    assert grub.command_line(changed).endswith("quiet skew_tick=1 nosoftlockup")
    assert "single console=ttyS0\n" in changed


def test_ours_stand_where_our_file_is_read() -> None:
    setup = Grub(LINUX, "quiet @optimizer@ crashkernel=1")
    text = menu(" crashkernel=1")
    assert grub.remade(text, setup, {}, {"a": "1"}) == menu(" a=1 crashkernel=1")


@pytest.mark.parametrize("setup", [Grub("", " @optimizer@"), Grub("", "quiet @optimizer@")])
def test_files_that_say_little_are_enough(setup: Grub) -> None:
    plain = menu().replace(f"{LINUX} quiet", f" {setup.default.partition(' @')[0]}")
    changed = grub.remade(plain, setup, {}, {"a": "1"})
    assert parameters(grub.command_line(changed))["a"] == "1"
    assert changed.count("a=1") == 1


# What a host has


def test_a_container_has_no_kernel_to_boot() -> None:
    [found] = read(SKEW, observation(facts=facts(virtualization="docker")))
    assert found.state is ReadingState.NOT_APPLICABLE


def test_what_is_in_force_and_what_the_next_boot_brings_are_two_things() -> None:
    seen = host(ours={"skew_tick": "1"}, live={"skew_tick": ABSENT})
    [found] = read(SKEW, seen)
    assert (found.live, found.boot, found.source, found.own) == (None, "1", GRUB_FILE, "1")
    [found] = read(SKEW, host(live={"skew_tick": "1"}))
    assert (found.live, found.boot, found.source) == ("1", None, None)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"setup": None}, "this host has no update-grub, or no /boot/grub/grub.cfg"),
        ({"text": menu(" more")}, ""),
        ({"text": menu().replace("quiet", "silent")}, "run update-grub first"),
        ({"setup": Grub(LINUX, "quiet")}, "/etc/default/grub.d drops what our file adds"),
        (
            {"setup": Grub("", "x"), "elsewhere": "GRUB_CMDLINE_LINUX_DEFAULT=x"},
            f"{DEFAULTS}:9 drops what our file adds",
        ),
    ],
)
def test_why_nothing_of_ours_can_arrive_is_said(parts: dict[str, object], why: str) -> None:
    [found] = read(SKEW, host(**parts))  # type: ignore[arg-type]
    assert why in found.blocked if why else not found.blocked
    plan = planned({SKEW: 1}, host(**parts))  # type: ignore[arg-type]
    if why:
        [change] = plan.changes
        assert (plan.steps, plan.files, change.allowed) == ((), (), False)
        assert change.advice.startswith(found.blocked)
        assert change.advice.endswith("add to the kernel command line: skew_tick=1")
        assert plan.score and (plan.score.after, plan.score.possible) == (0, 100)


def test_a_menu_that_only_root_may_read_is_left_alone() -> None:
    state = file_state(b"")
    [found] = read(SKEW, host(files={GRUB_CONFIG: type(state)(b"", "600", "0:0", "")}))
    assert found.blocked == f"only root may read {GRUB_CONFIG}"


@pytest.mark.parametrize(
    ("name", "elsewhere", "why"),
    [
        (SKEW, 'GRUB_CMDLINE_LINUX="console=ttyS0 skew_tick=0"', ""),
        (ISOLATED, "GRUB_CMDLINE_LINUX='isolcpus=3'", "the kernel takes the first"),
        ("system.boot.hugepages", "GRUB_CMDLINE_LINUX=hugepagesz=1G", "sets hugepagesz"),
    ],
)
def test_what_somebody_else_sets_and_what_counts_then_is_known(
    name: str, elsewhere: str, why: str
) -> None:
    [found] = read(name, host(elsewhere=elsewhere))
    assert why in found.blocked if why else not found.blocked
    assert why == "" or found.blocked.startswith(f"{DEFAULTS}:9 ")


def test_what_somebody_else_sets_behind_ours_beats_it() -> None:
    line = 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT skew_tick=0"'
    setup = Grub(LINUX, "quiet @optimizer@ skew_tick=0")
    [found] = read(SKEW, host(setup=setup, text=menu(" skew_tick=0"), elsewhere=line))
    assert (found.boot, found.source) == ("0", f"{DEFAULTS}:9")
    assert found.blocked == f"{DEFAULTS}:9 sets it after our file"


def test_what_somebody_else_sets_before_ours_is_named_and_stays() -> None:
    line = 'GRUB_CMDLINE_LINUX="console=ttyS0 skew_tick=0"'
    setup = Grub(f"{LINUX} skew_tick=0", "quiet @optimizer@")
    text = menu().replace(LINUX, f"{LINUX} skew_tick=0")
    plan = planned({SKEW: 1}, host(setup=setup, text=text, elsewhere=line))
    assert f"{SKEW}: {DEFAULTS}:9 sets 0; the kernel takes the last, which is ours" in plan.notes
    [made] = [file.diff for file in plan.files if file.path == GRUB_CONFIG]
    assert "+\tlinux\t/boot/vmlinuz-6.1.0-9" in made and "skew_tick=0 quiet skew_tick=1" in made


@pytest.mark.parametrize(
    ("name", "wanted", "why"),
    [
        (ISOLATED, "1-3", ""),
        (ISOLATED, "managed_irq,domain,2-3", ""),
        (ISOLATED, "2-4", "this host has the CPUs 0 to 3"),
        (ISOLATED, "0-3", "CPU 0 stays out of it"),
        ("system.boot.nohz_full", "0", "CPU 0 stays out of it"),
        ("system.boot.irqaffinity", "0", ""),
        ("system.boot.rcu_nocbs", "7", "this host has the CPUs 0 to 3"),
        ("system.boot.dyndbg", "file a", "characters that GRUB would not hand on"),
    ],
)
def test_what_a_host_cannot_boot_with_is_impossible(name: str, wanted: str, why: str) -> None:
    seen = host()
    [found] = read(name, seen)
    said = KINDS["boot"].impossible(found, wanted, seen)
    assert said.startswith(why) if why.startswith(("this", "CPU")) else why in said
    assert bool(said) == bool(why)


# Plans


def test_nothing_is_written_until_a_reboot_is_allowed() -> None:
    plan = planned({SKEW: 1}, host(), NOTHING)
    [change] = plan.changes
    assert (plan.steps, plan.files, change.allowed, change.advice) == ((), (), False, "")
    assert plan.held_back == (change,)


def test_what_is_allowed_is_written_and_waits() -> None:
    seen = host(live={"skew_tick": ABSENT, "nosoftlockup": ABSENT})
    plan = planned({SKEW: 1, "system.boot.nosoftlockup": "present"}, seen)
    values = [step for step in plan.steps if isinstance(step, ValueStep)]
    assert {(step.path, step.before, step.after, step.write) for step in values} == {
        ("boot:skew_tick", ABSENT, "1", "pend"),
        ("boot:nosoftlockup", ABSENT, "present", "pend"),
    }
    files = [step for step in plan.steps if isinstance(step, FileStep)]
    # The menu is made of our file, which comes first.
    assert [step.path for step in files] == [GRUB_FILE, GRUB_CONFIG]
    blobs = decode_blobs(plan.blobs)
    after = files[1].after
    assert after and blobs[after.sha256] == menu(" skew_tick=1 nosoftlockup").encode()
    assert all(change.is_pending and change.allowed for change in plan.changes)
    assert plan.score and (plan.score.now, plan.score.after) == (0, 0)


def test_the_menu_keeps_its_owner_and_rights_and_odd_bytes() -> None:
    odd = menu().encode() + b"# \xff\xfe\n"
    seen = host(files={GRUB_CONFIG: file_state(odd, mode="400", owner="0:4")})
    plan = planned({SKEW: 1}, seen)
    [step] = [one for one in plan.steps if getattr(one, "path", "") == GRUB_CONFIG]
    assert isinstance(step, FileStep) and step.after
    assert (step.after.mode, step.after.owner) == ("400", "0:4")
    assert decode_blobs(plan.blobs)[step.after.sha256].endswith(b"# \xff\xfe\n")


def test_what_waits_already_is_not_written_again() -> None:
    plan = planned({SKEW: 1}, host(ours={"skew_tick": "1"}, live={"skew_tick": ABSENT}))
    assert (plan.steps, plan.changes) == ((), ())
    assert f"waits for a reboot: {SKEW}" in plan.notes
    assert plan.score and (plan.score.now, plan.score.possible) == (0, 100)


def test_what_is_in_force_is_kept_for_the_next_boot() -> None:
    plan = planned({SKEW: 1}, host(live={"skew_tick": "1"}))
    [change] = plan.changes
    assert (change.before, change.after, change.boot_before, change.boot_after) == (
        "1", "1", None, "1",
    )  # fmt: skip
    assert not change.is_pending
    assert [step.step for step in plan.steps] == ["value", "file", "file"]


def test_parameters_of_an_earlier_change_stay() -> None:
    seen = host(ours={"skew_tick": "1"}, live={"skew_tick": "1", "audit": ABSENT})
    plan = planned({"system.boot.audit": 0}, seen)
    [ours] = [file.diff for file in plan.files if file.path == GRUB_FILE]
    assert '+GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT skew_tick=1 audit=0"' in ours


def test_the_size_of_huge_pages_stands_before_their_number() -> None:
    wanted = {"system.boot.hugepages": 2, "system.boot.hugepagesz": "1G", SKEW: 1}
    plan = planned(wanted, host())
    [made] = [file.diff for file in plan.files if file.path == GRUB_CONFIG]
    assert "skew_tick=1 hugepagesz=1G hugepages=2" in made


@pytest.mark.parametrize(
    ("pages", "size", "state"),
    [(12, "1G", "planned"), (13, "1G", "refused"), (13, "2M", "planned")],
)
def test_a_host_keeps_enough_memory_to_boot(pages: int, size: str, state: str) -> None:
    wanted = {"system.boot.hugepages": pages, "system.boot.hugepagesz": size}
    plan = planned(wanted, host())
    assert plan.state == state
    assert state == "planned" or "the host might not boot" in plan.error
