"""The programs that run on a host: what they answer, write, refuse and put back.

Each runs in dash, bash and busybox on plain files that stand in for kernel values.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.app.outcomes import problems_of, verdict_of
from optimizer.host import PROGRAMS, program
from optimizer.host.wire import Answer, apply_program, confirm_program
from optimizer.model.request import ProbeRequest
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import DirectoryStep, FileStep, LinkStep, Step, ValueStep
from tests.unit.factories import RUN
from tests.unit.shell_lab import (
    SHELLS,
    Lab,
    blobs,
    identity_of,
    ref,
    setting,
    skip_without,
    skip_without_rights,
    wait_for,
    with_override,
    without_probe,
    words,
)

OTHER_RUN = "r-20261121-111500-ffff"
OLD = b"old\n\\0101 100% 'quoted' \x00\xff"
NEW = b"\n new 'text' $HOME `id`\\n\t\x01\xfe"


@pytest.fixture(params=SHELLS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A host for each of the shells."""
    skip_without_rights()
    made = Lab(tmp_path, skip_without(request.param))
    yield made
    made.disarm()


@pytest.fixture
def dash(tmp_path: Path) -> Iterator[Lab]:
    """A host for what has nothing to do with the kind of shell."""
    skip_without_rights()
    made = Lab(tmp_path, skip_without("dash"))
    yield made
    made.disarm()


def everything(lab: Lab, **parts: object) -> Snapshot:
    """Make a change with one of each kind of step that a file can stand in for."""
    first, second = lab.value("first", "60"), lab.value("second", "4096 131072 6291456")
    own = lab.file("etc/own.conf", OLD, 0o640)
    link = lab.root / "host/etc/link"
    link.symlink_to("old target")
    steps: list[Step] = [
        setting(first, "60", "1"),
        setting(second, "4096 131072 6291456", "4096 87380 16777216"),
        DirectoryStep(path=str(lab.root / "host/etc/made")),
        FileStep(path=str(own), before=ref(OLD, "640"), after=ref(NEW, "600")),
        FileStep(path=str(lab.root / "host/etc/made/new.conf"), before=None, after=ref(NEW)),
        LinkStep(path=str(link), before="old target", after="/new target"),
    ]
    return lab.change(steps, blobs=blobs(OLD, NEW), **parts)


def verdict(answers: tuple[Answer, ...]) -> str:
    return verdict_of(answers)


@pytest.mark.parametrize("name", PROGRAMS)
def test_shellcheck_has_nothing_to_say(name: str) -> None:
    # Variables and put_blobs come from the controller; shellcheck cannot see either.
    command = [Path(sys.executable).with_name("shellcheck"), "-s", "sh", "-e", "SC2034,SC2154", "-"]
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
    assert {path.name for path in kept.iterdir()} == {"files", "manifest", "progress", "restore"}
    assert {path.read_bytes() for path in (kept / "files").iterdir()} == {OLD, NEW}
    assert (kept / "restore").read_text().startswith(program("restore")[:200])
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
    assert answers[0].fields == ("busy", f"run {RUN} of ana@desk is not confirmed yet")
    assert verdict(answers) == "refused"
    assert lab.tree() == waiting
    assert lab.confirm() == "confirmed"


@pytest.mark.parametrize("has_busy", [True, False])
def test_a_change_that_died_before_its_timer_was_armed_is_cleared_away(
    dash: Lab, has_busy: bool
) -> None:
    change = everything(dash)
    dash.journal.mkdir(parents=True)
    if has_busy:
        # Killed before it could write its own name down.
        (dash.journal / "busy").mkdir()
    answers = dash.apply(change)
    assert words(answers) == ["note", "snapshot", "result"]
    assert verdict(answers) == "applied"


def test_a_change_of_a_living_process_is_not_cleared_away(dash: Lab) -> None:
    change = everything(dash)
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    (dash.journal / "busy").mkdir(parents=True)
    boot = change.boot_id
    (dash.journal / "busy/pid").write_text(f"{os.getpid()} {stat[19]} {boot}\n")
    answers = dash.apply(change)
    assert answers[0].fields == ("busy", "another change has just begun")
    assert verdict(answers) == "refused"
    assert (dash.journal / "busy").is_dir()


def test_a_change_is_taken_back_on_the_controllers_word(lab: Lab) -> None:
    change = everything(lab)
    before = lab.tree()
    lab.apply(change)
    assert lab.cancel(OTHER_RUN) == "gone"
    assert lab.cancel() == "restored"
    assert lab.tree() == before
    assert lab.cancel() == "gone"
    assert lab.confirm() == "gone"
    assert not lab.journal.exists()


def test_a_restore_that_fails_says_so(lab: Lab) -> None:
    change = everything(lab)
    lab.apply(change)
    broken = with_override("cancel", "write_value() { ERROR='Invalid argument'; return 1; }")
    assert lab.cancel(edit=broken) == "incomplete"
    # The journal is still there, and a better day brings it back.
    assert lab.cancel() == "restored"


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
    assert (problem.what, problem.tunable) == ("the kernel refused the value", "t.version")
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
        "the kernel took another value", "t.clamped", "",
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


def test_without_a_confirmation_the_host_goes_back_by_itself(lab: Lab) -> None:
    change = everything(lab)
    before = lab.tree()
    assert verdict(lab.apply(change, timeout=1)) == "applied"
    assert lab.tree() != before
    wait_for(lambda: not lab.journal.exists())
    assert lab.tree() == before
    assert "\trestored\t" in (lab.state / "history").read_text()


def test_a_confirmation_ends_the_safety_timer(lab: Lab) -> None:
    lab.apply(everything(lab))
    waiter = Path("/proc") / (lab.journal / "waiter").read_text().strip()
    assert waiter.exists()
    assert lab.confirm() == "confirmed"
    wait_for(lambda: not waiter.exists() or "Z" in (waiter / "stat").read_text().split()[2])


def test_the_timer_of_another_run_does_nothing(dash: Lab) -> None:
    dash.apply(everything(dash))
    waiting = dash.tree()
    assert dash.restore("automatic", OTHER_RUN) == []
    assert dash.tree() == waiting


def test_a_timer_that_waited_leaves_the_change_after_its_own_alone(dash: Lab) -> None:
    """It waits while its change is being confirmed, and finds another one in its place."""
    first = everything(dash)
    dash.apply(first)
    boot = first.boot_id
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    (dash.journal / "busy").mkdir()
    (dash.journal / "busy/pid").write_text(f"{os.getpid()} {stat[19]} {boot}\n")
    timer = dash.start(program("restore"), "automatic", RUN)
    wait_for(lambda: sleeps(timer.pid))
    manifest = dash.journal / "manifest"
    manifest.write_text(manifest.read_text().replace(RUN, OTHER_RUN))
    waiting = dash.tree()
    for name in ("pid", ""):
        path = dash.journal / "busy" / name
        path.unlink() if name else path.rmdir()
    assert timer.communicate(timeout=20) == ("", "")
    assert dash.tree() == waiting
    assert dash.journal.exists()


def sleeps(pid: int) -> bool:
    """Whether a child of the process is `sleep`."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return any(Path(f"/proc/{child}/comm").read_text() == "sleep\n" for child in children)


def test_a_change_whose_shell_is_gone_keeps_the_journal_to_its_end(lab: Lab) -> None:
    """A cut connection ends the outer shell; the program itself goes on, and holds the lock."""
    change = everything(lab)
    before = lab.tree()
    slow = 'write_value() { sleep 0.7; printf "%s\\n" "$2" >"$1"; }'
    edit = with_override("apply", slow)
    process = lab.start(edit(apply_program(change, 600)))
    wait_for(lambda: (lab.journal / "progress").exists()
             and "intent" in (lab.journal / "progress").read_text())  # fmt: skip
    process.kill()
    process.wait()
    assert lab.cancel() == "restored"
    process.communicate(timeout=20)
    assert lab.tree() == before
    assert not lab.journal.exists()


def test_a_person_brings_a_snapshot_back(lab: Lab) -> None:
    change = everything(lab)
    before = lab.tree()
    kept = lab.state / "snapshots" / lab.put_through(change)
    answers = lab.restore("manual", str(kept))
    assert verdict_of(answers) == "restored"
    assert lab.tree() == before


@pytest.mark.parametrize("force", ["", "yes"])
def test_what_somebody_changed_since_is_kept_unless_forced(lab: Lab, force: str) -> None:
    change = everything(lab)
    before = lab.tree()
    kept = lab.state / "snapshots" / lab.put_through(change)
    first, own = lab.value("first", "33"), lab.file("etc/own.conf", b"mine")
    answers = lab.restore("manual", str(kept), FORCE=force)
    if force:
        assert lab.tree() == before
        return
    named = {answer.fields[0] for answer in answers if answer.word == "foreign"}
    assert named == {str(first), str(own)}
    assert (first.read_text(), own.read_bytes()) == ("33\n", b"mine")
    assert os.readlink(lab.root / "host/etc/link") == "old target"


def test_a_directory_with_somebody_elses_file_stays(dash: Lab) -> None:
    kept = dash.state / "snapshots" / dash.put_through(everything(dash))
    other = dash.file("etc/made/other.conf", b"mine")
    dash.restore("manual", str(kept))
    assert other.read_bytes() == b"mine"
    assert not (dash.root / "host/etc/made/new.conf").exists()


def test_a_rollback_takes_its_bytes_from_the_snapshots_of_the_host(lab: Lab) -> None:
    change = everything(lab)
    before = lab.tree()
    lab.put_through(change)
    own = change.steps[3]
    assert isinstance(own, FileStep)
    way = own.model_copy(update={"before": own.after, "after": own.before})
    lab.put_through(lab.change([way], run=OTHER_RUN, kind="rollback"))
    assert lab.tree()[own.path] == before[own.path]


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
detach() { printf '%s\\n' 0 >"$JOURNAL/waiter"; }
"""
NEVER = 10_000
# dash dies at every stage, the others at some of them.
STRIDES = [("dash", 1), ("bash", 7), ("busybox", 7)]


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
        lab.run((lab.journal / "restore").read_text(), "boot")


@pytest.mark.parametrize(("shell", "stride"), STRIDES)
def test_a_change_killed_at_any_stage_is_undone_at_the_next_boot(
    shell: str, stride: int, tmp_path: Path
) -> None:
    skip_without_rights()
    command = skip_without(shell)
    whole = Lab(tmp_path / "whole", command)
    total = killed(whole, "apply", apply_program(everything(whole), 600), NEVER)
    assert total > 10
    for last in range(1, total + 1, stride):
        lab = Lab(tmp_path / str(last), command)
        change = everything(lab)
        before = lab.tree()
        assert killed(lab, "apply", apply_program(change, 600), last) == last
        boot(lab)
        assert lab.tree() == before, f"killed at stage {last} of {total}"
        if last % 6 == 0:
            assert verdict(lab.apply(change)) == "applied", f"after stage {last} of {total}"
            lab.disarm()


@pytest.mark.parametrize(("shell", "stride"), STRIDES)
def test_a_confirmation_killed_at_any_stage_leaves_all_of_it_or_nothing(
    shell: str, stride: int, tmp_path: Path
) -> None:
    skip_without_rights()
    command = skip_without(shell)
    ends = set()
    last, is_over = 1, False
    while not is_over:
        lab = Lab(tmp_path / str(last), command)
        change = everything(lab)
        before = lab.tree()
        killed(lab, "apply", apply_program(change, 600), NEVER)
        is_over = killed(lab, "confirm", confirmation(lab), last) < last
        boot(lab)
        kept = lab.state / "snapshots" / identity_of(change)
        if kept.exists():
            assert (lab.root / "host/etc/made/new.conf").read_bytes() == NEW
            assert verdict_of(lab.restore("manual", str(kept))) == "restored"
        ends.add(kept.exists())
        assert lab.tree() == before, f"killed at stage {last}"
        assert not lab.journal.exists()
        last += stride
    assert ends == {True, False}


def confirmation(lab: Lab) -> str:
    """Return the program that confirms, without the probe behind it."""
    return without_probe(confirm_program(RUN, ProbeRequest()))


@pytest.mark.parametrize(("shell", "stride"), [("dash", 2), *STRIDES[1:]])
def test_a_restore_killed_at_any_stage_is_finished_by_the_next_one(
    shell: str, stride: int, tmp_path: Path
) -> None:
    skip_without_rights()
    lab = Lab(tmp_path, skip_without(shell))
    change = everything(lab)
    before = lab.tree()
    last, is_over = 1, False
    while not is_over:
        # A confirmation that failed at its very end leaves the most to put back.
        killed(lab, "apply", apply_program(change, 600), NEVER)
        broken = with_override("confirm", "keep() { kill -9 0; }")
        lab.start(broken(confirmation(lab))).communicate(timeout=60)
        restore = (lab.journal / "restore").read_text()
        is_over = killed(lab, "restore", restore, last, "boot") < last
        boot(lab)
        assert lab.tree() == before, f"killed at stage {last}"
        assert not lab.journal.exists(), f"killed at stage {last}"
        last += stride
    assert last > 10
