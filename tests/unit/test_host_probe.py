"""The probe, run for real in each shell: what it finds, and that it leaves nothing behind."""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from optimizer.app.probing import read_observation
from optimizer.host import program
from optimizer.host.wire import apply_program, parse_answer, probe_program, take_program
from optimizer.model.fleet import Reply
from optimizer.model.observation import Observation, ValueState
from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import FileStep, Step
from tests.unit.shell_lab import (
    SHELLS,
    Lab,
    blobs,
    identity_of,
    ref,
    setting,
    skip_without,
    skip_without_rights,
)

THP = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.fixture(params=SHELLS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A host for each of the shells."""
    made = Lab(tmp_path, skip_without(request.param))
    yield made
    made.disarm()


def look(lab: Lab, request: ProbeRequest) -> Observation:
    """Probe this machine and the lab on it; nothing may be left in the temporary directory."""
    scratch = lab.root / "scratch"
    scratch.mkdir(exist_ok=True)
    process = lab.start(probe_program(request), TMPDIR=str(scratch))
    text, complaint = process.communicate(timeout=60)
    assert complaint == ""
    assert list(scratch.iterdir()) == []
    seen = read_observation("db-1", Reply(text))
    assert isinstance(seen, Observation), seen
    return seen


def test_one_look_finds_values_files_and_facts(lab: Lab) -> None:
    values = {"60": "60", "tabs": "4096\t131072 \t 6291456 ", "empty": "", "eth0:1": "7"}
    for name, text in values.items():
        lab.value(name, text)
    (lab.root / "host/values/directory").mkdir()
    own = lab.file("etc/a b.conf", b"\x00\xff\n'", 0o640)
    link = lab.root / "host/etc/link"
    link.symlink_to("/some where")
    asked = ProbeRequest(
        values=frozenset({f"{lab.root}/host/values/*", "/nothing/*/here", str(THP)}),
        files=frozenset({str(own), str(link), f"{lab.root}/host/none/x", f"{lab.root}/host/etc/y"}),
        names=frozenset({"root", "nobody-is-called-this"}),
        modules=frozenset({"no_such_module:NO_SUCH_OPTION"}),
    )
    before = lab.tree()
    seen = look(lab, asked)
    assert lab.tree() == before
    found = {path.rpartition("/")[2]: (value.state, value.text)
             for path, value in seen.values.items() if path != str(THP)}  # fmt: skip
    assert found == {
        "60": (ValueState.WRITABLE, "60"),
        "tabs": (ValueState.WRITABLE, "4096 131072 6291456"),
        "empty": (ValueState.WRITABLE, ""),
        "eth0:1": (ValueState.WRITABLE, "7"),
        "directory": (ValueState.UNREADABLE, "-"),
    }
    assert "/nothing/*/here" in seen.absent
    state = seen.files[str(own)]
    about = own.stat()
    assert (state.content, state.mode, state.owner, state.sha256) == (
        own.read_bytes(),
        oct(stat.S_IMODE(about.st_mode))[2:],
        f"{about.st_uid}:{about.st_gid}",
        ref(own.read_bytes()).sha256,
    )
    assert seen.links == {str(link): "/some where"}
    assert seen.directories >= {f"{lab.root}/host", f"{lab.root}/host/etc"}
    assert seen.users == {"root"}
    assert seen.modules == {"no_such_module": "missing"}
    assert seen.facts.kernel == platform.release()
    assert seen.facts.hostname == platform.node()
    assert seen.facts.uid == os.getuid()
    assert seen.facts.ram <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 1 <= seen.facts.cpus <= (os.cpu_count() or 1)


def test_of_a_list_of_choices_the_chosen_one_is_the_value(dash: Lab) -> None:
    if not THP.exists():
        pytest.skip(f"this kernel has no {THP}")
    seen = look(dash, ProbeRequest(values=frozenset({str(THP)})))
    value = seen.values[str(THP)]
    words = THP.read_text().split()
    assert f"[{value.text}]" in words
    assert list(value.options) == [word.strip("[]") for word in words]


def test_what_a_snapshot_touched_is_looked_at_too(lab: Lab) -> None:
    skip_without_rights()
    first, own = lab.value("first", "60"), lab.file("etc/own.conf", b"old")
    steps: list[Step] = [
        setting(first, "60", "1"),
        FileStep(path=str(own), before=ref(b"old"), after=ref(b"new")),
    ]
    change = lab.change(steps, blobs=blobs(b"old", b"new"))
    identity = lab.put_through(change)
    seen = look(lab, ProbeRequest(snapshots=True))
    assert seen.snapshots == {
        identity: (lab.state / "snapshots" / identity / "manifest").read_text()
    }
    assert seen.damaged == {}
    assert seen.values[str(first)].text == "1"
    assert seen.files[str(own)].content == b"new"
    assert look(lab, ProbeRequest()).snapshots == {}


@pytest.mark.parametrize("damage", ["manifest", "changed bytes", "missing bytes"])
def test_a_snapshot_that_is_damaged_is_named(dash: Lab, damage: str) -> None:
    own = dash.file("etc/own.conf", b"old")
    step = FileStep(path=str(own), before=ref(b"old"), after=ref(b"new"))
    identity = dash.put_through(dash.change([step], blobs=blobs(b"old", b"new")))
    kept = dash.state / "snapshots" / identity
    blob = kept / "files" / ref(b"old").sha256
    match damage:
        case "manifest":
            (kept / "manifest").write_text((kept / "manifest").read_text() + "x\ty\n")
        case "changed bytes":
            blob.write_bytes(b"odd")
        case "missing bytes":
            blob.unlink()
    seen = look(dash, ProbeRequest(snapshots=True))
    [(name, what)] = seen.damaged.items()
    assert name == identity
    assert ("manifest" if damage == "manifest" else f"the bytes of {blob.name}") in what


def test_a_change_that_waits_is_told(dash: Lab) -> None:
    change = dash.change([setting(dash.value("first", "60"), "60", "1")])
    dash.apply(change)
    pending = look(dash, ProbeRequest()).pending
    assert pending is not None
    assert (pending.run, pending.by, pending.doing) == (change.run, "ana@desk", "")
    assert pending.left is not None and 590 < pending.left <= 600


def functions(name: str, entry: str) -> str:
    """Return a program without the line that starts it."""
    head, start, _ = program(name).rpartition(f"\n{entry}")
    assert start
    return head + "\n"


def test_configuration_is_read_from_files_of_any_name(lab: Lab) -> None:
    """A name with a blank would otherwise keep awk from reading the files after it."""
    names = ("10-a.conf", "20 two words.conf", "30-*.conf", "40-a=b.conf", "50-masked.conf")
    for name in names[:4]:
        lab.file(f"sysctl.d/{name}", f"# {name}\n\n ; x\nkey = {name}\n".encode())
    folder = lab.root / "host/sysctl.d"
    (folder / names[4]).symlink_to("/dev/null")
    (folder / "60-broken.conf").symlink_to(folder / "nothing")
    text = functions("probe", "probe_main") + (
        f"cd '{folder}' && config_lines sysctl '!/^[ \\t]*([#;]|$)/' ./*.conf ./none.conf"
    )
    answers = lab.run(text)
    lines = [answer.fields for answer in answers if answer.word == "config"]
    assert sorted(lines) == [("sysctl", f"./{name}", "4", f"key = {name}") for name in names[:4]]
    files = [answer.fields[1:3] for answer in answers if answer.word == "config-file"]
    assert sorted(files) == [
        *((f"./{name}", "") for name in names[:4]),
        ("./50-masked.conf", "/dev/null"),
        ("./60-broken.conf", str(folder / "nothing")),
    ]


def test_a_snapshot_is_kept_without_a_change(lab: Lab) -> None:
    skip_without_rights()
    own = lab.file("etc/own.conf", b"old")
    step = FileStep(path=str(own), before=ref(b"old"), after=ref(b"old"))
    kept = lab.change([step], kind="snapshot", blobs=blobs(b"old"))
    before = lab.tree()
    for _ in range(2):
        answers = lab.run(take_program(kept))
        assert [(answer.word, *answer.fields) for answer in answers] == [
            ("snapshot", identity_of(kept)),
            ("result", "taken"),
        ]
    assert lab.tree() == before
    found = lab.state / "snapshots"
    assert [path.name for path in found.iterdir()] == [identity_of(kept)]
    assert {path.name for path in (found / identity_of(kept)).iterdir()} == {
        "manifest", "id", "files", "restore",
    }  # fmt: skip


def test_the_answer_to_a_change_fits_the_reader(dash: Lab) -> None:
    """Every line that the programs print has a word that the controller knows."""
    first = dash.value("first", "60")
    text = dash.run(apply_program(dash.change([setting(first, "61", "1")]), 60))
    assert parse_answer("stale\tt.first\t" + f"{first}\t61\t60\nresult\tstale\n") == text
