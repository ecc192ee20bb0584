"""The way back of what takes a restart: with one, without one, and when somebody else did it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optimizer.app.waiting import waiting_notes
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import (
    ActionStep,
    FileRef,
    FileStep,
    Step,
    ValueStep,
    only_allowed,
)
from optimizer.model.tunable import Permission
from optimizer.planning.changes import chain, unfinished
from optimizer.planning.restoring import Undo, undo
from tests.unit.factories import file_state, observation, snapshot

ADDRESS = "postgres@/run/postgresql:5432"
PATH = f"postgresql:{ADDRESS}/max_connections"
OURS = "/etc/postgresql/15/main/conf.d/zz-optimizer.conf"
LINE = b"max_connections = '60'\n"
ALLOWED = frozenset({Permission.RESTART})
NOTHING: frozenset[Permission] = frozenset()
UNIT = "postgresql@15-main.service"
VALUE = ValueStep(
    tunable="postgresql.max_connections[5432]",
    path=PATH,
    before="100",
    after="60",
    write="file",
    needs=(Permission.RESTART,),
)
STATE = file_state(LINE)
FILE = FileStep(
    path=OURS,
    before=None,
    after=FileRef(sha256=STATE.sha256, mode=STATE.mode, owner=STATE.owner),
)
RELOAD = ActionStep(action="reload-postgresql", argument=ADDRESS)
RESTART = ActionStep(
    action="restart-postgresql", argument=f"{UNIT} {ADDRESS}", needs=(Permission.RESTART,)
)


class Server:
    """A server that reads one setting at its start, and the changes that were made to it."""

    def __init__(self, old: str = "100") -> None:
        self.old = self.in_force = old
        self.has_file = False
        self.taken: dict[str, Snapshot] = {}

    @property
    def value(self) -> ValueStep:
        return VALUE.model_copy(update={"before": self.old})

    def restart(self) -> None:
        self.in_force = "60" if self.has_file else self.old

    def seen(self) -> object:
        files = {OURS: STATE} if self.has_file else {}
        return observation({PATH: self.in_force}, files=files)

    def do(self, steps: tuple[Step, ...], allow: frozenset[Permission], **parts: object) -> None:
        """Carry steps out as a host does; what is read back has to be what the steps say."""
        steps = tuple(only_allowed(steps, allow))
        for step in steps:
            if isinstance(step, ValueStep):
                assert step.before == self.in_force
            if isinstance(step, FileStep):
                self.has_file = step.after is not None
        if any(isinstance(one, ActionStep) and one.action == RESTART.action for one in steps):
            self.restart()
        for step in steps:
            if isinstance(step, ValueStep):
                assert self.in_force == (step.before if step.write == "pend" else step.after)
        at = len(self.taken)
        self.taken[f"s{at}"] = snapshot(steps, created=f"2026-11-21T{at:02}", **parts)

    def apply(self, allow: frozenset[Permission]) -> None:
        """Write the file if need be, and restart where that is allowed."""
        if not self.has_file and self.in_force == "60":
            self.do((FILE, RELOAD), allow)
        elif not self.has_file:
            self.do((self.value, FILE, RELOAD, RESTART), allow)
        elif self.in_force != "60" and allow:
            self.do((self.value.model_copy(update={"waited": "60"}), RESTART), allow)

    def way(self, to: str = "last") -> Undo:
        return undo(chain(self.taken, to, "db-1"), self.seen(), include_foreign=False)

    def roll_back(self, allow: frozenset[Permission], to: str = "last") -> None:
        begin = unfinished(self.taken, self.seen()) if allow and to == "last" else ""
        way = self.way(begin or to)
        assert way.foreign == ()
        self.do(way.steps, allow, kind="rollback", undoes=way.undoes)


@pytest.mark.parametrize("is_restarted_by_hand", [False, True])
@pytest.mark.parametrize("again", [NOTHING, ALLOWED])
@pytest.mark.parametrize("allow", [NOTHING, ALLOWED])
# A list of libraries may have been empty.
@pytest.mark.parametrize("old", ["100", ""])
def test_with_a_restart_all_is_as_before(
    old: str,
    allow: frozenset[Permission],
    again: frozenset[Permission],
    *,
    is_restarted_by_hand: bool,
) -> None:
    server = Server(old)
    server.apply(allow)
    if is_restarted_by_hand:
        server.restart()
    server.apply(again)
    changed = [] if server.in_force == old else [(server.in_force, old)]
    server.roll_back(ALLOWED)
    assert (server.has_file, server.in_force) == (False, old)
    *_, last = server.taken.values()
    values = [step for step in last.steps if isinstance(step, ValueStep)]
    assert [(step.before, step.after) for step in values] == changed
    assert unfinished(server.taken, server.seen()) == ""


@pytest.mark.parametrize("again", [NOTHING, ALLOWED])
def test_without_a_restart_what_is_in_force_waits_and_can_be_finished(
    again: frozenset[Permission],
) -> None:
    server = Server()
    server.apply(NOTHING)
    server.apply(again)
    server.restart()
    server.roll_back(NOTHING)
    assert (server.has_file, server.in_force) == (False, "60")
    assert unfinished(server.taken, server.seen()) == "s0"
    server.roll_back(ALLOWED)
    assert (server.has_file, server.in_force) == (False, "100")
    assert unfinished(server.taken, server.seen()) == ""
    # The rollback that finished it only restarted, so there is nothing of its own to take back.
    assert server.way(list(server.taken)[-1]).steps == ()
    # The one that put the files back can be undone all the same.
    server.roll_back(ALLOWED, to=list(server.taken)[-2])
    assert (server.has_file, server.in_force) == (True, "60")


def test_what_waits_is_said_with_the_word_that_finishes_it() -> None:
    server = Server()
    server.apply(ALLOWED)
    assert waiting_notes(server.taken, server.seen()) == ()
    server.roll_back(NOTHING)
    assert waiting_notes(server.taken, server.seen()) == (
        f"{VALUE.tunable} is 60 until the server is restarted, and 100 then: "
        "optimizer rollback --allow restart",
    )
    assert waiting_notes(server.taken, server.seen(), {VALUE.tunable}) == ()
    server.restart()
    assert waiting_notes(server.taken, server.seen()) == ()


def test_when_somebody_restarts_nothing_is_left_to_do() -> None:
    server = Server()
    server.apply(ALLOWED)
    server.roll_back(NOTHING)
    server.restart()
    assert unfinished(server.taken, server.seen()) == ""


def test_what_never_counted_is_taken_back_without_a_restart() -> None:
    server = Server()
    server.apply(NOTHING)
    assert [one for one in server.way().steps if isinstance(one, ActionStep)] == [RELOAD]
    server.roll_back(ALLOWED)
    assert (server.has_file, server.in_force) == (False, "100")


def test_a_restart_back_that_has_to_be_taken_back_alone_leaves_what_the_files_have() -> None:
    """The file is older than the restart, so that no restart brings what was in force before."""
    server = Server()
    server.apply(NOTHING)
    server.apply(ALLOWED)
    assert server.way("s1").steps == ()


def test_what_a_change_in_effect_wants_does_not_wait() -> None:
    server = Server()
    server.apply(ALLOWED)
    server.roll_back(NOTHING)
    server.apply(NOTHING)
    assert server.in_force == "60"
    assert unfinished(server.taken, server.seen()) == ""


def test_a_third_value_is_somebody_elses() -> None:
    server = Server()
    server.apply(ALLOWED)
    server.in_force = "70"
    [other] = server.way().foreign
    assert (other.applied, other.found, other.original) == ("60", "70", "100")


def test_the_emergency_program_leaves_it_to_be_finished() -> None:
    server = Server()
    server.apply(ALLOWED)
    server.has_file = False
    server.taken["s0"] = replace(server.taken["s0"], is_undone=True)
    assert unfinished(server.taken, server.seen()) == "s0"
    server.roll_back(ALLOWED)
    assert server.in_force == "100"
