"""NODE_OPTIONS: read as Node reads them, and changed in nothing but what was asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from optimizer.model.errors import InvalidValue
from optimizer.resources import node_options
from optimizer.resources.node_options import Option

HEAP = "--max-old-space-size"
PROBE = "/usr/local/lib/optimizer/node-probe.cjs"

# Words that stand for themselves, in quotes where they have to.
PLAIN = some.from_regex(r"--[a-z]{1,8}(=[a-z0-9/.]{1,8})?", fullmatch=True)
QUOTED = some.from_regex(r'--[a-z]{1,8}="[a-z \\]{0,3}"', fullmatch=True).filter(
    lambda text: "\\" not in text
)
TEXTS = some.lists(PLAIN | QUOTED, max_size=6).map(" ".join)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", []),
        ("--a", [("--a", None)]),
        ("  --a   --b=1 ", [("--a", None), ("--b", "1")]),
        ("--max_old_space_size=5", [(HEAP, "5")]),
        ("--require ./x.js", [("--require", "./x.js")]),
        ("-r ./x.js -C dev", [("--require", "./x.js"), ("--conditions", "dev")]),
        ('--require "./a b.js"', [("--require", "./a b.js")]),
        ('--title="x \\" y"', [("--title", 'x " y')]),
        ('--title=a"b c"d', [("--title", "ab cd")]),
        # Outside of quotes a backslash is one.
        ("--title=a\\b", [("--title", "a\\b")]),
        ("--title=", [("--title", "")]),
    ],
)
def test_options_are_read_as_node_reads_them(
    text: str, options: list[tuple[str, str | None]]
) -> None:
    assert [(one.name, one.value) for one in node_options.parse(text)] == options


def test_a_quote_that_does_not_end_is_refused_as_node_refuses_it() -> None:
    with pytest.raises(InvalidValue, match="a quote that does not end"):
        node_options.parse('--title="a')


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("", f"{HEAP}=7"),
        ("--a", f"--a {HEAP}=7"),
        (f"--a {HEAP}=5 --b", f"--a {HEAP}=7 --b"),
        ("--max_old_space_size=5 --b", f"{HEAP}=7 --b"),
        # The last of several counts; the others would come back with it.
        (f"{HEAP}=5 --b {HEAP}=6", f"--b {HEAP}=7"),
        ('--title="a b" -r ./x.js', f'--title="a b" -r ./x.js {HEAP}=7'),
    ],
)
def test_one_option_is_set_where_it_stood_and_all_else_stays(text: str, changed: str) -> None:
    assert node_options.with_option(text, HEAP, "7") == changed


@given(TEXTS)
def test_what_is_set_is_what_is_read_and_the_others_are_the_same(text: str) -> None:
    changed = node_options.with_option(text, HEAP, "7")
    assert node_options.value_of(changed, HEAP) == "7"
    others = [one for one in node_options.parse(text) if one.name != HEAP]
    assert [one for one in node_options.parse(changed) if one.name != HEAP] == others
    assert node_options.with_option(changed, HEAP, "7") == changed


@given(TEXTS)
def test_a_file_to_load_goes_as_it_came(text: str) -> None:
    loaded = node_options.with_required(text, PROBE, is_wanted=True)
    assert node_options.requires(loaded, PROBE)
    assert node_options.with_required(loaded, PROBE, is_wanted=True) == loaded
    back = node_options.with_required(loaded, PROBE, is_wanted=False)
    assert node_options.parse(back) == node_options.parse(text)


def test_a_bare_option_and_a_value_with_blanks_are_written_as_node_takes_them() -> None:
    assert node_options.with_option("", "--a", "") == "--a"
    written = node_options.with_option("", "--title", 'x "y" z')
    assert node_options.parse(written) == [Option("--title", 'x "y" z', '"--title=x \\"y\\" z"')]


def test_what_others_have_added_is_found_by_name_and_a_file_to_load_by_its_path() -> None:
    ours = f"{HEAP}=7 --require ./a.js"
    theirs = f"{HEAP}=5 --require ./b.js --a"
    assert node_options.missing(ours, theirs) == ["--require", "--a"]
    assert node_options.with_missing(ours, theirs) == f"{ours} --require ./b.js --a"
    assert node_options.with_missing(ours, f"{HEAP}=5") == ours
