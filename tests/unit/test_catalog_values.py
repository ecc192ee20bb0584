"""The value types of the catalogue: what they read, what they refuse, and their laws."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import catalog
from optimizer.catalog import services
from optimizer.catalog.calendar import Calendar
from optimizer.catalog.postgresql_values import Libraries, Real, Rising, Size, Time, Words
from optimizer.catalog.redis_values import (
    BufferLimit,
    BytesOrPercent,
    Mode,
    OomScores,
    Ranked,
    SavePoints,
)
from optimizer.catalog.valuetypes import Barring, CpuList, Limit, TimeSpan
from optimizer.model.errors import InvalidValue
from optimizer.model.logset import LogSetValue
from optimizer.model.values import (
    LONG_MAX,
    Choice,
    Integer,
    IntegerList,
    Sentinel,
    Text,
    ValueType,
)

DECLARED = [
    *(tunable for tunable in catalog.TUNABLES.values() if not tunable.refused),
    *services.DIRECTIVES,
]
# Many tunables share a type; the laws are about types.
BY_TYPE = {repr(tunable.value): tunable for tunable in DECLARED}
VALUE_TYPES = [
    *(pytest.param(tunable.value, id=tunable.id) for tunable in BY_TYPE.values()),
    pytest.param(LogSetValue("titan"), id="system.logrotate.titan"),
]
EXAMPLES = settings(max_examples=25, deadline=None)

LOG_SETS = st.sampled_from(
    (
        '{"paths": ["/var/log/titan/*.log"]}',
        '{"paths": "/var/log/a.log", "rotate": "3", "su": "titan titan"}',
    )
)
OF_REDIS: dict[type, tuple[str, ...]] = {
    Ranked: ("everysec", "Always", "1", "2"),
    SavePoints: ("none", "", "3600 1", "3600 1\t300 100", "60 0 60 5"),
    BytesOrPercent: ("0", "0%", "5%", "5 %", "100%", "64 MiB", "100"),
    BufferLimit: ("0 0 0", "64mb 16mb 60", "64 MiB 16 MiB 60", "0 1g 007"),
    OomScores: ("0 200 800", "-2000 0 2000", "5 5 5"),
    Mode: ("770", "0770", "0", "070", "7"),
}
OF_POSTGRESQL = {
    Libraries: ("pg_stat_statements", "timescaledb, auto_explain", '"a" ,a,'),
    Calendar: ("off", "weekly", "sun 3:00", "Mon..Wed,Fri *-*-7 4:05 UTC"),
}
# Each Text of the catalogue takes some of these.
WORDS = (
    "0-7:2,9",
    "/run/redis/redis.sock",
    "bbr",
    "fq_codel",
    "performance",
    "hourly",
    "*-*-* 00/4:00:00",
    "0f",
    "ff,ffffffff",
)


def samples(value: ValueType) -> st.SearchStrategy[str]:
    """Return texts that a person may write for a value of this type."""
    match value:
        case Barring(inner=inner, barred=barred):
            never = dict(barred)
            return samples(inner).filter(lambda text: inner.canonical(text) not in never)
        case Choice(options=options, aliases=aliases) | Words(options=options, aliases=aliases):
            return st.sampled_from([*options, *(alias for alias, _ in aliases)])
        case Rising(options=options, aliases=aliases):
            return st.sampled_from([*options, *(alias for alias, _ in aliases)])
        case CpuList(flags=flags):
            return st.builds(cpu_list, st.sets(st.sampled_from(["", *flags])), CPU_SPANS)
        case TimeSpan():
            units = st.sampled_from(("", "s", "min", "ms", " us", "h"))
            return st.builds("{}{}".format, st.integers(0, 10**6), units)
        case LogSetValue():
            return LOG_SETS
        case Ranked() | SavePoints() | BytesOrPercent() | BufferLimit() | OomScores() | Mode():
            return st.sampled_from(OF_REDIS[type(value)])
        case Libraries() | Calendar():
            return st.sampled_from(OF_POSTGRESQL[type(value)])
        case Text(pattern=pattern):
            return st.sampled_from([word for word in WORDS if re.fullmatch(pattern, word)])
    return numbers(value)


def numbers(value: ValueType) -> st.SearchStrategy[str]:
    match value:
        case Integer(minimum=minimum, maximum=maximum, unit=unit):
            spellings = (str, " {} ".format, "{} B".format if unit == "bytes" else hex)
            return st.builds(
                lambda number, spell: spell(number),
                st.integers(minimum, maximum),
                st.sampled_from(spellings),
            )
        case Sentinel(number=number, words=words):
            return st.one_of(samples(number), st.sampled_from(words))
        case IntegerList(count=count, minimum=minimum, maximum=maximum):
            some = st.lists(st.integers(minimum, maximum), min_size=count, max_size=count)
            return some.map(lambda numbers: "\t".join(map(str, numbers)))
        case Limit():
            return limits(value)
        case Size(minimum=minimum, maximum=maximum, specials=specials):
            # The least number of bytes that rounding down leaves in range, 0 or a whole step.
            sizes = st.integers(max(minimum, value.multiple), maximum)
            return st.one_of(sizes.map(str), specials_of(specials))
        case Time(minimum=minimum, maximum=maximum, unit=unit, specials=specials):
            times = st.integers(minimum, maximum).map(lambda time: f"{time} {unit}")
            return st.one_of(times, specials_of(specials))
        case Real(minimum=minimum, maximum=maximum, specials=specials):
            reals = st.decimals(minimum, maximum, allow_nan=False, places=6)
            return st.one_of(reals.map("{:f}".format), specials_of(specials))
    raise AssertionError(f"no samples for {value}")


def specials_of(specials: tuple[tuple[int, str], ...]) -> st.SearchStrategy[str]:
    numbers = [str(number) for number, _ in specials]
    return st.sampled_from(numbers) if numbers else st.nothing()


def limits(value: Limit) -> st.SearchStrategy[str]:
    one = st.one_of(st.integers(max(value.minimum, 1), LONG_MAX), st.just("infinity"))
    pair = st.tuples(one, one).map(
        lambda two: sorted(two, key=lambda one: (one == "infinity", one))
    )
    pairs = pair.map(lambda two: f"{two[0]}:{two[1]}")
    return st.one_of(one.map(str), pairs) if value.is_pair else one.map(str)


CPU_SPANS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 8)), min_size=1, max_size=5)


def cpu_list(flags: set[str], spans: list[tuple[int, int]]) -> str:
    ranges = [f"{first}-{first + more}" if more else str(first) for first, more in spans]
    return ",".join([*filter(None, sorted(flags)), *ranges])


@pytest.mark.parametrize("value", VALUE_TYPES)
@EXAMPLES
@given(data=st.data())
def test_canonical_text_is_a_fixed_point(value: ValueType, data: st.DataObject) -> None:
    canonical = value.canonical(data.draw(samples(value)))
    assert canonical
    assert value.canonical(canonical) == canonical


@pytest.mark.parametrize("value", VALUE_TYPES)
@EXAMPLES
@given(data=st.data())
def test_ordered_numbers_can_be_read_back(value: ValueType, data: st.DataObject) -> None:
    """A bound is worked out on the numbers; their text has to be a value again."""
    canonical = value.canonical(data.draw(samples(value)))
    try:
        ordered = value.order(canonical)
    except InvalidValue:
        return
    assert value.canonical(" ".join(map(str, ordered))) == canonical


@pytest.mark.parametrize("value", VALUE_TYPES)
@EXAMPLES
@given(text=st.one_of(st.text(max_size=30), st.from_regex(r"[0-9a-z :,.-]{0,20}", fullmatch=True)))
def test_any_text_is_read_or_refused(value: ValueType, text: str) -> None:
    for read in (value.canonical, value.order):
        try:
            read(text)
        except InvalidValue as refusal:
            assert str(refusal)


@pytest.mark.parametrize(
    "injection", ["1\n2", "$(reboot)", "`reboot`", "1; reboot", "a'b", 'a"b', "1 > /x"]
)
@pytest.mark.parametrize("value", VALUE_TYPES)
def test_no_value_carries_shell_syntax(value: ValueType, injection: str) -> None:
    with pytest.raises(InvalidValue):
        value.canonical(injection)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0,1,2,3", "0-3"),
        ("0-3", "0-3"),
        ("8 2-4 3", "2-4,8"),
        ("5", "5"),
        ("0-1,3", "0-1,3"),
    ],
)
def test_cpu_lists_are_written_as_the_kernel_writes_them(text: str, canonical: str) -> None:
    assert CpuList().canonical(text) == canonical


@pytest.mark.parametrize("text", ["", "3-1", "99999", "a", "1-", "-1", "1-2-3", "domain", "0-9999"])
def test_what_is_no_cpu_list(text: str) -> None:
    with pytest.raises(InvalidValue):
        CpuList().canonical(text)


def test_flags_stand_before_the_cpus() -> None:
    value = catalog.TUNABLES["system.boot.isolcpus"].value
    assert value.canonical("managed_irq,domain,2-3,4") == "managed_irq,domain,2-4"
    with pytest.raises(InvalidValue):
        value.canonical("managed_irq,domain")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("65536", "65536"),
        ("1024:524288", "1024:524288"),
        ("1024 524288", "1024:524288"),
        ("1024:1024", "1024"),
        ("unlimited", "infinity"),
        ("1024:infinity", "1024:infinity"),
        ("18446744073709551615", "infinity"),
    ],
)
def test_limits_of_a_process(text: str, canonical: str) -> None:
    assert Limit(1, is_pair=True).canonical(text) == canonical


def test_limits_in_bytes_take_units() -> None:
    assert Limit(unit="bytes", is_pair=True).canonical("64 MiB") == "67108864"
    assert Limit(unit="bytes", is_pair=True).canonical("1M:2M") == "1048576:2097152"
    assert Limit(unit="bytes").canonical("8G") == str(8 * 2**30)


@pytest.mark.parametrize("text", ["2:1", "infinity:1", "0", "-1", "1:2:3", "many", ""])
def test_what_is_no_limit_of_open_files(text: str) -> None:
    with pytest.raises(InvalidValue):
        Limit(1, is_pair=True).canonical(text)


def test_a_limit_of_the_whole_service_has_one_number() -> None:
    with pytest.raises(InvalidValue, match="one number"):
        Limit().canonical("1:2")


def test_no_limit_is_more_than_any() -> None:
    value = Limit()
    assert value.order("infinity") > value.order(str(LONG_MAX))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("30s", "30s"), ("30", "30s"), ("1min 30s", "90s"), ("1500ms", "1500ms"), ("5 us", "5us")],
)
def test_time_spans_are_compared_by_their_length(text: str, canonical: str) -> None:
    assert TimeSpan().canonical(text) == canonical


@pytest.mark.parametrize("text", ["", "s", "30x", "-1s", "1.5s", "30s;"])
def test_what_is_no_time_span(text: str) -> None:
    with pytest.raises(InvalidValue):
        TimeSpan().canonical(text)
