"""A host that lies: whatever it answers is an observation or a clear error, for it alone."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer import profiles
from optimizer.app.guarded import answers_of
from optimizer.app.outcomes import notes_of, problems_of, verdict_of
from optimizer.app.plan import plan as make_plan
from optimizer.app.probing import Failure, read_observation
from optimizer.app.requests import ProfileRequest
from optimizer.app.rollback import plan_rollback
from optimizer.app.score import score
from optimizer.app.verify import verify
from optimizer.host.wire import GarbledAnswer, decode_manifest, encode_manifest, probe_program
from optimizer.model.errors import InvalidValue
from optimizer.model.fleet import Reply
from optimizer.model.observation import Observation
from optimizer.model.plan import Plan
from optimizer.model.request import ProbeRequest
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import FileRef, LineStep, ValueStep
from optimizer.modules.examination import request_for
from optimizer.modules.host_plan import plan_host
from tests.unit.damage import flipped
from tests.unit.factories import FakeFleet, Fault, profile, snapshot
from tests.unit.model_host import ModelHost
from tests.unit.strategies import WISHES
from tests.unit.test_hostile_values import EVIL

# Every word that a parser of answers knows.
_WORDS = """
fact disk value absent depends edited file link directory odd config config-file module unit
limit process user group authority service snapshot damaged undone pending broken lined end
redis redis-argument redis-config redis-database redis-fixed redis-info redis-line redis-unable
redis-unloaded postgresql postgresql-auto postgresql-database postgresql-health
postgresql-object postgresql-unasked postgresql-objects pgbouncer pgbouncer-config
pgbouncer-line pgbouncer-argument package node node-configured node-file node-flag node-line
node-process node-refused node-said node-unit node-variable library-user
"""
WORDS = _WORDS.split()
_NAMES = """
hostname machine_id boot_id kernel init uid processors cpus_allowed mem_total cpu.max memory.max
huge_pages numa_nodes now uptime memory_pressure state_free 6379 5432 kind unit pid answer
settings files version config 1 -1 0 x.service /etc/a /proc/sys/vm/swappiness writable unreadable
@absent @empty 644 0:0
"""
NAMES = _NAMES.split()
JSONS = ("{}", "[]", "null", "[[]]", '{"a": null}', '[null, "x", 1, {}]', "1e999", "NaN", '"')
ODD_NUMBERS = ("0", "-1", "nan", "inf", "1e400", "9" * 5000, "0x10", "١", "1_000", "")
FIELDS = st.one_of(
    st.sampled_from((*NAMES, *JSONS, *ODD_NUMBERS, *EVIL)),
    st.text(st.characters(exclude_characters="\t\n"), max_size=12),
)
LINES = st.builds(
    lambda word, fields: "\t".join((word, *fields)),
    st.sampled_from(WORDS),
    st.lists(FIELDS, max_size=8),
)
ALL = profile({name: values[0] for name, values in WISHES.items() if "dirty" not in name})
GOOD = ModelHost().answer(probe_program(request_for(ALL))).splitlines()


def take(lines: list[str]) -> Observation | Failure:
    return read_observation("db-1", Reply("".join(f"{line}\n" for line in lines)))


def go_on(seen: Observation | Failure) -> None:
    """Make of an answer what the verbs make of it."""
    if isinstance(seen, Failure):
        assert seen.is_reached and seen.error.startswith("db-1 gave an answer that cannot be read")
        return
    made = plan_host("db-1", ALL, seen, {}, frozenset())
    json.dumps(made.model_dump(mode="json"))


@given(st.lists(LINES, max_size=6))
@settings(max_examples=400)
def test_lines_of_any_kind_are_read_or_refused(lines: list[str]) -> None:
    go_on(take([*GOOD[:-1], *lines, "end"]))


@given(st.data())
@settings(max_examples=300)
def test_a_field_of_a_good_answer_may_be_anything(data: st.DataObject) -> None:
    lines = list(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        fields = lines[at].split("\t")
        fields[data.draw(st.integers(0, len(fields) - 1))] = data.draw(FIELDS)
        lines[at] = "\t".join(fields)
    go_on(take(lines))


@given(st.binary(max_size=200))
def test_bytes_are_no_answer(content: bytes) -> None:
    seen = read_observation("db-1", Reply(content.decode("utf-8", "surrogateescape")))
    assert isinstance(seen, Failure)


def test_a_flipped_answer_is_read_or_refused() -> None:
    text = "".join(f"{line}\n" for line in GOOD).encode()
    draw = random.Random(1)  # noqa: S311 - places to damage, no secrets
    for _ in range(300):
        damaged = flipped(text, draw.randrange(len(text)), draw.randrange(8))
        go_on(read_observation("db-1", Reply(damaged.decode("utf-8", "replace"))))


@given(st.lists(LINES, max_size=8), st.lists(FIELDS, max_size=6))
def test_any_answer_to_a_change_is_read(lines: list[str], fields: list[str]) -> None:
    for word in ("problem", "failed", "stale", "refused", "note", "unheld", "foreign", "result"):
        text = "\n".join([*lines, "\t".join((word, *fields))])
        answers = answers_of(Reply(text))
        assert isinstance(verdict_of(answers), str)
        problems_of(answers), notes_of(answers)


@given(st.lists(LINES, max_size=8))
def test_any_manifest_is_read_or_refused(lines: list[str]) -> None:
    text = encode_manifest(snapshot([]))
    for damaged in (text + "\n".join(lines), "\n".join(lines)):
        try:
            assert isinstance(decode_manifest(damaged), Snapshot)
        except GarbledAnswer:
            continue


@given(st.lists(FIELDS, min_size=5, max_size=5))
def test_a_manifest_has_no_more_fields_and_lines_than_it_should(texts: list[str]) -> None:
    step = ValueStep(tunable=texts[0], path=texts[1], before=texts[2], after=texts[3])
    text = encode_manifest(snapshot([step], label=texts[4]))
    assert len(text.splitlines()) == len(encode_manifest(snapshot([])).splitlines()) + 1
    [read] = decode_manifest(text).steps
    assert isinstance(read, ValueStep)
    assert (read.write, read.restore) == ("set", "set")


def test_one_host_that_lies_takes_no_other_along() -> None:
    odd = ("postgresql\t5432\tdata\t/d", "postgresql-health\t5432\t[7]")
    lie = "\n".join([*GOOD[:-1], *odd, "end"])
    hosts = {"good": ModelHost(), "liar": ModelHost()}
    fleet = FakeFleet(hosts, {"liar": {"probe": [Fault(Reply(lie))] * 9}})
    request = ProfileRequest(name="development")
    for answer in (make_plan(fleet, request), score(fleet, request), verify(fleet, request)):
        good, liar = answer.hosts
        assert good.state not in ("refused", "unreachable")
        assert liar.state in ("refused", "unreachable")
    assert isinstance(plan_rollback(fleet), Plan)


def replacing(line: str) -> LineStep:
    ref = FileRef(sha256="0" * 64, mode="644", owner="0:0")
    return LineStep(path="/etc/a", line="x = 1", before=ref, replaces=line)


@pytest.mark.parametrize("line", ["two  blanks", " before", "behind ", "$(id) '\" `x` \\n", "-n"])
def test_a_line_of_somebody_elses_file_is_kept_as_it_is(line: str) -> None:
    [read] = decode_manifest(encode_manifest(snapshot([replacing(line)]))).steps
    assert read == replacing(line)


@pytest.mark.parametrize("line", ["a\ttab", "a\rb", "a\nb", "a\x1b[1m", "a\x00b", "\u202ea"])
def test_a_line_that_could_not_be_found_again_is_refused(line: str) -> None:
    with pytest.raises(InvalidValue, match="left alone"):
        encode_manifest(snapshot([replacing(line)]))


def test_the_profiles_are_there() -> None:
    assert profiles.load("development").settings
    assert request_for(ALL) != ProbeRequest()
