"""The ways back that a host has by itself: the safety timer, the controller, a person."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from optimizer.app.outcomes import problems_of, verdict_of
from optimizer.host import program
from optimizer.host.wire import apply_program, confirm_program, parse_answer
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ActionStep, DirectoryStep, FileStep, ValueStep
from tests.unit.factories import RUN
from tests.unit.shell_lab import (
    NEW,
    OTHER_RUN,
    Lab,
    blobs,
    everything,
    kept_program,
    ref,
    sleeps_below,
    verdict,
    wait_for,
    with_override,
    without_probe,
)


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


@pytest.mark.parametrize("stays", ["unfinished file", "directory"])
def test_what_cannot_be_removed_is_not_said_to_be_back(lab: Lab, stays: str) -> None:
    """As where /etc is read-only: the file itself is what it was, as nothing took its place yet."""
    change = everything(lab)
    before = lab.tree()
    lab.apply(change)
    made = lab.root / "host/etc/made"
    made.mkdir()
    (made / "new.conf.optimizer-new").write_text("half of it")
    if stays == "directory":
        refuses = 'rmdir() { case $1 in */made) return 1 ;; esac; command rmdir "$@"; }\n'
    else:
        refuses = 'rm() { case $* in *-new) return 1 ;; esac; command rm "$@"; }\n'
    assert lab.cancel(edit=with_override("cancel", refuses)) == "incomplete"
    assert lab.cancel() == "restored"
    assert lab.tree() == before


@pytest.mark.parametrize(
    ("began", "said"), [("", "restored"), ("restarted\tdb.service\n", "incomplete")]
)
def test_a_server_that_is_down_for_another_reason_is_no_failure(
    dash: Lab, began: str, said: str
) -> None:
    """Its files are back, and it starts with them; one that we have restarted has to be up."""
    path = "postgresql:postgres@/run/postgresql:5432/work_mem"
    value = ValueStep(
        tunable="postgresql.work_mem[5432]", path=path, before="4", after="8", write="file"
    )
    up = with_override("apply", "postgresql_read() { REPLY=4; }")
    unit = ActionStep(action="restart-unit", argument="db.service")
    assert verdict(dash.apply(dash.change([value, unit]), edit=up)) == "applied"
    with (dash.journal / "progress").open("a") as progress:
        progress.write(began)
    down = with_override("cancel", "postgresql_read() { REPLY=@down; return 1; }")
    assert dash.cancel(edit=down) == said


def test_a_rollback_that_cannot_remove_a_directory_is_not_confirmed(dash: Lab) -> None:
    made = dash.root / "host/etc/made"
    made.mkdir(parents=True)
    before = dash.tree()
    assert (
        verdict(dash.apply(dash.change([DirectoryStep(path=str(made), is_present=False)])))
        == "applied"
    )
    refuses = with_override("confirm", "rmdir() { return 1; }\n")
    said = dash.run(refuses(without_probe(confirm_program(RUN, ProbeRequest()))))
    assert verdict_of(said) == "restored"
    assert problems_of(said)[0].what == "the directory could not be made or removed"
    assert dash.tree() == before


# A fake systemd, which says what it is asked of services and the timer, and notes what it is to do.
_FAKE_SYSTEMD = """
runs_systemd() {{ :; }}
systemctl() {{
    case $* in
    *LastTriggerUSecMonotonic*) echo 2000 ;;
    *ActiveEnterTimestampMonotonic*) echo {started} ;;
    *NeedDaemonReload*) echo "$5" >"$STATE/../unit"; echo NeedDaemonReload={stale} ;;
    is-active*) {is_active} ;;
    daemon-reload | restart*) echo "$*" >>"$STATE/../asked" ;;
    esac
}}
"""


def _die_confirming(lab: Lab, where: str) -> None:
    """Confirm what waits, and die in a function once a service was restarted."""
    dies = with_override("confirm", f"{where}() {{ note restarted web.service; kill -9 0; }}")
    text = without_probe(confirm_program(RUN, ProbeRequest()))
    lab.start(dies(text)).communicate(timeout=20)


def _fire(lab: Lab, functions: str) -> int:
    """Run the restore as the timer does; return its exit status."""
    timer = with_override("restore", functions)
    process = lab.start(timer(kept_program(lab.journal)), "automatic", RUN)
    process.communicate(timeout=20)
    return process.returncode


@pytest.mark.parametrize(("stale", "asked"), [("yes", ["daemon-reload"]), ("no", [])])
def test_a_restore_that_is_tried_again_has_systemd_read_what_the_first_one_put_back(
    dash: Lab, stale: str, asked: list[str]
) -> None:
    path = "/etc/systemd/system/nothing-of-this-name.service.d/own.conf"
    steps = (
        FileStep(path=path, before=None, after=ref(NEW)),
        ActionStep(action="daemon-reload", argument=""),
        ActionStep(action="restart-unit", argument="web.service"),
    )
    dash.apply(dash.change(steps, blobs=blobs(NEW)))
    _die_confirming(dash, "write_files")
    assert _fire(dash, _FAKE_SYSTEMD.format(started=1, stale=stale, is_active="return 1")) == 0
    assert (dash.root / "unit").read_text() == "nothing-of-this-name.service\n"
    lines = (dash.root / "asked").read_text().splitlines()
    assert lines[: lines.index("restart web.service")] == asked


_STAYS = "mv() { return 1; }\n"


@pytest.mark.parametrize(
    ("started", "more", "is_restarted"),
    [(1000, "", True), (3000, "", False), (1000, _STAYS, False)],
)
def test_a_restore_that_is_tried_again_restarts_a_service_once_with_its_old_files(
    dash: Lab, started: int, more: str, is_restarted: bool
) -> None:
    change = everything(dash)
    unit = ActionStep(action="restart-unit", argument="web.service")
    dash.apply(dash.change([*change.steps, unit], blobs=change.blobs))
    _die_confirming(dash, "make_count")
    systemd = _FAKE_SYSTEMD.format(started=started, stale="no", is_active=":")
    # A kernel that refuses a value has the restore fail, and be tried again.
    refuses = "write_value() { ERROR='Invalid argument'; return 1; }\n"
    assert _fire(dash, systemd + refuses + more) == 75
    asked = dash.root / "asked"
    assert (asked.read_text() if asked.exists() else "") == "restart web.service\n" * is_restarted


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
    dash.apply(everything(dash))
    busy = dash.hold(os.getpid(), "confirming")
    timer = dash.start(program("restore"), "automatic", RUN)
    wait_for(lambda: sleeps_below(timer.pid))
    dash.rename(OTHER_RUN)
    waiting = dash.tree()
    busy.unlink()
    assert timer.communicate(timeout=20) == ("", "")
    assert dash.tree() == waiting
    assert dash.journal.exists()


def test_a_timer_that_fires_during_the_confirmation_comes_too_late(dash: Lab) -> None:
    dash.apply(everything(dash))
    slow = with_override("confirm", "flush() { case $1 in */progress) sleep 1.5 ;; esac; }")
    confirmation = dash.start(slow(without_probe(confirm_program(RUN, ProbeRequest()))))
    wait_for(lambda: os.readlink(dash.root / "host/etc/link") == "/new target")
    confirmed = dash.tree()
    assert dash.restore("automatic", RUN) == []
    answer, _ = confirmation.communicate(timeout=20)
    assert verdict(parse_answer(answer)) == "confirmed"
    assert dash.tree() == confirmed
    assert not dash.journal.exists()


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
