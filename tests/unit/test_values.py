"""Value types: what they read, what they print, what they compare, what they refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.model.errors import InvalidValue
from optimizer.model.values import (
    INT_MAX,
    LONG_MAX,
    MULTIPLES,
    SWITCH,
    Choice,
    Integer,
    IntegerList,
    Sentinel,
    Text,
    ValueType,
    parse_size,
    plain,
)

SWAPPINESS = Integer(0, 200)
SIGNED = Integer(-1000, 1000)
MEMORY = Integer(0, LONG_MAX, "bytes")
BUFFERS = IntegerList(3, 4096, INT_MAX, "bytes")
LATENCY = Sentinel(Integer(0, INT_MAX, "us"), ("n/a",))
PAGES = Choice(("always", "madvise", "never"))
WORD = Text()
ALL_TYPES = (SWAPPINESS, SIGNED, MEMORY, BUFFERS, LATENCY, PAGES, SWITCH, WORD)

HARMLESS = st.text("abcXYZ019_.,:/@%+= -", min_size=1).filter(str.strip)
BLANKS = st.sampled_from([" ", "\t", "  ", " \t "])

SHELL = ["$(reboot)", "`reboot`", "1; reboot", "1 && reboot", "1|reboot", "1>x", "a'b", 'a"b', "\\"]
CONTROL = ["1\n", "1\n2", "1\r", "1\x00", "\x1b[2J", "1\x7f", "1\x85", "1\u2028", "1\xa0"]


@given(st.integers(0, 200))
def test_a_number_in_range_reads_back_as_itself(number: int) -> None:
    assert SWAPPINESS.canonical(str(number)) == str(number)
    assert SWAPPINESS.order(str(number)) == (number,)


@given(st.integers().filter(lambda number: not 0 <= number <= 200))
def test_a_number_out_of_range_is_refused(number: int) -> None:
    with pytest.raises(InvalidValue):
        SWAPPINESS.canonical(str(number))


def test_the_bounds_are_in_range_and_named_when_missed() -> None:
    assert [SWAPPINESS.canonical(text) for text in ("0", "200")] == ["0", "200"]
    with pytest.raises(InvalidValue, match=r"^201 is out of range, allowed is 0 to 200$"):
        SWAPPINESS.canonical("201")
    with pytest.raises(InvalidValue, match="-1 is out of range"):
        SWAPPINESS.canonical("-1")


@given(st.integers(-1000, 1000), BLANKS, BLANKS)
def test_spellings_of_one_number_are_one_value(number: int, before: str, after: str) -> None:
    spellings = {f"{before}{number}{after}", hex(number), f"{number:+d}"}
    assert {SIGNED.canonical(text) for text in spellings} == {str(number)}


@pytest.mark.parametrize("text", ["", " ", "abc", "1.5", "1e3", "1 2", "0x", "--1", "٣", "10k"])
def test_a_plain_number_refuses_other_texts(text: str) -> None:
    with pytest.raises(InvalidValue):
        SIGNED.canonical(text)


@given(st.integers(0, 2**20), st.sampled_from(sorted(MULTIPLES)), st.booleans(), st.booleans())
def test_a_size_is_its_number_times_its_unit(
    number: int, unit: str, is_upper: bool, is_apart: bool
) -> None:
    text = f"{number}{' ' if is_apart else ''}{unit.upper() if is_upper else unit}"
    assert parse_size(text) == number * MULTIPLES[unit]
    assert MEMORY.canonical(text) == str(number * MULTIPLES[unit])


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64 MiB", 64 * 1024**2),
        ("1g", 1024**3),
        ("1.5 KiB", 1536),
        ("0.1 KiB", None),
        ("1.1", None),
        # Floating point would make a round number of it.
        ("9007199254740993.0", 9007199254740993),
        ("9007199254740993.5", None),
        ("25%", None),
        ("1 XiB", None),
        ("MiB", None),
        ("٣", None),
        ("", None),
        ("9" * 5000, None),
        ("9" * 400 + ".5 TiB", None),
    ],
)
def test_sizes_are_exact_or_refused(text: str, size: int | None) -> None:
    if size is None:
        with pytest.raises(InvalidValue):
            parse_size(text)
    else:
        assert parse_size(text) == size


@given(st.lists(st.integers(4096, INT_MAX), min_size=3, max_size=3), BLANKS)
def test_a_list_reads_back_as_the_kernel_prints_it(numbers: list[int], blank: str) -> None:
    text = blank.join(str(number) for number in numbers)
    assert BUFFERS.canonical(text) == " ".join(str(number) for number in numbers)
    assert BUFFERS.order(text) == tuple(numbers)


@given(st.lists(st.integers(4096, INT_MAX)).filter(lambda numbers: len(numbers) != 3))
def test_a_list_of_another_length_is_refused(numbers: list[int]) -> None:
    with pytest.raises(InvalidValue, match="3 are needed"):
        BUFFERS.canonical(" ".join(str(number) for number in numbers))


def test_a_list_is_ordered_number_by_number_and_not_as_text() -> None:
    small, large = BUFFERS.order("4096 87380 6291456"), BUFFERS.order("4096 131072 16777216")
    assert all(one <= other for one, other in zip(small, large, strict=True))
    assert BUFFERS.order("4KiB 128KiB 16MiB") == (4096, 131072, 16777216)
    with pytest.raises(InvalidValue, match="out of range"):
        BUFFERS.canonical("1 87380 6291456")


@given(st.integers(0, INT_MAX))
def test_a_sentinel_is_its_word_or_a_number(number: int) -> None:
    assert LATENCY.canonical(str(number)) == str(number)
    assert LATENCY.order(str(number)) == (number,)
    assert LATENCY.canonical(" n/a ") == "n/a"


def test_the_word_of_a_sentinel_has_no_order() -> None:
    with pytest.raises(InvalidValue):
        LATENCY.order("n/a")
    with pytest.raises(InvalidValue):
        LATENCY.canonical("none")


@given(st.sampled_from(PAGES.options))
def test_an_option_reads_back_as_itself(option: str) -> None:
    assert PAGES.canonical(f" {option}\t") == option


@pytest.mark.parametrize("text", ["on", "Always", "always never", "", "[always]"])
def test_a_word_outside_the_list_is_refused_with_the_list(text: str) -> None:
    with pytest.raises(InvalidValue, match="always, madvise, never"):
        PAGES.canonical(text)


def test_options_have_no_order() -> None:
    with pytest.raises(InvalidValue, match="at least"):
        PAGES.order("always")


@pytest.mark.parametrize(
    ("texts", "value"),
    [(("1", "on", "ON", "yes", "true", "True"), "1"), (("0", "off", "no", "false"), "0")],
)
def test_a_switch_has_many_names(texts: tuple[str, ...], value: str) -> None:
    assert {SWITCH.canonical(text) for text in texts} == {value}


@given(HARMLESS)
def test_a_word_list_keeps_everything_but_its_blanks(text: str) -> None:
    assert WORD.canonical(text) == " ".join(text.split())


def test_words_have_an_order_when_they_are_numbers() -> None:
    assert WORD.order("9 10") == (9, 10)
    with pytest.raises(InvalidValue):
        WORD.order("bbr")


@pytest.mark.parametrize("kind", ALL_TYPES, ids=lambda kind: type(kind).__name__)
@pytest.mark.parametrize("text", SHELL + CONTROL)
def test_no_type_takes_shell_or_control_characters(kind: ValueType, text: str) -> None:
    with pytest.raises(InvalidValue):
        kind.canonical(text)


@given(st.sampled_from(ALL_TYPES), st.text() | HARMLESS | st.from_regex(r"-?[0-9]+( [0-9]+)*\Z"))
def test_any_text_is_refused_properly_or_reads_back_as_itself(kind: ValueType, text: str) -> None:
    try:
        value = kind.canonical(text)
    except InvalidValue:
        return
    assert kind.canonical(value) == value
    assert plain(value) == value


@given(st.sampled_from(ALL_TYPES), st.text())
def test_order_is_numbers_or_a_proper_refusal(kind: ValueType, text: str) -> None:
    try:
        order = kind.order(text)
    except InvalidValue:
        return
    assert all(isinstance(number, int) for number in order)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (SWAPPINESS, "0 to 200"),
        (MEMORY, f"0 to {LONG_MAX} bytes"),
        (BUFFERS, f"3 numbers, each 4096 to {INT_MAX} bytes"),
        (LATENCY, f"0 to {INT_MAX} us, or n/a"),
        (PAGES, "always | madvise | never"),
        (WORD, "a word"),
    ],
)
def test_a_type_says_what_it_allows(kind: ValueType, words: str) -> None:
    assert kind.describe() == words
