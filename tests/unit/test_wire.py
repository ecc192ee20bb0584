"""The language between controller and host: nothing that is sent or kept changes on its way."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.host.wire import (
    Answer,
    GarbledAnswer,
    _escaped,
    apply_program,
    assign,
    confirm_program,
    decode_file,
    decode_manifest,
    encode_manifest,
    parse_answer,
    probe_program,
)
from optimizer.model.request import ProbeRequest
from optimizer.model.snapshot import Snapshot, snapshot_id
from optimizer.model.transaction import (
    ActionStep,
    DirectoryStep,
    FileRef,
    FileStep,
    LinkStep,
    ModuleStep,
    ValueStep,
)
from optimizer.model.tunable import Permission
from tests.unit.factories import snapshot
from tests.unit.model_host import variables_of
from tests.unit.shell_lab import SHELLS, skip_without

# Words as hosts and people use them; blanks separate them one by one.
WORDS = st.text(
    st.characters(exclude_categories=("Z", "C"), exclude_characters="@"), min_size=1, max_size=8
)
LINES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
EMPTY_OR_LINES = st.one_of(st.just(""), LINES)
PATHS = LINES.map("/{}".format)
HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
REFS = st.builds(
    FileRef,
    sha256=HASHES,
    mode=st.sampled_from(["644", "600", "4755"]),
    owner=st.sampled_from(["0:0", "1000:1000"]),
)
NEEDS = st.lists(st.sampled_from(Permission), unique=True).map(tuple)
STEPS = st.one_of(
    st.builds(
        ValueStep,
        tunable=LINES,
        path=PATHS,
        before=EMPTY_OR_LINES,
        after=EMPTY_OR_LINES,
        write=st.sampled_from(["set", "file", "pend", "follow", "hold"]),
        restore=st.sampled_from(["set", "skip"]),
        patience=st.integers(0, 600),
        needs=NEEDS,
        waited=EMPTY_OR_LINES,
    ),
    st.builds(FileStep, path=PATHS, before=st.none() | REFS, after=st.none() | REFS),
    st.builds(LinkStep, path=PATHS, before=st.none() | PATHS, after=st.none() | PATHS),
    st.builds(DirectoryStep, path=PATHS, is_present=st.booleans()),
    st.builds(ModuleStep, name=WORDS, is_loaded=st.booleans()),
    st.builds(
        ActionStep,
        action=st.sampled_from(
            ["daemon-reload", "restart-unit", "restart-postgresql", "restart-later"]
        ),
        argument=st.sampled_from(["", "redis-server.service"]),
        needs=NEEDS,
    ),
)
SNAPSHOTS = st.builds(
    Snapshot,
    run=WORDS,
    kind=st.sampled_from(["apply", "rollback", "snapshot"]),
    created=WORDS,
    profile=EMPTY_OR_LINES,
    version=st.integers(0, 10**6),
    by=LINES,
    machine_id=WORDS,
    boot_id=WORDS,
    kernel=LINES,
    steps=st.lists(STEPS, max_size=6).map(tuple),
    undoes=st.lists(HASHES, max_size=3).map(tuple),
    label=EMPTY_OR_LINES,
)


@given(SNAPSHOTS)
def test_a_manifest_reads_back_as_the_snapshot_it_was(made: Snapshot) -> None:
    manifest = encode_manifest(made)
    assert decode_manifest(manifest) == made
    assert encode_manifest(decode_manifest(manifest)) == manifest


@settings(max_examples=15)
@given(SNAPSHOTS, SNAPSHOTS)
def test_different_snapshots_have_different_ids(one: Snapshot, other: Snapshot) -> None:
    ids = {snapshot_id(encode_manifest(made)) for made in (one, other)}
    assert len(ids) == (1 if one == other else 2)


@given(label=st.text(), text=st.text())
def test_no_text_can_add_a_line_or_a_field_to_a_manifest(label: str, text: str) -> None:
    step = ValueStep(tunable="t", path="/p", before=text, after="1")
    manifest = encode_manifest(snapshot([step], label=label))
    assert manifest.count("\n") == encode_manifest(snapshot([step])).count("\n")
    read = decode_manifest(manifest)
    assert read.steps[0] == step.model_copy(update={"before": " ".join(text.split())}) or (
        "@empty" in text
    )


@pytest.mark.parametrize("end", ["", "\t0", "\t0\t-"])
def test_a_manifest_of_an_earlier_version_is_read(end: str) -> None:
    line = f"value\tt\t/p\t1\t2\tset\tset{end}\n"
    read = decode_manifest(encode_manifest(snapshot([])) + line)
    assert read.steps == (ValueStep(tunable="t", path="/p", before="1", after="2"),)


@given(st.text())
def test_what_is_no_manifest_is_named_as_such(text: str) -> None:
    with pytest.raises(GarbledAnswer):
        decode_manifest(text)


@pytest.mark.parametrize(
    "line",
    [
        "value\tt\t/p\t1",
        "value\tt\t/p\t1\t2\tdo\tset",
        "file\t/p",
        "file\t/p\tabc 644\t@absent",
        "link\t/p",
        "directory",
        "module\tm",
        "action\treboot\t-\t-",
        "action\tdaemon-reload\t-\tnever",
    ],
)
def test_a_step_that_is_cut_or_unknown_is_garbled(line: str) -> None:
    with pytest.raises(GarbledAnswer):
        decode_manifest(encode_manifest(snapshot([])) + line + "\n")


@pytest.mark.parametrize("key", ["run", "kind", "created", "version", "machine", "undoes"])
def test_a_header_that_misses_a_line_is_garbled(key: str) -> None:
    lines = encode_manifest(snapshot([])).splitlines(keepends=True)
    with pytest.raises(GarbledAnswer):
        decode_manifest("".join(line for line in lines if not line.startswith(f"{key}\t")))


def test_a_file_is_described_in_three_words() -> None:
    assert decode_file("@absent") is None
    assert decode_file("ab 644 0:0") == FileRef(sha256="ab", mode="644", owner="0:0")
    with pytest.raises(ValueError, match="not enough values"):
        decode_file("ab 644")


# What the host's `tr` lets through, without the separators.
FIELDS = st.text(st.characters(min_codepoint=32, max_codepoint=126))


@given(st.lists(st.lists(FIELDS, min_size=1)))
def test_an_answer_is_split_into_its_lines_and_fields(rows: list[list[str]]) -> None:
    text = "".join("\t".join(row) + "\n" for row in rows)
    kept = [row for row in rows if row != [""]]
    assert parse_answer(text) == tuple(Answer(word, tuple(rest)) for word, *rest in kept)


def shell_prints(shell: tuple[str, ...], script: str) -> bytes:
    """Run a script that is read from standard input, as the programs are."""
    command = [*shell, "-c", 'eval "$(cat)"']
    done = subprocess.run(command, input=script.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout


ALL_BYTES = bytes(range(256))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "content",
    [
        ALL_BYTES,
        ALL_BYTES[::-1],
        b"",
        b"\n",
        b"\n\n",
        b"\\0101",
        b"\\c stop",
        b"'\"'",
        b"\x010",
        b"-n",
        b"%s%b",
        b"\x00" * 50,
    ],
    ids=lambda content: repr(content[:8]),
)
def test_these_bytes_arrive_as_they_are(shell: str, content: bytes) -> None:
    printed = shell_prints(skip_without(shell), f"printf '%b' {_escaped(content)}")
    assert printed == content


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25)
@given(content=st.binary(max_size=200))
def test_any_bytes_arrive_as_they_are(shell: str, content: bytes) -> None:
    printed = shell_prints(skip_without(shell), f"printf '%b' {_escaped(content)}")
    assert printed == content


NO_NUL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50)


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25)
@given(text=NO_NUL)
def test_a_variable_arrives_as_it_is_and_runs_nothing(shell: str, text: str) -> None:
    printed = shell_prints(skip_without(shell), assign(GIVEN=text) + "printf '%s' \"$GIVEN\"")
    assert printed == text.encode()


@pytest.mark.parametrize("shell", SHELLS)
def test_an_answer_is_ascii_whatever_the_host_holds(shell: str) -> None:
    program = probe_program(ProbeRequest(values=frozenset({"/nothing/caf\u00e9\x07"})))
    # Only the line about the value is looked at; the rest is the machine's.
    answer = shell_prints(skip_without(shell), program)
    assert b"absent\t/nothing/caf???\n" in answer
    assert set(answer) <= {9, 10, *range(32, 127)}


def test_a_program_carries_what_it_needs() -> None:
    change = replace(snapshot([DirectoryStep(path="/d")]), blobs={"ab": b"text\n"})
    given_variables = variables_of(apply_program(change, 90))
    assert given_variables["RUN"] == change.run
    assert given_variables["TIMEOUT"] == "90"
    assert given_variables["MACHINE"] == change.machine_id
    assert given_variables["BOOT"] == change.boot_id
    assert decode_manifest(given_variables["MANIFEST"]) == replace(change, blobs={})
    assert given_variables["EXPECTED_ID"] == snapshot_id(given_variables["MANIFEST"])
    assert "restore_journal" in given_variables["RESTORE_PROGRAM"]
    assert "put_blob ab 'text\\0012'" in given_variables["PROGRAM"]


def test_confirming_reads_again_over_the_same_connection() -> None:
    request = ProbeRequest(values=frozenset({"/a", "/b"}), files=frozenset({"/f"}))
    asked = variables_of(confirm_program("r-1", request, "id"))
    assert (asked["RUN"], asked["EXPECTED_ID"]) == ("r-1", "id")
    assert (asked["VALUES"], asked["FILES"]) == ("/a\n/b", "/f")
