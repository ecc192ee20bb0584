"""The way of boot parameters there and back, over reboots and new kernels, on a host in memory."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from optimizer.app.verify import _check
from optimizer.app.waiting import waiting_notes
from optimizer.host.wire import encode_manifest
from optimizer.model.boot import GRUB_CONFIG, GRUB_FILE, boot_path, parameters
from optimizer.model.observation import ABSENT, FileState, Observation
from optimizer.model.plan import Change
from optimizer.model.result import HostVerdict
from optimizer.model.snapshot import Snapshot, snapshot_id
from optimizer.model.transaction import FileStep, Step, ValueStep
from optimizer.model.tunable import Effect, Permission
from optimizer.modules.host_plan import plan_host
from optimizer.planning.changes import chain, unfinished
from optimizer.planning.restoring import Undo, undo
from optimizer.resources import grub
from optimizer.resources.base import decode_blobs
from optimizer.resources.grub_back import MenuBack, with_menu
from tests.unit.factories import facts, file_state, profile, snapshot
from tests.unit.grub_menus import SETUP, host, menu

SKEW, AUDIT = "system.boot.skew_tick", "system.boot.audit"
ALLOWED = frozenset({Permission.REBOOT})


class Machine:
    """A host that boots by its menu, and the changes that were made to it."""

    def __init__(self) -> None:
        self.files: dict[str, FileState] = {GRUB_CONFIG: file_state(menu().encode(), "444")}
        self.cmdline = grub.command_line(menu())
        self.boots = 1
        self.taken: dict[str, Snapshot] = {}
        self.blobs: dict[str, bytes] = {}

    @property
    def boot_id(self) -> str:
        return f"boot-{self.boots}"

    def seen(self) -> Observation:
        names = ("skew_tick", "audit")
        live = {name: parameters(self.cmdline).get(name, ABSENT) for name in names}
        return replace(
            host(live=live, files=dict(self.files)),
            facts=facts(boot_id=self.boot_id, cpus_present=4),
            snapshots={name: encode_manifest(one) for name, one in self.taken.items()},
        )

    @property
    def menu(self) -> str:
        return self.files[GRUB_CONFIG].content.decode()

    def reboot(self) -> None:
        self.boots += 1
        self.cmdline = grub.command_line(self.menu)

    def new_kernel(self, *versions: str) -> None:
        """Have the menu made anew of the files that are there, with other kernels."""
        ours = grub.own_values(
            self.files[GRUB_FILE].content.decode() if GRUB_FILE in self.files else ""
        )
        text = grub.remade(menu(versions=versions), SETUP, {}, ours)
        self.files[GRUB_CONFIG] = file_state(text.encode(), "444")

    def do(self, steps: tuple[Step, ...], **parts: object) -> None:
        """Carry steps out, as far as a host does for them before it is rebooted."""
        for step in steps:
            if isinstance(step, ValueStep):
                found = self.seen().values[step.path].text
                assert (step.write, found) == ("pend", step.before)
            if isinstance(step, FileStep):
                self._put(step)
        created = f"2026-11-21T10:{len(self.taken):02d}:00.000000Z"
        made = snapshot(steps, boot_id=self.boot_id, created=created, **parts)
        self.taken[snapshot_id(encode_manifest(made))] = made

    def _put(self, step: FileStep) -> None:
        there = self.files.get(step.path)
        found = (there.sha256, there.mode, there.owner) if there else None
        before = step.before
        assert found == ((before.sha256, before.mode, before.owner) if before else None)
        if there:
            self.blobs[there.sha256] = there.content
        if step.after is None:
            del self.files[step.path]
            return
        content = self.blobs[step.after.sha256]
        assert hashlib.sha256(content).hexdigest() == step.after.sha256
        self.files[step.path] = file_state(content, step.after.mode, step.after.owner)

    def apply(self, **wanted: object) -> tuple[Change, ...]:
        asked = profile({f"system.boot.{name}": value for name, value in wanted.items()})
        plan = plan_host("db-1", asked, self.seen(), {}, ALLOWED)
        self.blobs |= decode_blobs(plan.blobs)
        self.do(plan.steps)
        return plan.changes

    def way_back(self, to: str = "last", include_foreign: bool = False) -> MenuBack:
        back = chain(self.taken, to, "db-1")
        way = undo(back, self.seen(), include_foreign=include_foreign)
        return with_menu(way, self.seen(), self.blobs.get)

    def roll_back(self, to: str = "last", include_foreign: bool = False) -> Undo:
        found = self.way_back(to, include_foreign)
        assert found.note == ""
        self.blobs |= found.blobs
        self.do(found.way.steps, kind="rollback", undoes=found.way.undoes)
        return found.way

    def verify(self) -> HostVerdict:
        return _check("db-1", self.seen())

    def notes(self) -> tuple[str, ...]:
        return waiting_notes(self.taken, self.seen())


def test_there_and_back_without_a_reboot_leaves_the_very_bytes() -> None:
    machine = Machine()
    before = dict(machine.files)
    machine.apply(skew_tick=1)
    assert machine.menu == menu(" skew_tick=1")
    way = machine.roll_back()
    assert machine.files == before
    # Nothing was in force, so nothing waits.
    assert not [step for step in way.steps if isinstance(step, ValueStep)]
    assert machine.notes() == ()
    assert (machine.verify().state, machine.verify().pending) == ("match", ())


def test_verify_says_what_waits_for_a_reboot_and_when_it_did_not_come() -> None:
    machine = Machine()
    machine.apply(skew_tick=1)
    seen = machine.verify()
    assert (seen.state, seen.drift) == ("match", ())
    [waits] = seen.pending
    assert (waits.tunable, waits.expected, waits.live, waits.boot) == (SKEW, "1", None, "1")
    machine.reboot()
    assert (machine.verify().state, machine.verify().pending) == ("match", ())
    # Booted by something else than this menu.
    machine.cmdline = "ro quiet"
    machine.boots += 1
    [missed] = machine.verify().drift
    assert (missed.tunable, missed.live, missed.boot) == (SKEW, None, "1")


def test_verify_says_what_the_next_boot_will_not_have() -> None:
    machine = Machine()
    machine.apply(skew_tick=1)
    machine.reboot()
    machine.files[GRUB_CONFIG] = file_state(menu().encode(), "444")
    [lost] = machine.verify().drift
    assert (lost.tunable, lost.live, lost.boot, lost.source) == (SKEW, "1", None, GRUB_CONFIG)


def test_what_is_in_force_goes_at_the_next_reboot() -> None:
    machine = Machine()
    machine.apply(skew_tick=1, audit=0)
    machine.reboot()
    way = machine.roll_back()
    waits = [step for step in way.steps if isinstance(step, ValueStep)]
    assert {(step.path, step.before, step.after, step.write) for step in waits} == {
        (boot_path("skew_tick"), "1", ABSENT, "pend"),
        (boot_path("audit"), "0", ABSENT, "pend"),
    }
    assert set(machine.notes()) == {
        f"{AUDIT} is 0 until the host is rebooted",
        f"{SKEW} is 1 until the host is rebooted",
    }
    # It is no way back that a restart would finish.
    assert unfinished(machine.taken, machine.seen()) == ""
    machine.reboot()
    assert machine.notes() == ()
    assert "skew_tick" not in machine.cmdline


def test_what_was_in_force_already_is_looked_after_all_the_same() -> None:
    """Such as after a power cut, when the machine was booted once with a change that is gone."""
    machine = Machine()
    machine.cmdline = "ro quiet skew_tick=1"
    [change] = machine.apply(skew_tick=1)
    assert not change.is_pending
    machine.reboot()
    assert (machine.verify().state, machine.verify().pending) == ("match", ())
    machine.files[GRUB_CONFIG] = file_state(menu().encode(), "444")
    assert [drift.tunable for drift in machine.verify().drift] == [SKEW]
    machine.new_kernel("6.1.0-9")
    machine.roll_back()
    assert machine.notes() == (f"{SKEW} is 1 until the host is rebooted",)
    machine.reboot()
    assert machine.notes() == ()


def test_the_newest_of_two_changes_goes_back_alone() -> None:
    machine = Machine()
    machine.apply(skew_tick=1)
    machine.apply(audit=0)
    assert machine.menu == menu(" skew_tick=1 audit=0")
    machine.roll_back()
    assert machine.menu == menu(" skew_tick=1")
    machine.roll_back()
    assert machine.menu == menu()


@pytest.mark.parametrize("include_foreign", [False, True])
def test_a_menu_with_a_new_kernel_keeps_it(include_foreign: bool) -> None:
    machine = Machine()
    machine.apply(skew_tick=1)
    machine.reboot()
    machine.new_kernel("6.1.0-10", "6.1.0-9")
    assert (machine.verify().state, machine.verify().drift) == ("match", ())
    way = machine.roll_back(include_foreign=include_foreign)
    assert way.foreign == ()
    assert machine.menu == menu(versions=("6.1.0-10", "6.1.0-9"))
    assert GRUB_FILE not in machine.files
    assert machine.files[GRUB_CONFIG].mode == "444"


def test_one_of_two_changes_goes_back_out_of_a_menu_with_a_new_kernel() -> None:
    machine = Machine()
    machine.apply(skew_tick=1)
    machine.apply(audit=0)
    machine.new_kernel("6.1.0-10")
    machine.roll_back()
    assert machine.menu == menu(" skew_tick=1", versions=("6.1.0-10",))


def test_a_rollback_can_be_rolled_back() -> None:
    machine = Machine()
    machine.apply(skew_tick=1)
    machine.reboot()
    machine.roll_back()
    machine.roll_back(to=list(machine.taken)[-1])
    assert machine.menu == menu(" skew_tick=1")
    assert machine.notes() == ()
    machine.reboot()
    assert (machine.verify().state, machine.verify().pending) == ("match", ())


def test_a_file_of_ours_that_somebody_edited_keeps_its_menu() -> None:
    machine = Machine()
    machine.apply(skew_tick=1)
    machine.files[GRUB_FILE] = file_state(grub.render({"skew_tick": "1", "panic": "9"}).encode())
    machine.new_kernel("6.1.0-9")
    way = machine.way_back().way
    assert [other.name for other in way.foreign] == [GRUB_FILE]
    assert not [step for step in way.steps if isinstance(step, FileStep)]


def test_a_menu_that_nobody_can_work_out_is_named() -> None:
    machine = Machine()
    machine.apply(skew_tick=1)
    machine.files[GRUB_CONFIG] = file_state(b"linux /vmlinuz root=LABEL=x\n")
    found = machine.way_back()
    assert "until it is made anew: update-grub" in found.note
    assert [step.path for step in found.way.steps if isinstance(step, FileStep)] == [GRUB_FILE]


def test_a_change_says_that_it_waits_for_a_reboot() -> None:
    [change] = Machine().apply(skew_tick=1)
    assert (change.effect, change.allowed, change.is_pending) == (Effect.REBOOT, True, True)
    assert (change.before, change.after, change.boot_before, change.boot_after) == (
        None, "1", None, "1",
    )  # fmt: skip
