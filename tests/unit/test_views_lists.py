"""Profiles, tunables and errors as text."""

from __future__ import annotations

from dataclasses import replace

from optimizer.catalog import TUNABLES
from optimizer.model.errors import InvalidValue, OptimizerError, UnknownProfile
from optimizer.model.profile import Constraint, Profile, Setting, Wanted
from optimizer.model.tunable import Coupling, Effect, Risk, Tunable
from optimizer.model.values import Integer
from optimizer.views import errors, profile, tunable
from optimizer.views.text import PLAIN
from tests.unit.conftest import Golden

DIRTY = Tunable(
    id="system.sysctl.vm.dirty_bytes",
    kind="sysctl",
    target="vm.dirty_bytes",
    value=Integer(4096, 2**40, "bytes"),
    why="Limits unwritten data in bytes, so that much memory does not mean long stalls.",
    docs="https://docs.kernel.org/admin-guide/sysctl/vm.html",
    risk=Risk.MEDIUM,
    unit="bytes",
    coupling=Coupling(excludes=("system.sysctl.vm.dirty_ratio",)),
)
QUEUE = replace(
    DIRTY, id="redis.tcp-backlog", unit="", effect=Effect.RESTART, coupling=Coupling(), why="Queue."
)
REFUSED = replace(QUEUE, id="system.boot.mitigations", refused="It opens the host to attacks.")
PROFILE = Profile(
    name="mine",
    version=2,
    summary="For the tests.",
    extends=("production",),
    settings={
        DIRTY.id: Setting(
            DIRTY,
            (
                Wanted(Constraint.EXACTLY, "268435456", {"storage": "ssd", "cpus": "> 4"}, "Fast."),
                Wanted(Constraint.AT_MOST, "10% ram"),
            ),
        ),
        QUEUE.id: Setting(QUEUE, (Wanted(Constraint.UNTOUCHED),)),
    },
    memory={"redis": 1, "postgresql": 6},
)


def test_profile(golden: Golden) -> None:
    golden("profile.txt", profile.render(PROFILE, PLAIN))
    golden("profile-explained.txt", profile.render(PROFILE, replace(PLAIN, show_why=True)))
    golden("profile-list.txt", profile.render_list([PROFILE], ["broken: no version"], PLAIN))


def test_lint(golden: Golden) -> None:
    problems = ["mine.yaml:3: vm.swappiness: 300 is out of range, allowed is 0 to 200"]
    golden("profile-lint.txt", profile.render_lint("mine.yaml", problems, PLAIN))
    assert profile.render_lint("mine.yaml", [], PLAIN) == ["mine.yaml is a valid profile."]


def test_tunable(golden: Golden) -> None:
    golden("tunable.txt", tunable.render(DIRTY, PLAIN))
    golden("tunable-unknown.txt", tunable.render(DIRTY, PLAIN, "system.sysctl.vm.dirty_ratio"))
    golden("tunable-list.txt", tunable.render_list([DIRTY, QUEUE, REFUSED], PLAIN))


def test_every_tunable_of_the_catalogue_can_be_shown() -> None:
    for one in TUNABLES.values():
        assert one.docs in " ".join(tunable.render(one, PLAIN))


def test_an_error_says_what_where_and_what_to_do() -> None:
    error = UnknownProfile(name="hf", host="db-1", hint="Did you mean hft?")
    assert errors.render(errors.failure(error)) == [
        "error[PROFILE-002]: There is no profile named hf.",
        "  host  db-1",
        "  hint  Did you mean hft?",
    ]


def test_an_error_that_names_its_host_does_not_name_it_twice() -> None:
    error = InvalidValue(what="db-1: too large\nat line 3", host="db-1")
    assert errors.render(errors.failure(error)) == [
        "error[VALUE-001]: db-1: too large",
        "  at line 3",
    ]


def test_the_catalogue_keeps_its_table_whole() -> None:
    class Piped(OptimizerError):
        """{what} | {why}"""

        code = "T-1"
        hint = "a|b"

    row = errors.catalogue([Piped]).splitlines()[-1]
    assert row == r"| `T-1` | *what* \| *why* | 1 | a\|b |"
