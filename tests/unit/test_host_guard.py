"""What a write changes beyond itself: seen at once, journalled, taken back, also after a death."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimizer import catalog
from optimizer.app.outcomes import problems_of
from optimizer.host.wire import apply_program, probe_program
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ValueStep
from optimizer.modules.coupling import Coupler
from tests.unit.factories import observation
from tests.unit.shell_lab import (
    Lab,
    after_a_boot,
    identity_of,
    kept_program,
    setting,
    verdict,
    with_override,
    without_sweep,
    words,
)

_CPUFREQ = "sys/devices/system/cpu/cpufreq"

# A kernel that nobody described: writing 2 to `first` takes `other` from 5 to 6.
_MOVES = """
write_value() {{
    printf '%s\\n' "$2" >"$1"
    case $1=$2 in "{first}=2") echo 6 >"{other}" ;; {more} esac
}}
"""


def _moves(first: Path, other: Path, more: str = "") -> str:
    return _MOVES.format(first=first, other=other, more=more)


def _die(lab: Lab, steps: list[ValueStep], functions: str) -> None:
    """Begin a change that is killed on the way, and leave no safety timer."""
    quiet = "detach() { :; }\n"
    edit = with_override("apply", quiet + functions)
    lab.start(edit(without_sweep(apply_program(lab.change(steps), 600)))).communicate(timeout=60)
    assert (lab.journal / "restore").exists()


def _boot(lab: Lab) -> list[str]:
    answers = lab.run(after_a_boot(kept_program(lab.journal)), "boot")
    assert verdict(answers) == "restored", answers
    return words(answers)


def test_what_else_a_write_changes_keeps_the_change_from_being_made(lab: Lab) -> None:
    first, other = lab.value("first", "1"), lab.value("other", "5")
    before = lab.tree()
    answers = lab.apply(
        lab.change([setting(first, "1", "2")]), edit=with_override("apply", _moves(first, other))
    )
    [problem] = problems_of(answers)
    assert (problem.path, problem.expected, problem.found) == (str(other), "5", "6")
    assert verdict(answers) == "restored"
    assert lab.tree() == before


def test_a_death_between_two_writes_leaves_nothing_of_what_else_the_first_one_changed(
    lab: Lab,
) -> None:
    first, second, other = (
        lab.value("first", "1"),
        lab.value("second", "1"),
        lab.value("other", "5"),
    )
    before = lab.tree()
    dies = _moves(first, other, f'"{second}=2") kill -9 0 ;;')
    _die(lab, [setting(first, "1", "2"), setting(second, "1", "2")], dies)
    assert other.read_text() == "6\n"
    assert f"collateral\t{other}\t5\t6\t" in (lab.journal / "progress").read_text()
    assert "foreign" not in _boot(lab)
    assert lab.tree() == before


def test_a_death_right_behind_a_write_does_not_either(lab: Lab) -> None:
    """Nobody has looked around yet, so whoever restores does."""
    first, other = lab.value("first", "1"), lab.value("other", "5")
    before = lab.tree()
    _die(lab, [setting(first, "1", "2")], _moves(first, other) + "changed() { kill -9 0; }\n")
    assert other.read_text() == "6\n"
    assert "collateral" not in (lab.journal / "progress").read_text()
    assert "foreign" not in _boot(lab)
    assert lab.tree() == before


def test_a_look_before_a_write_that_was_damaged_is_not_believed(lab: Lab) -> None:
    """What else the write has changed is then not known, and nothing is put back by a guess."""
    first, other = lab.value("first", "1"), lab.value("other", "5")
    _die(lab, [setting(first, "1", "2")], _moves(first, other) + "changed() { kill -9 0; }\n")
    around = lab.journal / "around"
    around.write_text(around.read_text().replace(f"{other}:5", f"{other}:7"))
    answers = lab.run(f"exec 2>/dev/null\n{after_a_boot(kept_program(lab.journal))}", "boot")
    assert verdict(answers) == "incomplete"
    [failed] = [answer.fields for answer in answers if answer.word == "failed"]
    assert failed[1] == str(around)
    assert (first.read_text(), other.read_text()) == ("1\n", "6\n")


def test_what_two_writes_move_goes_back_to_where_it_was_first(lab: Lab) -> None:
    first, second, other = (
        lab.value("first", "1"),
        lab.value("second", "1"),
        lab.value("other", "5"),
    )
    before = lab.tree()
    twice = _moves(first, other, f'"{second}=2") echo 7 >"{other}" ;;')
    answers = lab.apply(
        lab.change([setting(first, "1", "2"), setting(second, "1", "2")]),
        edit=with_override("apply", twice),
    )
    [problem] = problems_of(answers)
    assert (problem.expected, problem.found, verdict(answers)) == ("5", "7", "restored")
    assert lab.tree() == before


def test_a_file_that_one_write_brings_along_is_watched_from_the_next_one_on(lab: Lab) -> None:
    """As a scheduler brings its settings along, and the length of the queue moves one of them."""
    first, second = lab.value("first", "1"), lab.value("second", "1")
    brought = first.with_name("brought")
    moves = _moves(first, brought, f'"{second}=2") echo 7 >"{brought}" ;;')
    answers = lab.apply(
        lab.change([setting(first, "1", "2"), setting(second, "1", "2")]),
        edit=with_override("apply", moves),
    )
    [problem] = problems_of(answers)
    assert (problem.path, problem.expected, problem.found) == (str(brought), "6", "7")
    assert (first.read_text(), second.read_text()) == ("1\n", "1\n")


def test_what_somebody_changes_after_a_death_is_theirs(lab: Lab) -> None:
    first, other, theirs = (
        lab.value("first", "1"),
        lab.value("other", "5"),
        lab.value("theirs", "a"),
    )
    _die(lab, [setting(first, "1", "2")], _moves(first, other) + "unguard() { kill -9 0; }\n")
    other.write_text("9\n")
    theirs.write_text("b\n")
    assert "foreign" in _boot(lab)
    assert [one.read_text() for one in (first, other, theirs)] == ["1\n", "9\n", "b\n"]


def test_what_could_not_be_held_is_said_and_comes_back(dash: Lab) -> None:
    """Two files that stand in for an I/O scheduler, and a queue that is shorter without one."""
    cause, queue = dash.value("cause", "1"), dash.value("queue", "512")
    steps = [
        setting(cause, "1", "2"),
        ValueStep(tunable="q", path=str(queue), before="512", after="512", write="hold"),
    ]
    shortens = f"""
    write_value() {{
        read kind <"{cause}"
        if [ "$1=$kind" = "{queue}=2" ] && [ "$2" -gt 256 ]; then ERROR=refused; return 1; fi
        printf '%s\\n' "$2" >"$1"
        [ "$1=$2" != "{cause}=2" ] || echo 256 >"{queue}"
    }}
    """
    before = dash.tree()
    change = dash.change(steps)
    answers = dash.apply(change, edit=with_override("apply", shortens))
    assert (verdict(answers), "unheld" in words(answers)) == ("applied", True)
    assert dash.confirm() == "confirmed"
    name = identity_of(change)
    told = dash.run(probe_program(ProbeRequest(snapshots=True)))
    assert [one.fields for one in told if one.word == "unheld"] == [(name, str(queue), "256")]
    kept = str(dash.state / "snapshots" / name)
    answers = dash.restore("manual", kept, edit=with_override("restore", shortens))
    assert (verdict(answers), "foreign" in words(answers)) == ("restored", False)
    assert dash.tree() == before


# A made-up cpufreq driver in a tree of plain files: a governor brings its folder along, and the
# preference falls back to the driver's own.
_FAKE_DRIVER = """
write_value() {
    case $2 in @absent) return 1 ;; esac
    case $1 in
    */scaling_governor)
        folder=${1%/*}
        IFS= read -r old <"$1"
        if [ "$old" != "$2" ]; then
            rm -rf "$folder/$old"
            umask 022
            [ "$2" != schedutil ] || { mkdir "$folder/$2"; echo 1000 >"$folder/$2/rate_limit_us"; }
            umask 077
            echo balance_power >"$folder/energy_performance_preference"
        fi
        ;;
    esac
    [ -e "$1" ] || { ERROR="No such file or directory"; return 1; }
    printf '%s\\n' "$2" >"$1"
    [ "${DIE:-}" != "$2" ] || kill -9 0
}
"""


def _fake_cpufreq(lab: Lab) -> list[ValueStep]:
    """Make a fake tree of two policies, tuned by somebody, and the steps to another governor."""
    values = {}
    for policy in ("policy0", "policy1"):
        for name, text in (
            ("scaling_governor", "schedutil"),
            ("schedutil/rate_limit_us", "500"),
            ("energy_performance_preference", "power"),
        ):
            lab.file(f"{_CPUFREQ}/{policy}/{name}", f"{text}\n".encode())
            values[f"/{_CPUFREQ}/{policy}/{name}"] = text
    causes = [
        ValueStep(
            tunable=f"system.cpufreq.scaling_governor[{policy}]",
            path=f"/{_CPUFREQ}/{policy}/scaling_governor",
            before="schedutil",
            after="performance",
        )
        for policy in ("policy0", "policy1")
    ]
    steps = Coupler(catalog.find, observation(values)).couple(causes)
    return [
        step.model_copy(update={"path": f"{lab.root}/host{step.path}"})
        for step in steps
        if isinstance(step, ValueStep)
    ]


def test_a_governor_comes_back_with_its_settings_in_a_fake_tree(lab: Lab) -> None:
    steps, before = _fake_cpufreq(lab), lab.tree()
    assert [step.write for step in steps] == ["set", "follow", "hold"] * 2
    answers = lab.apply(lab.change(steps), edit=with_override("apply", _FAKE_DRIVER))
    assert verdict(answers) == "applied", answers
    preference = lab.root / "host" / _CPUFREQ / "policy0/energy_performance_preference"
    assert preference.read_text() == "power\n"
    assert not (lab.root / "host" / _CPUFREQ / "policy0/schedutil").exists()
    assert lab.cancel(edit=with_override("cancel", _FAKE_DRIVER)) == "restored"
    assert lab.tree() == before


@pytest.mark.parametrize("text", ["performance", "power"])
def test_a_death_on_the_way_to_a_governor_loses_no_setting_in_a_fake_tree(
    lab: Lab, text: str
) -> None:
    steps, before = _fake_cpufreq(lab), lab.tree()
    _die(lab, steps, f"DIE={text}\n{_FAKE_DRIVER}")
    assert lab.tree() != before
    restore = with_override("restore", _FAKE_DRIVER)(kept_program(lab.journal))
    assert verdict(lab.run(after_a_boot(restore), "boot")) == "restored"
    assert lab.tree() == before
