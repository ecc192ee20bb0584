"""The file of a profile: whatever is in it, the answer names the place and the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer import profiles
from optimizer.model.errors import ProfileError
from optimizer.profiles.document import MAX_BYTES, parse_value
from tests.unit.shelf import SWAPPINESS, THP, Shelf, wanted


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def file_cases() -> list[tuple[str | bytes, str]]:
    noise = bytes(range(256))
    return [
        ("", "Profile one.yaml: there is nothing in it"),
        ("# only a comment\n", "Profile one.yaml: there is nothing in it"),
        (b"\xff\xfe" + noise, "Profile one.yaml: is not a text in UTF-8 (byte 1)"),
        (b"name: one\x00\n", "Profile one.yaml: line 1 has the control character '\\x00'"),
        (b"#" * (MAX_BYTES + 1), "Profile one.yaml: is larger than 256 KiB"),
        ("- a\n- b\n", "Profile one.yaml: this is no profile"),
        ("just words\n", "Profile one.yaml: this is no profile"),
        ("name: one\nset:\n\tx: 1\n", "Profile one.yaml:3:1: a tab indents this line; use spaces"),
        ("name: one\n  version: 1\n", "Profile one.yaml:2:10: a second ': ' in one line"),
        ("name: one\nset: {a: 1\n", "Profile one.yaml:3:1: a bracket is opened"),
        ("name: one\nset:\n  a: 1\n b: 2\n", "Profile one.yaml:4:2: this line is not indented"),
        ("name: 'one\n", "Profile one.yaml:2:1: a quotation mark is opened"),
        ("name: @one\n", "Profile one.yaml:1:7: a value cannot begin with this character"),
        ("name: one\n---\nname: two\n", "Profile one.yaml:2:1: a second document begins here"),
        ("name: &a one\nsummary: *a\n", "Profile one.yaml:1:7: anchors (&) and aliases (*)"),
        ("name: !!python/name:os.system x\n", "Profile one.yaml:1:7: tags (!) have no meaning"),
        ("? [a]\n: 1\n", "Profile one.yaml:1:3: a list or mapping cannot be a name"),
        ("set: " + "[" * 20_000, "Profile one.yaml: lists and mappings are nested too deeply"),
        (f"name: {'x' * 2001}\n", "Profile one.yaml:1:7: a value of 2001 characters"),
        (
            "name: one\nversion: 1\nname: one\n",
            "Profile one.yaml:3:1: name is already set in line 1",
        ),
        ("version: 1\n", "Profile one.yaml: name is missing"),
        ("name: one\n", "Profile one.yaml: version is missing"),
        ("name: one\nversion: 0\n", "Profile one.yaml:2: version: '0' is not a whole number"),
        ("name: one\nversion: '1.0'\n", "Profile one.yaml:2: version: '1.0' is not a whole"),
        ("name: One\nversion: 1\n", "Profile one.yaml:1: the file is one.yaml, but"),
        ("name: [one]\nversion: 1\n", "Profile one.yaml:1: name has to be a text"),
        ("name: one\nversion: 1\nsumary: x\n", "Profile one.yaml:3: 'sumary' is not known here"),
        ("name: one\nversion: 1\nset: [a]\n", "Profile one.yaml:3: set has to be a mapping"),
        ("name: one\nversion: 1\nextends: {a: b}\n", "Profile one.yaml:3: extends has to be"),
        ("name: one\nversion: 1\nextends: ../x\n", "Profile one.yaml:3: extends: '../x' is not a"),
        ("name: one\nversion: 1\nextends:\n", "Profile one.yaml:3: extends: '' is not a name"),
        ("name: one\nversion: 1\n<<: {set: {}}\n", "Profile one.yaml:3: '<<' is not known here"),
    ]


@pytest.mark.parametrize(("content", "what"), file_cases())
def test_a_file_that_is_wrong_says_where_and_how(
    shelf: Shelf, content: str | bytes, what: str
) -> None:
    shelf.put_raw("one", content)
    with pytest.raises(ProfileError) as error:
        shelf.load("one")
    assert str(error.value).startswith(what)
    assert shelf.lint("one")[0] == str(error.value)


def test_a_name_that_differs_from_the_file_is_refused(shelf: Shelf) -> None:
    shelf.put_raw("production", "name: prod\nversion: 1\n")
    with pytest.raises(ProfileError) as error:
        shelf.load("production")
    assert str(error.value) == (
        "Profile production.yaml:1: the file is production.yaml, "
        "but the profile in it is named 'prod'"
    )
    assert error.value.hint == "Give both the same name."


def test_a_setting_that_is_there_twice_is_refused_with_both_lines(shelf: Shelf) -> None:
    error = shelf.refusal(f"{SWAPPINESS}: 1", f"  {THP}: never\n  {SWAPPINESS}: 10\n")
    assert str(error) == f"Profile one.yaml:6:3: {SWAPPINESS} is already set in line 4"


def test_a_directory_and_a_missing_file_are_answered_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    with pytest.raises(ProfileError, match=r"a\.yaml: cannot be read: Is a directory"):
        profiles.load(str(tmp_path / "a.yaml"))
    with pytest.raises(ProfileError, match=r"b\.yaml: cannot be read: No such file"):
        profiles.load(str(tmp_path / "b.yaml"))


def test_windows_line_ends_and_a_byte_order_mark_are_no_problem(shelf: Shelf) -> None:
    text = f"\ufeffname: one\r\nversion: 1\r\nset:\r\n  {THP}: never\r\n"
    shelf.put_raw("one", text)
    assert wanted(shelf.load("one").settings[THP]).value == "never"


def test_an_empty_set_is_a_profile_that_only_extends(shelf: Shelf) -> None:
    shelf.put("base", f"set:\n  {THP}: never\n")
    shelf.put("one", "extends: base\nset:\n")
    assert set(shelf.load("one").settings) == {THP}


@given(text=st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_as_a_value_is_yaml_or_a_proper_refusal(text: str) -> None:
    try:
        parse_value(text, "--set")
    except ProfileError as error:
        assert "--set" in str(error)
