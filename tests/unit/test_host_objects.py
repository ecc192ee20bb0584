"""Objects in databases on the host: made last of all, and taken back last of all.

A file stands in for the object, and functions for psql; SQL is for the tests on real hosts.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from optimizer.app.outcomes import problems_of, verdict_of
from optimizer.host import program
from optimizer.host.wire import Answer, confirm_program
from optimizer.model.postgresql_objects import PgDatabase, object_path
from optimizer.model.request import ProbeRequest
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import FileStep, ValueStep
from tests.unit.factories import RUN
from tests.unit.shell_lab import (
    EARLIER_BOOT,
    NEW,
    OLD,
    Edit,
    Lab,
    blobs,
    ref,
    with_override,
    without_probe,
    words,
)

ADDRESS = "postgres@/var/run/postgresql:5432"
PATH = object_path(ADDRESS, "app", "view/slow_queries")


def fake(lab: Lab, *more: str) -> str:
    """Return functions by which the file `object` is the view."""
    name = shlex.quote(str(lab.root / "object"))
    return "\n".join(
        (
            f"postgresql_object_read() {{ REPLY=$(cat {name}); DEPENDENTS=@empty; }}",
            f"postgresql_object_write() {{ ERROR=; printf '%s\\n' \"$2\" >{name}; }}",
            "is_library_loaded() { return 0; }",
            *more,
            "",
        )
    )


def begun(lab: Lab, before: str = "off", after: str = "on") -> tuple[Snapshot, Path, Path]:
    """Apply a change with a file and an object; return it and both."""
    view = lab.root / "object"
    view.write_text(f"{before}\n")
    own = lab.file("etc/own.conf", OLD)
    step = ValueStep(tunable="t.view", path=PATH, before=before, after=after, write="last")
    file = FileStep(path=str(own), before=ref(OLD), after=ref(NEW))
    change = lab.change([step, file], blobs=blobs(OLD, NEW))
    answers = lab.apply(change, edit=with_override("apply", fake(lab)))
    assert verdict_of(answers) == "applied", answers
    return change, view, own


def confirmed(lab: Lab, *more: str) -> tuple[Answer, ...]:
    edit = with_override("confirm", fake(lab, *more))
    return lab.run(edit(without_probe(confirm_program(RUN, ProbeRequest()))))


def in_restore(lab: Lab, *more: str) -> Edit:
    return with_override("restore", fake(lab, *more))


def test_an_object_waits_for_the_confirmation_and_is_made_behind_the_files(lab: Lab) -> None:
    _, view, own = begun(lab)
    assert (view.read_text(), own.read_bytes()) == ("off\n", OLD)
    looks = f"make_count() {{ cmp -s {shlex.quote(str(own))} {shlex.quote(str(view))} || cat "
    looks += f"{shlex.quote(str(view))} >{shlex.quote(str(lab.root / 'then'))}; }}"
    assert verdict_of(confirmed(lab, looks)) == "confirmed"
    assert (lab.root / "then").read_text() == "off\n"
    assert (view.read_text(), own.read_bytes()) == ("on\n", NEW)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("postgresql_object_write() { ERROR='must be owner'; return 1; }", "must be owner"),
        ("is_library_loaded() { ERROR='is not loaded'; return 1; }", "is not loaded"),
    ],
)
def test_what_cannot_be_made_takes_the_files_back_and_says_why(
    lab: Lab, broken: str, said: str
) -> None:
    _, view, own = begun(lab)
    answers = confirmed(lab, broken)
    assert verdict_of(answers) == "restored"
    assert said in str(problems_of(answers)[0])
    assert (view.read_text(), own.read_bytes()) == ("off\n", OLD)
    assert not lab.journal.exists()


def test_a_server_that_does_not_come_back_has_nothing_to_be_rid_of(lab: Lab) -> None:
    _, view, own = begun(lab)
    down = "postgresql_object_read() { REPLY=@down; return 1; }"
    answers = confirmed(lab, down, "make_count() { return 1; }")
    assert verdict_of(answers) == "restored"
    assert "failed" not in words(answers)
    assert (view.read_text(), own.read_bytes()) == ("off\n", OLD)


def test_an_object_that_does_not_hold_is_taken_back(lab: Lab) -> None:
    _, view, own = begun(lab)
    odd = 'services_answer() { [ "$(cat ' + shlex.quote(str(view)) + ')" = off ]; }'
    assert verdict_of(confirmed(lab, odd)) == "restored"
    assert (view.read_text(), own.read_bytes()) == ("off\n", OLD)


def test_a_dropped_object_comes_back_when_the_way_back_is_not_confirmed(lab: Lab) -> None:
    _, view, _ = begun(lab, "on", "off")
    odd = 'services_answer() { [ "$(cat ' + shlex.quote(str(view)) + ')" = on ]; }'
    assert verdict_of(confirmed(lab, odd)) == "restored"
    assert view.read_text() == "on\n"


def test_at_boot_an_object_waits_for_its_server_and_goes_then(lab: Lab) -> None:
    _, view, own = begun(lab)
    # The confirmation died with the machine, right behind the object.
    dies = 'held() { [ "$1" = now ] || exit 1; }'
    confirmed(lab, dies)
    assert (view.read_text(), own.read_bytes()) == ("on\n", NEW)
    later = "restore_after_boot() { emit note later; }"
    answers = lab.restore("boot", edit=in_restore(lab, later, EARLIER_BOOT))
    assert words(answers) == ["note", "result"]
    assert verdict_of(answers) == "incomplete"
    assert (view.read_text(), own.read_bytes()) == ("on\n", OLD)
    answers = lab.restore("automatic", RUN, edit=in_restore(lab))
    assert verdict_of(answers) == "restored"
    assert view.read_text() == "off\n"
    assert not lab.journal.exists()


def test_at_boot_nothing_waits_for_an_object_that_was_never_begun(lab: Lab) -> None:
    _, view, own = begun(lab)
    answers = lab.restore("boot", edit=in_restore(lab, EARLIER_BOOT))
    assert verdict_of(answers) == "restored"
    assert (view.read_text(), own.read_bytes()) == ("off\n", OLD)


def test_an_object_that_somebody_changed_is_kept_and_named(lab: Lab) -> None:
    _, view, _ = begun(lab)
    confirmed(lab, 'held() { [ "$1" = now ] || exit 1; }')
    view.write_text("changed\n")
    answers = lab.restore("automatic", RUN, edit=in_restore(lab))
    assert [answer.fields for answer in answers if answer.word == "foreign"] == [
        (PATH, "off", "on", "changed")
    ]
    assert view.read_text() == "changed\n"


@pytest.mark.parametrize(
    "raw", [b"app", b"a b", b"$(id)`id`", "é'\"\\".encode(), b"100%", b"%41", b"-d x=1/y", b"\xff "]
)
def test_the_host_reads_the_name_of_a_database_as_it_was_written(lab: Lab, raw: bytes) -> None:
    path = object_path("u@/srv/view/a/run:5432", PgDatabase(raw).key, "extension/e")
    asks = f"split_object {shlex.quote(path)}; is_object {shlex.quote(path)} && "
    asks += "emit found \"$(printf '%s.' \"$DATABASE\" | od -An -v -tx1 | tr -d ' \\n')\" "
    asks += '"$ADDRESS" "$OBJECT"'
    head, _, _ = program("restore").rpartition("\nMODE=")
    [answer] = lab.run(f"{head}\n{asks}\n")
    assert answer.fields == ((raw + b".").hex(), "u@/srv/view/a/run:5432", "extension/e")


def test_a_setting_is_no_object_wherever_its_socket_is(dash: Lab) -> None:
    head, _, _ = program("restore").rpartition("\nMODE=")
    asks = "is_object postgresql:u@/srv/view/run/x:5432/work_mem || emit found setting"
    [answer] = dash.run(f"{head}\n{asks}\n")
    assert answer.fields == ("setting",)
