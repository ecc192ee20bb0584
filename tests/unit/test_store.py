"""What the controller keeps: whole or not at all, and it notices when something was changed."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.host.wire import encode_manifest
from optimizer.model.errors import DamagedSnapshot
from optimizer.model.result import RunInfo
from optimizer.model.snapshot import snapshot_id
from optimizer.store import files, runs, snapshots
from tests.unit.factories import snapshot
from tests.unit.shell_lab import blobs

MACHINE = "0123456789abcdef"
MANIFEST = encode_manifest(snapshot([]))
BLOBS = blobs(b"", b"\x00\xff\n", b"text")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the store a directory that is not there yet."""
    monkeypatch.setenv("OPTIMIZER_STATE_DIR", str(tmp_path / "state" / "here"))
    return tmp_path / "state" / "here"


def kept(state: Path, identity: str) -> Path:
    return state / "snapshots" / MACHINE / identity


def test_a_snapshot_reads_back_as_it_was_saved(state: Path) -> None:
    identity = snapshots.save(MACHINE, MANIFEST, BLOBS)
    assert identity == snapshot_id(MANIFEST)
    assert snapshots.read(MACHINE, identity) == (MANIFEST, BLOBS)
    assert snapshots.save(MACHINE, MANIFEST, BLOBS) == identity


def test_only_the_owner_can_read_it(state: Path) -> None:
    identity = snapshots.save(MACHINE, MANIFEST, BLOBS)
    found = [path for path in kept(state, identity).rglob("*") if path.is_file()]
    assert len(found) == 4
    assert {oct(path.stat().st_mode) for path in found} == {"0o100600"}
    assert oct(kept(state, identity).stat().st_mode) == "0o40700"


@pytest.mark.parametrize("which", ["manifest", "files"])
@pytest.mark.parametrize("damage", ["changed", "cut", "not text"])
def test_a_changed_copy_is_found(state: Path, which: str, damage: str) -> None:
    identity = snapshots.save(MACHINE, MANIFEST, BLOBS)
    path = kept(state, identity) / which
    path = max(path.iterdir(), key=lambda one: one.stat().st_size) if path.is_dir() else path
    content = path.read_bytes()
    path.write_bytes(
        {"changed": b"X" + content[1:], "cut": content[:-1], "not text": b"\xff"}[damage]
    )
    with pytest.raises(DamagedSnapshot, match=identity[:8]):
        snapshots.read(MACHINE, identity)


def test_a_copy_that_is_not_there_is_damaged(state: Path) -> None:
    with pytest.raises(DamagedSnapshot, match="No such file"):
        snapshots.read(MACHINE, "f" * 64)


def test_bytes_are_found_by_their_hash_in_any_snapshot(state: Path) -> None:
    snapshots.save(MACHINE, MANIFEST, {})
    identity = snapshots.save(MACHINE, encode_manifest(snapshot([], label="second")), BLOBS)
    for sha, content in BLOBS.items():
        assert snapshots.find_blob(MACHINE, sha) == content
        assert snapshots.find_blob("another machine", sha) is None
        (kept(state, identity) / "files" / sha).write_bytes(b"changed")
        assert snapshots.find_blob(MACHINE, sha) is None


def test_a_snapshot_that_cannot_be_kept_says_why(state: Path) -> None:
    state.parent.mkdir(parents=True)
    state.write_text("a file stands where the directory should be")
    with pytest.raises(snapshots.StoreFull, match="cannot keep its copy"):
        snapshots.save(MACHINE, MANIFEST, BLOBS)


def test_a_host_without_a_machine_id_has_a_place_too(state: Path) -> None:
    identity = snapshots.save("", MANIFEST, {})
    assert snapshots.read("", identity) == (MANIFEST, {})


class Full(OSError):
    """The disk is full."""


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_file_is_the_old_one_until_it_is_the_new_one(
    state: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = state / "one"
    files.write(path, b"old")

    def fail(*_: object) -> None:
        raise Full

    with monkeypatch.context() as patch:
        patch.setattr(os if step == "fsync" else Path, step, fail)
        with pytest.raises(Full):
            files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(state.iterdir()) == [path]
    files.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(state.iterdir()) == [path]


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(1, 10**8))
def test_run_ids_sort_by_time(moment: datetime, later: int) -> None:
    early = runs.new_id(moment.replace(tzinfo=UTC))
    late = runs.new_id(moment.replace(tzinfo=UTC) + timedelta(seconds=later))
    assert early < late


def test_run_ids_are_in_utc_and_differ_at_the_same_second() -> None:
    moment = datetime(2026, 11, 21, 12, 15, tzinfo=timezone(timedelta(hours=2)))
    ids = {runs.new_id(moment) for _ in range(20)}
    assert all(identity.startswith("r-20261121-101500-") for identity in ids)
    assert len(ids) > 15


def info(identity: str) -> RunInfo:
    return RunInfo(
        id=identity,
        created="2026-11-21T10:15:00Z",
        verb="apply",
        profile="hft",
        by="ana@desk",
        hosts=2,
        changed=1,
        restored=0,
        failed=1,
    )


def test_runs_are_listed_newest_first_and_keep_their_result(state: Path) -> None:
    for identity in ("r-20261121-101500-aa", "r-20261122-101500-aa", "r-20261121-101501-aa"):
        path = runs.record(info(identity), '{"schema": "optimizer/apply/1", "x": [1]}')
        assert json.loads(path.read_text())["result"] == {"schema": "optimizer/apply/1", "x": [1]}
    assert runs.listed() == (
        [
            info("r-20261122-101500-aa"),
            info("r-20261121-101501-aa"),
            info("r-20261121-101500-aa"),
        ],
        [],
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"run": {}}', '{"result": {}}', '"run"'])
def test_a_record_that_cannot_be_read_hides_no_other(state: Path, text: str) -> None:
    runs.record(info("r-20261121-101500-aa"), "{}")
    broken = state / "runs" / "r-20261122-101500-bb.json"
    broken.write_text(text)
    found, [problem] = runs.listed()
    assert [run.id for run in found] == ["r-20261121-101500-aa"]
    assert (problem.path, "cannot be believed" in problem.what) == (str(broken), True)


def test_before_the_first_run_there_is_none() -> None:
    assert runs.listed() == ([], [])


def test_the_state_is_kept_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPTIMIZER_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere/state")
    assert files.state_directory() == Path("/somewhere/state/optimizer")
