"""The programs that change a host: what they answer, write and refuse.

Each runs in dash, bash and busybox on plain files that stand in for kernel values.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from optimizer.app.outcomes import problems_of
from optimizer.host import PROGRAMS, program
from optimizer.host.wire import apply_program
from optimizer.model.transaction import ValueStep
from tests.unit.factories import RUN
from tests.unit.shell_lab import (
    KEPT_RESTORE,
    NEW,
    OLD,
    OTHER_RUN,
    SHELLS,
    Lab,
    everything,
    setting,
    skip_without,
    verdict,
    with_override,
    words,
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_shellcheck_has_nothing_to_say(name: str) -> None:
    # Variables and put_blobs come from the controller; shellcheck cannot see either.
    command = [
        str(Path(sys.executable).with_name("shellcheck")),
        "-s",
        "sh",
        "-e",
        "SC2034,SC2154",
        "-",
    ]
    done = subprocess.run(command, input=program(name), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_can_read_every_program(name: str, shell: str) -> None:
    command = [*skip_without(shell), "-n"]
    done = subprocess.run(command, input=program(name), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_applied_and_confirmed_change_is_all_there(lab: Lab) -> None:
    answers = lab.run(apply_program(everything(lab), 600))
    assert words(answers) == ["snapshot", "result"]
    assert verdict(answers) == "applied"
    assert lab.confirm() == "confirmed"
    host = lab.root / "host"
    assert (host / "values/first").read_text() == "1\n"
    assert (host / "values/second").read_text() == "4096 87380 16777216\n"
    assert (host / "etc/own.conf").read_bytes() == NEW
    assert oct((host / "etc/own.conf").stat().st_mode) == "0o100600"
    assert (host / "etc/made/new.conf").read_bytes() == NEW
    assert os.readlink(host / "etc/link") == "/new target"
    assert sorted(path.name for path in host.rglob("*")) == [
        "etc", "first", "link", "made", "new.conf", "own.conf", "second", "values",
    ]  # fmt: skip


def test_the_snapshot_has_what_the_way_back_takes(lab: Lab) -> None:
    identity = lab.put_through(everything(lab))
    kept = lab.state / "snapshots" / identity
    names = {path.name for path in kept.iterdir()}
    assert names == {"files", "id", "manifest", "progress", "restore"}
    assert {path.read_bytes() for path in (kept / "files").iterdir()} == {OLD, NEW}
    assert (kept / "restore").read_text() == KEPT_RESTORE
    assert not lab.journal.exists()
    assert oct(lab.state.stat().st_mode) == "0o40700"
    events = [line.split("\t")[1:4] for line in (lab.state / "history").read_text().splitlines()]
    assert events == [[RUN, "applied", identity], [RUN, "confirmed", identity]]


def test_files_wait_for_the_confirmation(dash: Lab) -> None:
    change = everything(dash)
    before = dash.tree()
    dash.apply(change)
    different = {Path(path).name for path, about in dash.tree().items() if before[path] != about}
    assert different == {"first", "second"}


@pytest.mark.parametrize("which", ["first", "own.conf", "mode", "link"])
def test_a_stale_plan_touches_nothing(lab: Lab, which: str) -> None:
    change = everything(lab)
    host = lab.root / "host"
    match which:
        case "first":
            (host / "values/first").write_text("61\n")
        case "own.conf":
            (host / "etc/own.conf").write_bytes(b"edited")
        case "mode":
            (host / "etc/own.conf").chmod(0o600)
        case "link":
            (host / "etc/link").unlink()
    before = lab.tree()
    answers = lab.apply(change)
    assert words(answers) == ["stale", "result"]
    assert verdict(answers) == "stale"
    assert lab.tree() == before
    assert list(lab.state.iterdir()) == [lab.state / "snapshots"]


def test_what_is_stale_is_named_with_what_was_found(dash: Lab) -> None:
    change = everything(dash)
    path = dash.value("first", "61")
    [problem] = problems_of(dash.apply(change))
    named = (problem.tunable, problem.path, problem.expected, problem.found)
    assert named == ("t.first", str(path), "60", "61")


@pytest.mark.parametrize("part", ["machine_id", "boot_id"])
def test_a_plan_for_another_host_or_boot_is_refused(dash: Lab, part: str) -> None:
    change = everything(dash)
    before = dash.tree()
    object.__setattr__(change, part, "another")
    answers = dash.apply(change)
    assert words(answers) == ["refused", "result"]
    assert dash.tree() == before
    assert not dash.state.exists()


def test_one_change_at_a_time(lab: Lab) -> None:
    change = everything(lab)
    lab.apply(change)
    waiting = lab.tree()
    answers = lab.apply(lab.change(change.steps, run=OTHER_RUN, blobs=change.blobs))
    [problem] = problems_of(answers)
    assert problem.what.startswith(f"run {RUN} of ana@desk, begun 2026-11-21 ")
    assert f"is not confirmed yet: optimizer confirm INVENTORY {RUN} keeps it" in problem.what
    assert verdict(answers) == "refused"
    assert lab.tree() == waiting
    assert lab.confirm() == "confirmed"


@pytest.mark.parametrize("left", ["manifest", ""])
def test_a_change_that_died_before_its_timer_was_armed_is_cleared_away(
    dash: Lab, left: str
) -> None:
    change = everything(dash)
    dash.journal.mkdir(parents=True)
    if left:
        (dash.journal / left).write_text("run\tr-1\n")
    answers = dash.apply(change)
    assert words(answers) == [*(["note"] if left else []), "snapshot", "result"]
    assert verdict(answers) == "applied"


def test_a_change_of_a_living_process_is_not_cleared_away(dash: Lab) -> None:
    busy = dash.hold(os.getpid())
    answers = dash.apply(everything(dash))
    assert answers[0].fields == ("busy", "another change has just begun: try again in a minute")
    assert verdict(answers) == "refused"
    assert busy.is_symlink()


def test_confirming_names_what_waits_instead(dash: Lab) -> None:
    dash.apply(everything(dash))
    assert dash.confirm(OTHER_RUN) == "gone"
    assert dash.confirm("") == "confirmed"


def test_a_confirmation_whose_answer_was_lost_can_be_asked_for_again(lab: Lab) -> None:
    identity = lab.put_through(everything(lab))
    assert lab.confirm(RUN, identity) == "confirmed"
    assert lab.confirm(RUN, "f" * 64) == "gone"


def test_a_value_that_did_not_hold_brings_everything_else_back(lab: Lab) -> None:
    change = everything(lab)
    lab.apply(change)
    lab.value("first", "33")
    assert lab.confirm() == "restored"
    host = lab.root / "host"
    assert (host / "values/first").read_text() == "33\n"
    assert (host / "values/second").read_text().split() == ["4096", "131072", "6291456"]
    assert (host / "etc/own.conf").read_bytes() == OLD


def test_a_file_that_cannot_be_written_brings_everything_back(dash: Lab) -> None:
    change = everything(dash)
    before = dash.tree()
    dash.apply(change)
    broken = with_override("confirm", "put_link() { ERROR='Read-only file system'; }")
    assert dash.confirm(edit=broken) == "restored"
    assert dash.tree() == before


def test_a_value_that_the_kernel_refuses_brings_the_others_back(lab: Lab) -> None:
    """/proc/version can be opened for writing, and answers every write with an error."""
    first, third = lab.value("first", "60"), lab.value("third", "1")
    version = Path("/proc/version")
    steps = [
        setting(first, "60", "1"),
        setting(version, " ".join(version.read_text().split()), "7"),
        setting(third, "1", "2"),
    ]
    before, untouched = lab.tree(), third.stat().st_mtime_ns
    answers = lab.apply(lab.change(steps))
    [problem] = problems_of(answers)
    assert (problem.what, problem.tunable) == ("the value was refused", "t.version")
    assert verdict(answers) == "restored"
    assert lab.tree() == before
    # What comes after the refusal is not even tried.
    assert third.stat().st_mtime_ns == untouched
    assert not lab.journal.exists()


def test_a_value_that_reads_back_differently_brings_everything_back(lab: Lab) -> None:
    """/dev/null takes every text and keeps none, as a kernel does that clamps."""
    first = lab.value("first", "60")
    clamped = lab.root / "host/values/clamped"
    clamped.symlink_to("/dev/null")
    before = lab.tree()
    answers = lab.apply(lab.change([setting(first, "60", "1"), setting(clamped, "", "5")]))
    [problem] = problems_of(answers)
    assert (problem.what, problem.tunable, problem.found) == (
        "another value was taken", "t.clamped", "",
    )  # fmt: skip
    assert verdict(answers) == "restored"
    assert lab.tree() == before


def test_what_changed_besides_the_plan_is_found_and_taken_back(lab: Lab) -> None:
    """A sweep over all of /proc/sys, which two files stand in for."""
    planned, other = lab.value("planned", "1"), lab.value("other", "5")
    sweep = f"""
    sweep() {{ grep -H '' "{planned}" "{other}" >"$1"; }}
    write_value() {{ printf '%s\\n' "$2" >"$1"; [ "$2" != 2 ] || echo 6 >"{other}"; }}
    """
    before = lab.tree()
    answers = lab.apply(
        lab.change([setting(planned, "1", "2")]), edit=with_override("apply", sweep)
    )
    [problem] = problems_of(answers)
    assert (problem.path, problem.expected, problem.found) == (str(other), "5", "6")
    assert verdict(answers) == "restored"
    assert lab.tree() == before


def test_a_value_that_another_write_resets_is_written_again(lab: Lab) -> None:
    cause, held = lab.value("cause", "1"), lab.value("held", "256")
    steps = [
        setting(cause, "1", "2"),
        ValueStep(tunable="t", path=str(held), before="256", after="256", write="hold"),
    ]
    resets = f"""
    write_value() {{ printf '%s\\n' "$2" >"$1"; [ "$1" != "{cause}" ] || echo 64 >"{held}"; }}
    """
    assert verdict(lab.apply(lab.change(steps), edit=with_override("apply", resets))) == "applied"
    assert (cause.read_text(), held.read_text()) == ("2\n", "256\n")


def test_what_cannot_be_written_back_comes_with_its_partner(lab: Lab) -> None:
    """Two files that stand in for vm.dirty_bytes and vm.dirty_ratio."""
    size, ratio = lab.value("bytes", "0"), lab.value("ratio", "20")
    steps = [
        ValueStep(tunable="b", path=str(size), before="0", after="8192", restore="skip"),
        ValueStep(tunable="r", path=str(ratio), before="20", after="0", write="follow"),
    ]
    excludes = f"""
    write_value() {{
        if [ "$1$2" = "{size}0" ]; then ERROR=refused; return 1; fi
        if [ "$1" = "{size}" ]; then echo 0 >"{ratio}"; else echo 0 >"{size}"; fi
        printf '%s\\n' "$2" >"$1"
    }}
    """
    before = lab.tree()
    answers = lab.apply(lab.change(steps), edit=with_override("apply", excludes))
    assert verdict(answers) == "applied"
    assert (size.read_text(), ratio.read_text()) == ("8192\n", "0\n")
    assert lab.cancel(edit=with_override("cancel", excludes)) == "restored"
    assert lab.tree() == before


def test_what_followed_a_clamped_value_is_ours_as_well(lab: Lab) -> None:
    """Two files that stand in for vm.nr_hugepages and its mirror, with room for 90 pages."""
    pool, mirror = lab.value("pool", "0"), lab.value("mirror", "0")
    steps = [
        setting(pool, "0", "985"),
        ValueStep(tunable="m", path=str(mirror), before="0", after="985", write="follow"),
    ]
    clamps = f"""
    write_value() {{
        many=$2
        [ "$many" -le 90 ] || many=90
        echo "$many" >"{pool}"
        echo "$many" >"{mirror}"
    }}
    """
    before = lab.tree()
    answers = lab.apply(lab.change(steps), edit=with_override("apply", clamps))
    assert [problem.found for problem in problems_of(answers)] == ["90", "90"]
    assert (verdict(answers), "foreign" in words(answers)) == ("restored", False)
    assert lab.tree() == before


def test_bytes_that_are_nowhere_are_refused_before_anything_is_written(dash: Lab) -> None:
    change = everything(dash)
    before = dash.tree()
    answers = dash.apply(dash.change(change.steps))
    assert (answers[0].fields[0], verdict(answers)) == ("snapshot", "refused")
    assert dash.tree() == before
    assert not dash.journal.exists()


def test_a_journal_that_reads_back_wrong_is_refused(dash: Lab) -> None:
    change = everything(dash)
    before = dash.tree()
    broken = with_override("apply", 'put_blob() { printf "%s" damaged >"$JOURNAL/files/$1"; }')
    answers = dash.apply(change, edit=broken)
    assert (answers[0].fields[0], verdict(answers)) == ("state", "refused")
    assert dash.tree() == before
    assert not dash.journal.exists()


def test_without_a_safety_timer_nothing_is_written(dash: Lab) -> None:
    change = everything(dash)
    before = dash.tree()
    answers = dash.apply(change, edit=with_override("apply", "detach() { return 1; }"))
    assert (answers[0].fields[0], verdict(answers)) == ("timer", "refused")
    assert dash.tree() == before
    assert not dash.journal.exists()
