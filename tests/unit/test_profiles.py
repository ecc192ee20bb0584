"""Profiles: finding, merging, overriding and choosing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from optimizer import profiles
from optimizer.model.errors import (
    InvalidValue,
    ProfileError,
    UnknownProfile,
    UnknownTunable,
    UsageError,
)
from optimizer.model.profile import Constraint, Profile, Wanted
from optimizer.model.tunable import Effect
from tests.unit.shelf import RMEM_MAX, SOMAXCONN, SWAPPINESS, TCP_RMEM, THP, Shelf, wanted


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


# Extending


def test_the_child_wins_and_later_parents_win_over_earlier(shelf: Shelf) -> None:
    shelf.put("first", f"set:\n  {SWAPPINESS}: 1\n  {SOMAXCONN}: 1\n  {THP}: always\n")
    shelf.put("second", f"set:\n  {SOMAXCONN}: 2\n  {THP}: madvise\n")
    shelf.put("child", f"extends: [first, second]\nset:\n  {THP}: never\n")
    profile = shelf.load("child")
    values = {name: wanted(setting).value for name, setting in profile.settings.items()}
    assert values == {SWAPPINESS: "1", SOMAXCONN: "2", THP: "never"}
    assert profile.extends == ("first", "second")
    assert {setting.origin for setting in profile.settings.values()} == {
        "first.yaml:4",
        "second.yaml:4",
        "child.yaml:5",
    }


def test_untouched_takes_back_what_a_parent_asked(shelf: Shelf) -> None:
    shelf.put("base", f"set:\n  {THP}: never\n")
    shelf.put("child", f"extends: base\nset:\n  {THP}: untouched\n")
    assert wanted(shelf.load("child").settings[THP]).constraint is Constraint.UNTOUCHED


def test_one_parent_may_be_reached_on_two_ways(shelf: Shelf) -> None:
    shelf.put("base", f"set:\n  {THP}: never\n")
    shelf.put("left", "extends: base\n")
    shelf.put("right", "extends: base\n")
    shelf.put("child", "extends: [left, right]\n")
    assert set(shelf.load("child").settings) == {THP}


@pytest.mark.parametrize(
    ("extends", "circle"),
    [
        ({"a": "a"}, "a → a"),
        ({"a": "b", "b": "c", "c": "a"}, "a → b → c → a"),
        ({"a": "b", "b": "c", "c": "b"}, "b → c → b"),
    ],
)
def test_a_circle_is_named(shelf: Shelf, extends: dict[str, str], circle: str) -> None:
    for name, parent in extends.items():
        shelf.put(name, f"extends: {parent}\n")
    with pytest.raises(ProfileError, match=f"yaml:3: extends itself: {circle}$"):
        shelf.load("a")


def test_an_unknown_parent_is_named_with_the_nearest(shelf: Shelf) -> None:
    shelf.put("production", "")
    shelf.put("hft", "extends: prodction\n")
    with pytest.raises(ProfileError, match=r"hft\.yaml:3: extends prodction") as error:
        shelf.load("hft")
    assert error.value.hint == "Did you mean production?"


def test_a_problem_of_a_parent_is_a_problem_of_the_child(shelf: Shelf) -> None:
    shelf.put("base", f"set:\n  {SWAPPINESS}: 300\n")
    shelf.put("child", "extends: base\n")
    with pytest.raises(ProfileError, match=r"base\.yaml:4: "):
        shelf.load("child")


# Finding


def test_the_first_directory_with_the_name_wins(tmp_path: Path) -> None:
    near, far = Shelf(tmp_path / "near"), Shelf(tmp_path / "far")
    far.put("both", "", head="version: 1\n")
    near.put("both", "", head="version: 2\n")
    far.put("only", "")
    directories = [tmp_path / "missing", near.path, far.path]
    assert profiles.load("both", directories=directories).version == 2
    assert profiles.names(directories) == [
        ("both", near.path / "both.yaml"),
        ("only", far.path / "only.yaml"),
    ]


def test_a_parent_beside_its_child_is_meant_first(tmp_path: Path) -> None:
    near, far = Shelf(tmp_path / "near"), Shelf(tmp_path / "far")
    near.put("base", f"set:\n  {THP}: always\n")
    far.put("base", f"set:\n  {THP}: never\n")
    far.put("child", "extends: base\n")
    near.put("other", "extends: [child]\n")
    for name in ("child", "other"):
        profile = profiles.load(name, directories=[near.path, far.path])
        assert wanted(profile.settings[THP]).value == "never"


def test_a_parent_may_stand_in_another_directory(tmp_path: Path) -> None:
    near, far = Shelf(tmp_path / "near"), Shelf(tmp_path / "far")
    far.put("base", f"set:\n  {THP}: never\n")
    path = near.put("child", "extends: base\n")
    assert set(profiles.load(str(path), directories=[far.path]).settings) == {THP}


def test_an_unknown_profile_is_named_with_the_nearest(shelf: Shelf) -> None:
    shelf.put("production", "")
    with pytest.raises(UnknownProfile, match="no profile named prodution") as error:
        shelf.load("prodution")
    assert error.value.hint == "Did you mean production?"
    assert shelf.lint("prodution") == ["There is no profile named prodution."]


def test_profiles_are_looked_for_here_then_at_home_then_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    here, home, system, packaged = profiles.default_directories()
    assert (here, system) == (Path("profiles"), Path("/etc/optimizer/profiles"))
    assert home == tmp_path / "config" / "optimizer" / "profiles"
    assert packaged == Path(profiles.__file__).parents[2] / "profiles"
    Shelf(home).put("mine", "", head="version: 1\n")
    assert profiles.load("mine").version == 1
    Shelf(tmp_path / "profiles").put("mine", "", head="version: 2\n")
    assert profiles.load("mine").version == 2
    monkeypatch.chdir(tmp_path / "profiles")
    assert profiles.load("mine.yaml").version == 2


# Lint, digest, override, select


def test_lint_finds_every_problem_in_one_look(shelf: Shelf) -> None:
    shelf.put(
        "bad",
        f"""\
        sumary: x
        extends: [bse, bad]
        set:
          {SWAPPINESS}: 300
          {SWAPPINESS}: 30
          system.thp.enabeld: never
          {SOMAXCONN}: {{at_leats: 5, why: [1]}}
        """,
        head="version: x\n",
    )
    problems = shelf.lint("bad")
    assert [problem.removeprefix("Profile ").split(": ")[0] for problem in problems] == [
        "bad.yaml:7:3",
        "bad.yaml:2",
        "bad.yaml:3",
        "bad.yaml:4",
        "bad.yaml:4",
        "bad.yaml:6",
        "bad.yaml:8",
        "bad.yaml:9",
        "bad.yaml:9",
    ]
    with pytest.raises(ProfileError) as error:
        shelf.load("bad")
    assert str(error.value) == problems[0]
    assert error.value.hint == "8 more: optimizer profile lint bad"


def test_lint_of_a_sound_profile_finds_nothing(shelf: Shelf) -> None:
    shelf.put("good", f"set:\n  {THP}: never\n")
    assert shelf.lint("good") == []


def test_the_digest_is_what_is_asked_of_a_host(shelf: Shelf) -> None:
    shelf.put("base", f"set:\n  {THP}: never\n")

    def digest(body: str, head: str = "version: 1\n") -> str:
        shelf.put("one", body, head)
        return shelf.load("one").digest

    plain = digest(f"set:\n  {THP}: never\n  {RMEM_MAX}: 16777216\n")
    same = [
        f"# a comment\nset:\n  {RMEM_MAX}: 16 MiB\n  {THP}: ' never'\n",
        f"summary: words\nset:\n  {THP}: {{exactly: never, why: words}}\n  {RMEM_MAX}: 16M\n",
        f"extends: base\nset:\n  {RMEM_MAX}: 16 MiB\n",
    ]
    assert {digest(body) for body in same} == {plain}
    assert len(plain) == 64
    others = [
        f"set:\n  {THP}: madvise\n  {RMEM_MAX}: 16777216\n",
        f"set:\n  {THP}: never\n  {RMEM_MAX}: {{at_least: 16777216}}\n",
        f"set:\n  {THP}: {{exactly: never, when: {{os: debian}}}}\n  {RMEM_MAX}: 16777216\n",
        f"set:\n  {THP}: never\n",
    ]
    digests = {digest(body) for body in others}
    digests.add(digest(f"set:\n  {THP}: never\n  {RMEM_MAX}: 16777216\n", head="version: 2\n"))
    assert len(digests) == 5
    assert plain not in digests


@pytest.fixture
def base(shelf: Shelf) -> Profile:
    shelf.put("base", f"set:\n  {THP}: never\n  {SWAPPINESS}: 10\n  {SOMAXCONN}: 4096\n")
    return shelf.load("base")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (SWAPPINESS, "1", Wanted(Constraint.EXACTLY, "1")),
        (SWAPPINESS, 1, Wanted(Constraint.EXACTLY, "1")),
        (SWAPPINESS, "{at_most: 5}", Wanted(Constraint.AT_MOST, "5")),
        (SWAPPINESS, {"at_most": "5", "why": "w"}, Wanted(Constraint.AT_MOST, "5", why="w")),
        (SWAPPINESS, "untouched", Wanted(Constraint.UNTOUCHED)),
        (SOMAXCONN, "min(2 * cpus, 16)", Wanted(Constraint.EXACTLY, "min(2 * cpus, 16)")),
        (TCP_RMEM, "4096 131072 6291456", Wanted(Constraint.EXACTLY, "4096 131072 6291456")),
        ("system.cpufreq.boost", True, Wanted(Constraint.EXACTLY, "1")),
        ("system.boot.nosoftlockup", "", Wanted(Constraint.EXACTLY, "present")),
    ],
)
def test_a_setting_may_be_overridden_or_added(
    base: Profile, name: str, value: object, expected: Wanted
) -> None:
    profile = profiles.override(base, {name: value})
    assert wanted(profile.settings[name]) == expected
    assert profile.settings[name].origin == "--set"
    assert profile.digest != base.digest
    assert {**profile.settings, name: None} == {**base.settings, name: None}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("idle", "poll", "poll"), ("mitigations", "off", "off"), ("mitigations", "auto", "auto")],
)
def test_what_harms_a_host_is_refused_unless_it_is_forced_by_name(
    base: Profile, name: str, value: str, text: str
) -> None:
    name = f"system.boot.{name}"
    with pytest.raises(InvalidValue, match="is refused: ") as error:
        profiles.override(base, {name: value})
    assert error.value.hint == f"On the command line --force {name}=… does it."
    forced = profiles.override(base, {name: value}, origin="--force", is_forced=True)
    assert wanted(forced.settings[name]) == Wanted(Constraint.EXACTLY, text)
    assert forced.settings[name].tunable.effect is Effect.REBOOT


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("system.boot.elevator", "is refused, and cannot be forced"),
        ("redis.bind", "is refused, and cannot be forced"),
        (SWAPPINESS, "is not refused: --set"),
    ],
)
def test_nothing_else_can_be_forced(base: Profile, name: str, why: str) -> None:
    with pytest.raises(InvalidValue, match=why) as error:
        profiles.override(base, {name: "1"}, origin="--force", is_forced=True)
    assert error.value.hint == "--force takes system.boot.idle and system.boot.mitigations."


def test_overriding_with_what_is_asked_already_asks_the_same(base: Profile) -> None:
    assert profiles.override(base, {SWAPPINESS: "10"}).digest == base.digest
    assert profiles.override(base, {}) == base


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        (SWAPPINESS, "300", f"inventory: {SWAPPINESS}: 300 is out of range"),
        (SWAPPINESS, "", f"inventory: {SWAPPINESS}: there is no value"),
        (SWAPPINESS, " ", f"inventory: {SWAPPINESS}: there is no value"),
        (SWAPPINESS, "{at_least: 5", f"inventory {SWAPPINESS}:1:13: a bracket is opened"),
        (SWAPPINESS, "$(reboot)", f"inventory: {SWAPPINESS}: '$(reboot)', position 1"),
        (SWAPPINESS, "[1, 2]", f"inventory: {SWAPPINESS}: this is never used"),
        (SWAPPINESS, "1" * 3000, f"inventory {SWAPPINESS}: a value of 3000 characters"),
        (SWAPPINESS, None, f"inventory: {SWAPPINESS}: 'null' is not a whole number"),
    ],
)
def test_an_override_that_is_wrong_is_refused(
    base: Profile, name: str, value: object, what: str
) -> None:
    with pytest.raises(InvalidValue) as error:
        profiles.override(base, {name: value}, origin="inventory")
    assert str(error.value).startswith(what)


def test_an_override_of_an_unknown_tunable_is_refused(base: Profile) -> None:
    with pytest.raises(UnknownTunable, match=r"^--set: there is no tunable named") as error:
        profiles.override(base, {"system.thp.enabeld": "never"})
    assert error.value.hint == "Did you mean system.thp.enabled?"


@pytest.mark.parametrize(
    ("only", "skip", "left"),
    [
        ([], [], {THP, SWAPPINESS, SOMAXCONN}),
        (["system.sysctl.*"], [], {SWAPPINESS, SOMAXCONN}),
        (["*.vm.*", "*thp*"], [], {SWAPPINESS, THP}),
        ([], ["*.net.*"], {THP, SWAPPINESS}),
        (["system.sysctl.*"], ["*.vm.*"], {SOMAXCONN}),
        ([SWAPPINESS], [SWAPPINESS], set()),
        ([], ["system.unit.*"], {THP, SWAPPINESS, SOMAXCONN}),
        (["system.block.scheduler"], [], set()),
        ([], ["system.unit.titan.service.LimitNOFILE"], {THP, SWAPPINESS, SOMAXCONN}),
    ],
)
def test_only_and_skip_choose_settings(
    base: Profile, only: list[str], skip: list[str], left: set[str]
) -> None:
    profile = profiles.select(base, only, skip)
    assert set(profile.settings) == left
    assert all(base.settings[name] == setting for name, setting in profile.settings.items())
    assert (profile.digest == base.digest) == (profile.settings == base.settings)


@pytest.mark.parametrize("glob", ["system.sysct.*", "swappiness", "", "system.sysctl.vm.swapiness"])
def test_a_glob_that_matches_no_tunable_is_a_mistake(base: Profile, glob: str) -> None:
    select: list[Callable[[], Profile]] = [
        lambda: profiles.select(base, only=[glob]),
        lambda: profiles.select(base, skip=[glob]),
    ]
    for choose, option in zip(select, ("--only", "--skip"), strict=True):
        with pytest.raises(UsageError, match=f"^{option} .*matches no tunable"):
            choose()
