"""Expressions: agreement with a reference on any tree, and refusal of everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import floor

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from optimizer.model.errors import InvalidValue
from optimizer.planning.expressions import MAX_LENGTH, MAX_RESULT, counts_bytes, evaluate

GIB = 2**30
FACTS = {"cpus": 8, "numa_nodes": 1, "ram": 31 * GIB + 4096}


@dataclass(frozen=True)
class Tree:
    """An expression as a person would write it, and its value computed without its text.

    binding: how firmly its outermost operator holds, 1 for sums, 2 for products, 3 for the
    rest. Parentheses are written only where they are needed, so precedence is tested too.
    """

    text: str
    value: Callable[[], Fraction]
    binding: int = 3

    def within(self, binding: int) -> str:
        return self.text if self.binding >= binding else f"({self.text})"


UNITS = {"KiB": 2**10, "MiB": 2**20, "gib": 2**30, "GB": 2**30, "k": 2**10, "m": 2**20, "b": 1}
NUMBERS = st.builds(
    lambda whole, hundredths: f"{whole}.{hundredths:02d}" if hundredths else str(whole),
    st.integers(0, 5000),
    st.integers(0, 99),
)


def number(text: str) -> Tree:
    return Tree(text, lambda: Fraction(text))


def size(text: str, unit: str) -> Tree:
    return Tree(f"{text} {unit}", lambda: Fraction(text) * UNITS[unit])


def fact(name: str) -> Tree:
    return Tree(name, lambda: Fraction(FACTS[name]))


def share(text: str, name: str, of: str) -> Tree:
    return Tree(f"{text}%{of}{name}", lambda: Fraction(text) * FACTS[name] / 100)


def binary(left: Tree, right: Tree, operator: str, blank: str) -> Tree:
    def value() -> Fraction:
        a, b = left.value(), right.value()
        return {"+": a + b, "-": a - b, "*": a * b}[operator] if operator != "/" else a / b

    binding = 1 if operator in "+-" else 2
    # a - (b - c) needs its parentheses, (a - b) - c does not.
    right_text = right.within(binding + 1)
    return Tree(f"{left.within(binding)}{blank}{operator}{blank}{right_text}", value, binding)


def negative(inner: Tree) -> Tree:
    return Tree(f"-{inner.within(3)}", lambda: -inner.value(), 3)


def function(name: str, inner: list[Tree]) -> Tree:
    pick = min if name == "min" else max
    text = f"{name}({', '.join(tree.text for tree in inner)})"
    return Tree(text, lambda: pick(tree.value() for tree in inner))


def clamped(value: Tree, low: Tree, high: Tree) -> Tree:
    text = f"clamp({value.text}, {low.text}, {high.text})"
    return Tree(text, lambda: min(max(value.value(), low.value()), high.value()))


NAMES = st.sampled_from(sorted(FACTS))
LEAVES = (
    st.builds(number, NUMBERS)
    | st.builds(size, NUMBERS, st.sampled_from(sorted(UNITS)))
    | st.builds(fact, NAMES)
    | st.builds(share, NUMBERS, NAMES, st.sampled_from([" ", " of ", "  of  "]))
)


def branches(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return (
        st.builds(binary, inner, inner, st.sampled_from("+-*/"), st.sampled_from(["", " ", "\t"]))
        | st.builds(negative, inner)
        | st.builds(
            function, st.sampled_from(["min", "max"]), st.lists(inner, min_size=2, max_size=4)
        )
        | st.builds(clamped, inner, inner, inner)
    )


TREES = st.recursive(LEAVES, branches, max_leaves=10)


@given(TREES)
def test_any_expression_agrees_with_the_reference(tree: Tree) -> None:
    assume(len(tree.text) <= MAX_LENGTH)
    try:
        wanted = floor(tree.value())
    except ZeroDivisionError:
        with pytest.raises(InvalidValue, match="division by zero"):
            evaluate(tree.text, FACTS)
        return
    if abs(wanted) > MAX_RESULT:
        with pytest.raises(InvalidValue, match="64 bits"):
            evaluate(tree.text, FACTS)
        return
    assert evaluate(tree.text, FACTS) == wanted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("25% ram", (31 * GIB + 4096) // 4),
        ("25% of ram", (31 * GIB + 4096) // 4),
        ("50% min(ram, 4 GiB)", 2 * GIB),
        ("50% of (ram - 4096)", 31 * GIB // 2),
        ("min(2 * cpus, 16)", 16),
        ("min(1% ram, 1 GiB) / 1 KiB", (31 * GIB + 4096) // 102400),
        ("clamp(10% ram, 512 MiB, 2 GiB)", 2 * GIB),
        ("clamp(1 MiB, 512 MiB, 2 GiB)", 512 * 2**20),
        # The upper bound wins when the bounds cross.
        ("clamp(5, 10, 3)", 3),
        ("7 / 2", 3),
        ("-7 / 2", -4),
        ("10 - 2 - 3", 5),
        ("2 + 3 * 4", 14),
        ("100 / 10 / 5", 2),
        ("--2", 2),
        # Exact: 0.1 + 0.2 in floating point is more than 0.3.
        ("(0.1 + 0.2 - 0.3) * 10000000000000000000", 0),
    ],
)
def test_examples(text: str, value: int) -> None:
    assert evaluate(text, FACTS) == value


@pytest.mark.parametrize(
    ("text", "position", "what", "hint"),
    [
        ("25% rma", 5, "no fact named rma", "Did you mean ram?"),
        ("2 * cpu", 5, "no fact named cpu", "Did you mean cpus?"),
        ("mim(1, 2)", 1, "no fact named mim", "Did you mean min?"),
        ("2 cpus", 3, "expected a unit", "Write 2 * cpus"),
        ("1 +", 4, "found the end", ""),
        ("", 1, "expected a number, a fact or", ""),
        ("(1 + 2", 7, "expected '\\)'", ""),
        ("1 + 2)", 6, "expected an operator", ""),
        ("1 2", 3, "expected an operator", ""),
        ("25%", 4, "expected a fact", ""),
        ("25% 4", 5, "expected a fact", ""),
        ("min 1", 5, "expected '\\(' after min", ""),
        ("min(1)", 1, "at least 2 values, not 1", ""),
        ("clamp(1, 2)", 1, "takes 3 values, not 2", ""),
        ("min(1, 2", 9, "expected ',' or '\\)'", ""),
        ("min()", 5, "found '\\)'", ""),
        ("cpus / 0", 6, "division by zero", ""),
        ("1 / (cpus - 8)", 3, "division by zero", ""),
        ("1e3", 2, "expected a unit", ""),
        ("1_000", 2, "expected a unit", ""),
        ("0x10", 2, "expected a unit", ""),
        ("ram.real", 4, "'\\.' has no meaning", ""),
        ("1 ** 2", 4, "found '\\*'", ""),
        ("1\n", 2, "has no meaning", ""),
        ("٣", 1, "has no meaning", ""),
        ("9" * 41, 1, "more than 40 digits", ""),
        ("(" * 30, 21, "more than 20 levels", ""),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, position: int, what: str, hint: str) -> None:
    with pytest.raises(InvalidValue, match=f"position {position}: .*{what}") as error:
        evaluate(text, FACTS)
    assert hint in error.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "$(reboot)",
        "`reboot`",
        "1; reboot",
        "cpus if 1 else 2",
        "[cpus for x in y]",
        "lambda: 1",
        "f'{cpus}'",
        "cpus.__class__",
        "ram[0]",
        "cpus = 1",
        "max(*cpus)",
    ],
)
def test_code_is_only_text_that_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        evaluate(text, FACTS)


@given(st.text() | st.text("0123456789.%+-*/(), krambcpusinof", max_size=60))
def test_any_text_gives_a_number_or_a_proper_refusal(text: str) -> None:
    try:
        value = evaluate(text, FACTS)
    except InvalidValue as error:
        assert str(error)
        return
    assert abs(value) <= MAX_RESULT


@pytest.mark.parametrize(
    "text", ["1+" * 5000 + "1", "9" * 100_000, "-" * 100_000 + "1", "*".join(["ram"] * 50)]
)
def test_nothing_large_is_computed(text: str) -> None:
    with pytest.raises(InvalidValue) as error:
        evaluate(text, FACTS)
    assert len(str(error.value)) < 2 * MAX_LENGTH


def test_only_the_facts_that_are_given_exist() -> None:
    assert evaluate("cores * 2", {"cores": 3}) == 6
    with pytest.raises(InvalidValue, match="no fact named cpus"):
        evaluate("cpus", {})


@pytest.mark.parametrize(
    ("text", "is_size"),
    [
        ("25% ram", True),
        ("4 MiB", True),
        ("4 MiB * 2", True),
        ("max(0, ram - 1 GiB)", True),
        ("64 MiB + 4096", True),
        ("4096 - 1 KiB", True),
        ("ram / cpus", True),
        ("1% ram / 1 KiB", False),
        ("min(1% ram, 1 GiB) / 1 KiB", False),
        ("2 * cpus", False),
        ("4096", False),
        ("50% cpus", False),
    ],
)
def test_sizes_are_told_from_numbers(text: str, is_size: bool) -> None:
    assert counts_bytes(text, FACTS) is is_size


@pytest.mark.parametrize("text", ["ram * ram", "1 / ram", "1 MiB * 1 KiB"])
def test_what_is_neither_a_size_nor_a_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match="neither a number nor a size"):
        counts_bytes(text, FACTS)
