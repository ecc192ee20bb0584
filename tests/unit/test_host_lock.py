"""Who may work on a host: one at a time, told who it is; the dead keep nobody out."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from optimizer.app.outcomes import ended_of, problems_of, verdict_of
from optimizer.host.wire import (
    Answer,
    apply_program,
    cancel_program,
    confirm_program,
    parse_answer,
    take_program,
)
from optimizer.model.request import ProbeRequest
from tests.unit.factories import RUN
from tests.unit.shell_lab import (
    NEW,
    OTHER_RUN,
    Lab,
    everything,
    identity_of,
    kept_program,
    setting,
    sleeps_below,
    verdict,
    wait_for,
    with_override,
    without_probe,
    without_sweep,
    words,
)

# Takes the lock again and again, and dies with it at the end; whoever finds somebody alive inside
# says so. A second is a fiftieth of one here.
_WORKER = """
sleep() { command sleep 0.02; }
cancel_main() {
    TASK=applying
    for round in 1 2 3 4; do
        take_busy 5000 || echo lost
        other=$(cat "$STATE/inside" 2>/dev/null)
        [ -z "$other" ] || ! is_alive "$other" || echo "$me found $other"
        printf '%s' "$me" >"$STATE/inside"
        command sleep 0.005
        [ "$(cat "$STATE/inside")" = "$me" ] || echo "$me was disturbed"
        printf . >>"$STATE/rounds"
        own=${me#*.}
        [ "$round" -lt 4 ] || kill -9 "${own%%.*}"
        : >"$STATE/inside"
        leave_busy
    done
}
"""
_WORKERS = 6


def test_of_many_that_want_the_lock_one_at_a_time_has_it_though_they_die_with_it(lab: Lab) -> None:
    lab.journal.mkdir(parents=True)
    work = with_override("cancel", _WORKER)
    running = [lab.start(work(_plain(cancel_program(RUN)))) for _ in range(_WORKERS)]
    said = [one.communicate(timeout=120) for one in running]
    assert said == [("", "")] * _WORKERS
    assert len((lab.state / "rounds").read_text()) == 4 * _WORKERS


def _plain(text: str) -> str:
    """Leave out the filter, so that the program is the shell itself and can be killed as such."""
    return re.sub(r"^\{\n(.*)\n\} \| LC_ALL=C tr [^\n]*\n$", r"\1\n", text, flags=re.DOTALL)


@pytest.mark.parametrize("about", [{"start": "1"}, {"boot": "another"}])
def test_a_number_that_was_given_again_holds_nothing(dash: Lab, about: dict[str, str]) -> None:
    change = everything(dash)
    dash.hold(os.getpid(), **about)
    assert verdict(dash.apply(change)) == "applied"
    assert dash.confirm() == "confirmed"
    assert {path.name for path in (dash.state / "snapshots" / identity_of(change)).iterdir()} == {
        "files", "id", "manifest", "progress", "restore",
    }  # fmt: skip


def test_of_several_that_find_a_change_waiting_none_is_taken_for_its_own(dash: Lab) -> None:
    """Each of them has the lock for a moment."""
    change = everything(dash)
    dash.apply(change)
    dash.hold(os.getpid(), "applying")
    [problem] = problems_of(
        dash.apply(dash.change(change.steps, run=OTHER_RUN, blobs=change.blobs))
    )
    assert f"optimizer confirm INVENTORY {RUN} keeps it" in problem.what


_NO_ROOM = "ln() { return 1; }\nsleep() { :; }\n"


def test_a_journal_that_nobody_can_take_is_not_waited_for(lab: Lab) -> None:
    """There is no room for the link: that is said, and the timer of systemd tries again."""
    change = everything(lab)
    [problem] = problems_of(lab.apply(change, edit=with_override("apply", _NO_ROOM)))
    assert "the journal cannot be written" in problem.what
    assert not lab.journal.exists()
    assert verdict(lab.apply(change)) == "applied"
    applied = lab.tree()
    full = with_override("cancel", _NO_ROOM)
    answers = lab.run(full(cancel_program(RUN)))
    assert verdict_of(answers) == "busy"
    assert problems_of(answers)[0].what.startswith("there is no room")
    timer = with_override("restore", f"{_NO_ROOM}runs_systemd() {{ :; }}\n")
    done = lab.start(timer(kept_program(lab.journal)), "automatic", RUN)
    said = done.communicate(timeout=20)
    assert said[0] == "" and "is not put back: the journal cannot be written" in said[1]
    assert done.returncode == 75
    assert lab.tree() == applied
    assert lab.cancel() == "restored"


# As on a host with systemd.
_WITH_SYSTEMD = """
TWIN=$STATE/../twin TWIN_LINK=$STATE/../wants/twin
runs_systemd() { :; }
start_timer_unit() { :; }
systemctl() { :; }
"""
# /etc becomes read-only when the unit for the next boot is half written.
_READ_ONLY = f"""
{_WITH_SYSTEMD}
systemctl() {{ echo "$*" >>"$STATE/../asked"; }}
write_twin() {{ echo half >"$TWIN"; return 1; }}
rm() {{ case $* in *twin*) [ ! -e "$TWIN" ] || return 1 ;; esac; command rm "$@"; }}
"""


def test_a_change_that_cannot_take_its_unit_away_leaves_that_to_its_timer(dash: Lab) -> None:
    [problem] = problems_of(dash.apply(everything(dash), edit=with_override("apply", _READ_ONLY)))
    assert "no twin for the next boot" in problem.what
    assert (dash.root / "twin").exists()
    assert not dash.journal.exists()
    asked = dash.root / "asked"
    assert "stop" not in (asked.read_text() if asked.exists() else "")


@pytest.mark.parametrize("last", ["write_journal", "compare", "keep_files"])
def test_a_boot_takes_away_a_journal_that_was_not_finished(dash: Lab, last: str) -> None:
    change = everything(dash)
    dash.apply(change, edit=with_override("apply", f"{_WITH_SYSTEMD}{last}() {{ exit; }}\n"))
    assert dash.journal.exists()
    [line] = [line for line in (dash.root / "twin").read_text().split("\n") if "ExecStart" in line]
    command = line.removeprefix('ExecStart=/bin/sh -c "').removesuffix('"')
    subprocess.run(["sh", "-c", f"systemctl() {{ :; }}\n{command}"], check=True)
    assert not dash.journal.exists()
    assert not (dash.root / "twin").exists()


def test_the_unit_for_the_next_boot_goes_behind_what_it_would_take_away(dash: Lab) -> None:
    change = everything(dash)
    assert verdict(dash.apply(change, edit=with_override("apply", _WITH_SYSTEMD))) == "applied"
    cut = with_override("cancel", f"{_WITH_SYSTEMD}remove_twin() {{ exit; }}\n")
    dash.run(cut(cancel_program(RUN)))
    assert (dash.root / "twin").exists()
    assert not dash.journal.exists()
    assert not list(dash.journal.parent.glob(".ended.*"))


def test_a_unit_for_the_next_boot_that_another_run_took_away_is_written_again(dash: Lab) -> None:
    """It had put its own change away, and not seen that the next one had begun."""
    change = everything(dash)
    taken = f'{_WITH_SYSTEMD}failed_units() {{ rm -f "$TWIN"; REPLY=; }}\n'
    assert verdict(dash.apply(change, edit=with_override("apply", taken))) == "applied"
    assert f"of.{RUN}" in (dash.root / "twin").read_text()


@pytest.mark.parametrize("last", ["write_twin", "write_journal", "keep_files"])
def test_a_journal_that_was_not_finished_is_cleared_by_the_next_change(
    dash: Lab, last: str
) -> None:
    change = everything(dash)
    dash.apply(change, edit=with_override("apply", f"{_WITH_SYSTEMD}{last}() {{ exit; }}\n"))
    again = dash.apply(change, edit=with_override("apply", _WITH_SYSTEMD))
    assert verdict(again) == "applied"
    assert not problems_of(again)


def test_a_process_that_is_dead_and_not_buried_holds_nothing(dash: Lab) -> None:
    change = everything(dash)
    dead = subprocess.Popen(["true"])
    wait_for(lambda: " Z " in Path(f"/proc/{dead.pid}/stat").read_text())
    dash.hold(dead.pid)
    assert verdict(dash.apply(change)) == "applied"
    dead.wait()


def test_a_change_that_has_just_begun_is_not_cleared_away_by_the_next_one(lab: Lab) -> None:
    """Before its timer is armed it has written nothing, and yet it is at work."""
    change = everything(lab)
    begin = with_override("apply", "failed_units() { sleep 2; REPLY=; }")
    first = lab.start(begin(without_sweep(apply_program(change, 600))))
    wait_for(lambda: (lab.journal / "progress").exists())
    second = lab.apply(lab.change(change.steps, run=OTHER_RUN, blobs=change.blobs))
    answer, _ = first.communicate(timeout=20)
    assert verdict(parse_answer(answer)) == "applied"
    assert verdict(second) == "refused"
    [problem] = problems_of(second)
    assert problem.what.startswith(f"run {RUN} of ana@desk, begun 2026-11-21 ")
    assert problem.what.endswith("is being applied: try again when that is done")
    assert lab.confirm() == "confirmed"


@pytest.mark.parametrize("name", ["confirm", "cancel"])
def test_who_waited_for_the_lock_leaves_another_change_alone(dash: Lab, name: str) -> None:
    """The change that it came for was put back meanwhile, and another one was made."""
    dash.apply(everything(dash))
    busy = dash.hold(os.getpid(), "restoring")
    programs = {
        "confirm": without_probe(confirm_program(RUN, ProbeRequest())),
        "cancel": cancel_program(RUN),
    }
    waits = dash.start(programs[name])
    wait_for(lambda: sleeps_below(waits.pid))
    manifest = dash.rename(OTHER_RUN)
    waiting = dash.tree()
    busy.unlink()
    answers = parse_answer(waits.communicate(timeout=20)[0])
    assert verdict(answers) == "gone"
    assert problems_of(answers)[0].what.startswith(f"run {OTHER_RUN} of ana@desk")
    assert dash.tree() == waiting
    assert manifest.exists()
    assert not busy.is_symlink()


@pytest.mark.parametrize("named", [RUN, ""])
def test_of_two_confirmations_one_confirms_and_the_other_is_told(lab: Lab, named: str) -> None:
    lab.apply(everything(lab))
    slow = with_override("confirm", "services_answer() { sleep 0.7; }")
    running = [
        lab.start(slow(without_probe(confirm_program(named, ProbeRequest())))) for _ in range(2)
    ]
    answers = [parse_answer(one.communicate(timeout=30)[0]) for one in running]
    assert sorted(map(verdict, answers)) == ["confirmed", "gone"]
    [late] = [one for one in answers if verdict(one) == "gone"]
    assert ended_of(late)[:2] == (RUN, "confirmed")
    assert Answer("run", (RUN,)) in late


def test_a_confirmation_that_comes_too_late_is_told_what_became_of_the_change(lab: Lab) -> None:
    change = everything(lab)
    before = lab.tree()
    lab.apply(change, timeout=1)
    wait_for(lambda: not lab.journal.exists())
    for named in (RUN, ""):
        late = lab.run(without_probe(confirm_program(named, ProbeRequest())))
        assert words(late) == ["ended", "result", "end"]
        assert ended_of(late)[:2] == (RUN, "restored")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", ended_of(late)[2])
    assert lab.tree() == before


def test_a_confirmation_that_waits_for_a_restore_too_long_is_told_what_goes_on(dash: Lab) -> None:
    dash.apply(everything(dash))
    dash.hold(os.getpid(), "restoring")
    impatient = with_override("confirm", "sleep() { :; }")
    answers = dash.run(impatient(without_probe(confirm_program(RUN, ProbeRequest()))))
    assert verdict(answers) == "busy"
    [problem] = problems_of(answers)
    assert problem.what.endswith("is being put back: try again when that is done")


def test_a_change_that_was_cut_off_is_not_confirmed(lab: Lab) -> None:
    """All its values may be there, and nobody has looked for side effects yet."""
    change = everything(lab)
    before = lab.tree()
    killed = with_override("apply", "find_collateral() { kill -9 0; }")
    lab.start(killed(without_sweep(apply_program(change, 600)))).communicate(timeout=20)
    answers = lab.run(without_probe(confirm_program(RUN, ProbeRequest())))
    assert verdict(answers) == "restored"
    assert [one.what for one in problems_of(answers)] == [
        "it was cut off before all of it was done"
    ]
    assert lab.tree() == before


def test_the_unit_at_boot_leaves_a_change_of_this_boot_to_the_timer(lab: Lab) -> None:
    """Whoever starts it, once systemd has read its file."""
    lab.apply(everything(lab))
    waiting = lab.tree()
    assert lab.restore("boot") == []
    assert lab.tree() == waiting
    assert lab.confirm() == "confirmed"


def of_an_earlier_boot(lab: Lab) -> None:
    """Let the change that waits have been armed before the host was booted."""
    progress = lab.journal / "progress"
    lines = progress.read_text().splitlines()
    [at] = [number for number, line in enumerate(lines) if line.startswith("armed\t")]
    lines[at] = lines[at].rpartition(".")[0] + ".another"
    progress.write_text("".join(f"{line}\n" for line in lines))


def overdue(lab: Lab) -> None:
    """Let the time of the change that waits be over for two minutes, and nothing have happened."""
    progress = lab.journal / "progress"
    word, kind, seconds, at, boot = next(
        line for line in progress.read_text().splitlines() if line.startswith("armed\t")
    ).split("\t")
    old, new = (f"{word}\t{kind}\t{seconds}\t{one}\t{boot}" for one in (at, str(float(at) - 720)))
    progress.write_text(progress.read_text().replace(old, new))


@pytest.mark.parametrize("moment", [of_an_earlier_boot, overdue])
def test_a_change_whose_timer_is_gone_is_put_back_by_the_next_one(
    dash: Lab, moment: Callable[[Lab], None]
) -> None:
    change = everything(dash)
    before = dash.tree()
    dash.apply(change)
    dash.disarm()
    moment(dash)
    next_one = dash.change(change.steps, run=OTHER_RUN, blobs=change.blobs)
    answers = dash.apply(next_one)
    assert verdict(answers) == "refused"
    assert "lost its safety timer, and was put back just now" in problems_of(answers)[0].what
    assert dash.tree() == before
    assert verdict(dash.apply(next_one)) == "applied"


def test_a_change_of_an_earlier_boot_is_not_confirmed(dash: Lab) -> None:
    change = everything(dash)
    before = dash.tree()
    dash.apply(change)
    of_an_earlier_boot(dash)
    assert dash.confirm() == "restored"
    assert dash.tree() == before


def test_a_value_that_changes_while_all_is_made_ready_is_found_before_the_first_write(
    lab: Lab,
) -> None:
    """Somebody runs `sysctl --system` between the comparison and the first write."""
    change = everything(lab)
    before = lab.tree()
    first = lab.root / "host/values/first"
    meanwhile = f"""
    sweep() {{ : >"$1"; case $1 in */before) echo 33 >"{first}" ;; esac; }}
    """
    answers = lab.run(with_override("apply", meanwhile)(apply_program(change, 600)))
    assert (words(answers), verdict(answers)) == (["stale", "result"], "stale")
    [problem] = problems_of(answers)
    assert (problem.path, problem.expected, problem.found) == (str(first), "60", "33")
    assert first.read_text() == "33\n"
    first.write_text("60\n")
    assert lab.tree() == before
    assert list(lab.state.iterdir()) == [lab.state / "snapshots"]


def test_nothing_else_begins_while_a_change_waits(dash: Lab) -> None:
    """Neither a person on the console with a snapshot, nor a snapshot of what is not confirmed."""
    kept = dash.state / "snapshots" / dash.put_through(everything(dash))
    first = dash.root / "host/values/first"
    dash.apply(dash.change([setting(first, "1", "2")], run=OTHER_RUN))
    waiting = dash.tree()
    said = dash.restore("manual", str(kept))
    assert verdict_of(said) == "busy"
    assert problems_of(said)[0].what.startswith(f"run {OTHER_RUN} of ana@desk")
    taken = dash.run(take_program(dash.change([], run="r-3", kind="snapshot")))
    assert verdict(taken) == "refused"
    assert problems_of(taken) == problems_of(said)
    assert dash.tree() == waiting
    assert dash.cancel(OTHER_RUN) == "restored"
    assert verdict_of(dash.restore("manual", str(kept))) == "restored"
    assert not dash.journal.exists()


def test_a_journal_that_was_put_away_halfway_is_cleared_by_the_timer(dash: Lab) -> None:
    """Killed in between: nothing waits any more, and nothing stays."""
    change = everything(dash)
    before = dash.tree()
    dash.apply(change, timeout=2)
    halfway = with_override("cancel", "disarm() { kill -9 0; }")
    dash.start(halfway(cancel_program(RUN))).communicate(timeout=20)
    assert not dash.journal.exists()
    assert dash.tree() == before
    wait_for(lambda: {path.name for path in dash.state.iterdir()} == {"history", "snapshots"})


PAIRS = 50
# The timer and the confirmation look again every twentieth of a second here, and not every second.
_EAGER = "sleep() { command sleep 0.05; }"


def test_of_a_confirmation_and_a_restore_at_the_same_instant_exactly_one_wins(
    tmp_path: Path,
) -> None:
    """Both begin within a tenth of a second, each after a time that is drawn."""
    drawn = random.Random(20261126)  # noqa: S311 - the same draws every time
    ends = Counter(
        _pair(Lab(tmp_path / str(number), ("dash",)), drawn.uniform(0, 0.1), drawn.uniform(0, 0.1))
        for number in range(PAIRS)
    )
    print(f"{PAIRS} pairs: {ends['confirmed']} confirmed, {ends['restored']} restored")
    assert ends["confirmed"] + ends["restored"] == PAIRS
    assert min(ends.values()) > 0, "the draws never let one of them win"


def _pair(lab: Lab, early: float, late: float) -> str:
    """Start both at once, and return who won; AssertionError when that is not one alone."""
    change = everything(lab)
    before = lab.tree()
    assert verdict(lab.apply(change)) == "applied"
    lab.disarm()
    confirm = with_override("confirm", _EAGER)(
        without_probe(confirm_program(RUN, ProbeRequest(), identity_of(change)))
    )
    restore = with_override("restore", _EAGER)(kept_program(lab.journal))
    confirming = lab.start(f"sleep {early:.3f}\n{confirm}")
    restoring = lab.start(f"sleep {late:.3f}\n{restore}", "automatic", RUN)
    said = [parse_answer(one.communicate(timeout=60)[0]) for one in (confirming, restoring)]
    verdicts = tuple(map(verdict, said))
    kept = (lab.state / "snapshots" / identity_of(change)).exists()
    if verdicts == ("confirmed", ""):
        assert kept
        assert (lab.root / "host/etc/made/new.conf").read_bytes() == NEW
    else:
        assert verdicts == ("gone", "restored")
        assert not kept
        assert lab.tree() == before
    assert {path.name for path in lab.state.iterdir()} == {"history", "snapshots"}
    return "confirmed" if kept else "restored"
