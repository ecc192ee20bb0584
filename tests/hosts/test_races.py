"""Several at once on one host: one wins, the others are told, and nothing is left half done."""

from __future__ import annotations

import random
from collections import Counter

from testbed.host import Host
from tests.hosts.arranged import value, with_file, with_value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import SMALL, Outcome, finish, wait_for
from tests.hosts.faults.cutter import ordered
from tests.hosts.lab import STATE, Lab
from tests.hosts.raw_change import DROP_IN, FOLDER, RETRIES_PATH, RUN, raw_change

RETRIES = "system.sysctl.net.ipv4.tcp_retries2"
JOURNAL = f"{STATE}/journal"
RESTORE = f"{JOURNAL}/restore"

# A host on which a confirmation and the safety timer begin almost together, again and again.
PAIRS = 12
_PAIRS = f"""
cd {FOLDER}
last() {{ awk '$1 == "result" {{ word = $2 }} END {{ print (word ? word : "nothing") }}' "$1"; }}
there() {{ if [ -e "$1" ]; then echo there; else echo gone; fi; }}
while read -r early late; do
    : >confirmed; : >restored
    sh apply >applied
    (sleep "$early"; sh confirm >confirmed) &
    (sleep "$late"; [ ! -e {RESTORE} ] || sh {RESTORE} automatic {RUN} >restored) &
    wait
    echo "$(last applied) $(last confirmed) $(last restored)" \\
        "$(cat {RETRIES_PATH}) $(there {DROP_IN})" \\
        "$(ls -A {STATE} | tr '\\n' ' ')$(ls {STATE}/snapshots | wc -l)"
    echo 15 >{RETRIES_PATH}
    rm -rf {DROP_IN} {STATE}/snapshots/*
done <offsets
"""
_KEPT = "applied confirmed nothing 8 there history snapshots 1"
_BACK = "applied gone restored 15 gone history snapshots 0"


def test_of_a_confirmation_and_a_restore_at_the_same_instant_exactly_one_wins(
    trixie: Host,
) -> None:
    with raw_change(trixie, 600, {"offsets": _offsets()}):
        ends = Counter(trixie.run(_PAIRS, timeout=240).stdout.splitlines())
    print(f"{PAIRS} pairs: {ends[_KEPT]} confirmed, {ends[_BACK]} restored")
    assert ends[_KEPT] + ends[_BACK] == PAIRS, ends
    assert min(ends[_KEPT], ends[_BACK]) > 0, "the draws never let one of them win"
    # The timers of all these changes, and the units at boot.
    left = "systemctl list-units --all --plain --no-legend 'optimizer-restore*'"
    assert trixie.run(left).stdout == ""


def _offsets() -> str:
    """Draw how long each of a pair waits before it begins, in seconds; one pair a line."""
    drawn = random.Random(20261126)  # noqa: S311 - the same draws every time
    pairs = [(drawn.uniform(0, 0.1), drawn.uniform(0, 0.1)) for _ in range(PAIRS)]
    return "".join(f"{early:.3f} {late:.3f}\n" for early, late in pairs)


def test_a_change_that_waits_keeps_everybody_else_out_and_says_whose_it_is(
    bookworm: Host, controller: MakeController, lab: Lab
) -> None:
    one, other = controller(bookworm), controller(bookworm)
    run = one.apply("--profile", SMALL).expect(0).document["run"]
    words = ("--profile", SMALL, "--set", f"{RETRIES}=9", "--no-confirm")
    waiting = one.apply(*words, "--confirm-timeout", "600").expect(0).document["run"]
    # Neither a reload of systemd nor a start of the unit for the boot changes anything about it.
    bookworm.run("systemctl daemon-reload && systemctl start optimizer-restore.service")
    assert value(bookworm, RETRIES_PATH) == "9"
    same = ("--format", "json", "--yes")
    racing = [
        other.start("apply", other.inventory, "--profile", SMALL, *same),
        other.start("apply", other.inventory, "--profile", SMALL, "--set", f"{RETRIES}=9", *same),
        other.start("rollback", other.inventory, *same),
        other.start("snapshot", other.inventory, "--format", "json"),
    ]
    for outcome in [finish(process) for process in racing]:
        outcome.expect(1)
        assert outcome.host("bookworm")["state"] == "refused"
        _expect_told(outcome, waiting)
    # What the timer starts when the time is over.
    bookworm.run(f"systemctl start optimizer-restore-{waiting}.service")
    wait_for(bookworm, f"[ ! -e {JOURNAL} ]")
    assert value(bookworm, RETRIES_PATH) == "8"
    late = one.confirm(waiting).expect(1)
    assert f"run {waiting} does not wait for a confirmation here: run {waiting} was put back" in (
        late.said
    )
    # Asked for once more, what was confirmed is as it should be.
    again = one.confirm(run).expect(0).host("bookworm")
    assert again["state"] == "unchanged"
    assert again["notes"][0].startswith(f"run {run} was confirmed already, ")
    one.rollback().expect(0)
    assert lab.changes("bookworm") == {}


def _expect_told(outcome: Outcome, run: str) -> None:
    """Who has the host, from where and since when, and what there is to do."""
    (problem,) = outcome.host("bookworm")["problems"]
    told = problem["what"]
    assert told.startswith(f"run {run} of root@")
    assert ", begun 20" in told
    assert f"optimizer confirm INVENTORY {run} keeps it, else the host restores itself in " in told


def test_of_several_controllers_at_once_each_wins_alone_or_is_refused(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one, other = controller(trixie), controller(trixie)
    one.apply("--profile", SMALL).expect(0)
    plan = other.save_plan("--profile", SMALL, "--set", f"{RETRIES}=9")
    same = ("--yes", "--format", "json")
    racing = [
        one.start("rollback", one.inventory, *same),
        other.start("apply", str(plan), "--inventory", other.inventory, *same),
        one.start("rollback", one.inventory, *same),
        other.start("apply", str(plan), "--inventory", other.inventory, *same),
    ]
    outcomes = [finish(process) for process in racing]
    assert {outcome.code for outcome in outcomes} == {0, 1}
    won = {outcome.document["run"]: outcome for outcome in outcomes if outcome.code == 0}
    runs = [line.split("\t")[1:3] for line in _history(trixie)]
    confirmed = [run for run, event in runs if event == "confirmed"]
    assert sorted(confirmed[1:]) == sorted(won)
    # Whoever lost has touched nothing, so nothing of it had to be put back.
    assert [event for _, event in runs if event not in ("applied", "confirmed")] == []
    print(f"4 at once: {len(won)} won, {len(outcomes) - len(won)} were refused")
    # One after the other they lead to what is there.
    levels = ["15", "8"]
    for run in confirmed[1:]:
        levels = [*levels, "9"] if str(plan) in won[run].words else levels[:-1]
    assert value(trixie, RETRIES_PATH) == levels[-1]
    for _ in levels[1:]:
        one.rollback().expect(0)
    assert lab.changes("trixie") == {}


def _history(host: Host) -> list[str]:
    return host.run(f"cat {STATE}/history").stdout.splitlines()


def test_what_sysctl_sets_meanwhile_is_found_and_kept(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    """Somebody else sets a value: while an apply makes ready, and before its confirmation."""
    one = controller(trixie)
    # A value is compared once more when the timer runs, before the first write.
    with ordered(trixie, "pass", f"strike ask:systemd-run echo 12 >{RETRIES_PATH}"):
        outcome = one.apply("--profile", SMALL).expect(1)
    (problem,) = outcome.host("trixie")["problems"]
    assert (problem["tunable"], problem["expected"], problem["found"]) == (RETRIES, "15", "12")
    assert list(lab.changes("trixie")) == ["sysctl net.ipv4.tcp_retries2"]
    with_value(trixie, RETRIES_PATH, "15")

    one.apply("--profile", SMALL, "--no-confirm").expect(0)
    with with_file(trixie, "/etc/sysctl.d/97-theirs.conf", "net.ipv4.tcp_retries2 = 12\n"):
        trixie.run("sysctl --system", check=False)
        outcome = one.confirm().expect(3)
    (problem,) = outcome.host("trixie")["problems"]
    assert (problem["what"], problem["found"]) == ("did not keep its value", "12")
    assert outcome.host("trixie")["notes"] == [
        f"{RETRIES_PATH} was changed by somebody else and is kept"
    ]
    assert list(lab.changes("trixie")) == ["sysctl net.ipv4.tcp_retries2"]
    with_value(trixie, RETRIES_PATH, "15")
