"""Programs that are killed at any stage, and the next boot that puts the host in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer.app.outcomes import verdict_of
from optimizer.host.wire import apply_program, confirm_program
from optimizer.model.request import ProbeRequest
from tests.unit.factories import RUN
from tests.unit.shell_lab import (
    NEW,
    Lab,
    after_a_boot,
    everything,
    identity_of,
    kept_program,
    skip_without,
    skip_without_rights,
    verdict,
    with_override,
    without_probe,
)

# Every command that leaves something behind counts a stage, and one of them is the last.
_STAGES = """
stage() {
    printf . >>"$STAGES"
    IFS= read -r dots <"$STAGES"
    [ "${#dots}" -lt "$LAST" ] || kill -9 0
}
for command in mkdir cp mv rm rmdir ln chmod chown sync; do
    eval "$command() { stage; command $command \\"\\$@\\"; }"
done
write_value() { stage; printf '%s\\n' "$2" >"$1"; stage; }
sweep() { : >"$1"; }
detach() { watcher=0; printf '%s' "$3" >"$STAGES.timer"; }
"""
NEVER = 10_000
# The shells share the stages: first one, and how many to go on.
STAGES = pytest.mark.parametrize(
    ("shell", "first", "stride"), [("dash", 1, 2), ("bash", 2, 4), ("busybox", 4, 4)]
)


def killed(lab: Lab, name: str, text: str, last: int, *arguments: str) -> int:
    """Run a program until its stage `last`, where it and all it started are killed."""
    count = lab.root / "stages"
    count.write_text("")
    edited = with_override(name, _STAGES)(text)
    process = lab.start(edited, *arguments, STAGES=str(count), LAST=str(last))
    process.communicate(timeout=60)
    return len(count.read_text())


def boot(lab: Lab) -> None:
    """Do what the unit of the safety timer does at the next boot."""
    if (lab.journal / "restore").exists():
        lab.run(after_a_boot(kept_program(lab.journal)), "boot")


@STAGES
def test_a_change_killed_at_any_stage_is_undone_at_the_next_boot(
    shell: str, first: int, stride: int, tmp_path: Path
) -> None:
    skip_without_rights()
    command = skip_without(shell)
    whole = Lab(tmp_path / "whole", command)
    total = killed(whole, "apply", apply_program(everything(whole), 600), NEVER)
    assert total > 10
    for last in range(first, total + 1, stride):
        lab = Lab(tmp_path / str(last), command)
        change = everything(lab)
        before = lab.tree()
        assert killed(lab, "apply", apply_program(change, 600), last) == last
        boot(lab)
        assert lab.tree() == before, f"killed at stage {last} of {total}"
        if last % 8 == first:
            assert verdict(lab.apply(change)) == "applied", f"after stage {last} of {total}"
            lab.disarm()


def fire(lab: Lab) -> None:
    """Do what the safety timer does in the end, when there is one."""
    timer = lab.root / "stages.timer"
    if timer.exists():
        lab.run(timer.read_text().partition("; ")[2])


@STAGES
def test_a_change_killed_at_any_stage_is_undone_by_the_timer_to_the_last_file(
    shell: str, first: int, stride: int, tmp_path: Path
) -> None:
    skip_without_rights()
    command = skip_without(shell)
    last, is_over = first, False
    while not is_over:
        lab = Lab(tmp_path / str(last), command)
        change = everything(lab)
        before = lab.tree()
        is_over = killed(lab, "apply", apply_program(change, 600), last) < last
        fire(lab)
        assert lab.tree() == before, f"killed at stage {last}"
        left = {path.name for path in lab.state.glob("*")} - {"snapshots", "history"}
        assert left == set(), f"killed at stage {last}"
        last += stride
    assert last > 10


@STAGES
def test_a_confirmation_killed_at_any_stage_leaves_all_of_it_or_nothing(
    shell: str, first: int, stride: int, tmp_path: Path
) -> None:
    skip_without_rights()
    command = skip_without(shell)
    ends = set()
    last, is_over = first, False
    while not is_over:
        lab = Lab(tmp_path / str(last), command)
        change = everything(lab)
        before = lab.tree()
        killed(lab, "apply", apply_program(change, 600), NEVER)
        is_over = killed(lab, "confirm", confirmation(), last) < last
        (fire if last % 8 > first else boot)(lab)
        kept = lab.state / "snapshots" / identity_of(change)
        if kept.exists():
            assert (lab.root / "host/etc/made/new.conf").read_bytes() == NEW
            assert verdict_of(lab.restore("manual", str(kept))) == "restored"
        ends.add(kept.exists())
        assert lab.tree() == before, f"killed at stage {last}"
        assert not lab.journal.exists()
        last += stride
    assert ends == {True, False}


def confirmation() -> str:
    """Return the program that confirms, without the probe behind it."""
    return without_probe(confirm_program(RUN, ProbeRequest()))


@STAGES
def test_a_restore_killed_at_any_stage_is_finished_by_the_next_one(
    shell: str, first: int, stride: int, tmp_path: Path
) -> None:
    skip_without_rights()
    lab = Lab(tmp_path, skip_without(shell))
    change = everything(lab)
    before = lab.tree()
    last, is_over = first, False
    while not is_over:
        # A confirmation that failed at its very end leaves the most to put back.
        killed(lab, "apply", apply_program(change, 600), NEVER)
        broken = with_override("confirm", "keep() { kill -9 0; }")
        lab.start(broken(confirmation())).communicate(timeout=60)
        restore = after_a_boot(kept_program(lab.journal))
        is_over = killed(lab, "restore", restore, last, "boot") < last
        boot(lab)
        assert lab.tree() == before, f"killed at stage {last}"
        assert not lab.journal.exists(), f"killed at stage {last}"
        last += stride
    assert last > 10
