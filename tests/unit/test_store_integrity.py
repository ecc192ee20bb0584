"""What the controller keeps, damaged in every way, or where others may have written it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from optimizer.app.saved import load_plan
from optimizer.host.wire import GarbledAnswer, decode_manifest, encode_manifest
from optimizer.model.errors import DamagedSnapshot, PlanFileError
from optimizer.model.plan import HostPlan, Plan, ProfileRef
from optimizer.model.snapshot import snapshot_id
from optimizer.store import files, runs, snapshots
from tests.unit.damage import (
    NOBODY,
    as_directory,
    as_link,
    as_pipe,
    every_damage,
    owned,
    writable,
)
from tests.unit.factories import snapshot
from tests.unit.shell_lab import blobs
from tests.unit.test_store import info

MACHINE = "0123456789abcdef"
BLOBS = blobs(b"some bytes\n")
PLAN = Plan(
    profile=ProfileRef(name="small", version=1),
    hosts=(HostPlan(name="db-1", state="refused", error="no"),),
).sealed()
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")


def test_no_damaged_plan_is_ever_taken(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    text = json.dumps(PLAN.model_dump(mode="json", by_alias=True)).encode()
    path.write_bytes(text)
    assert load_plan(path) == PLAN
    for damaged in every_damage(text):
        path.write_bytes(damaged)
        with pytest.raises(PlanFileError):
            load_plan(path)


def test_a_plan_of_a_newer_version_is_named_as_that(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    document = PLAN.model_dump(mode="json", by_alias=True)
    path.write_text(json.dumps({**document, "schema": "optimizer/plan/2", "more": 1}))
    with pytest.raises(PlanFileError, match="another version"):
        load_plan(path)


def test_no_damaged_record_of_a_run_is_ever_listed(state: Path) -> None:
    path = runs.record(info("r-20261121-101500-aa"), '{"schema": "optimizer/apply/1"}')
    text = path.read_bytes()
    assert runs.listed() == ([info("r-20261121-101500-aa")], [])
    for damaged in every_damage(text):
        path.write_bytes(damaged)
        found, problems = runs.listed()
        # A blank between two words of JSON may be any other.
        assert not found or found == [info("r-20261121-101500-aa")], damaged
        assert len(found) + len(problems) == 1
        assert not found or json.loads(damaged) == json.loads(text)


def test_records_of_earlier_and_of_later_versions(state: Path) -> None:
    path = runs.record(info("r-20261121-101500-aa"), "{}")
    document = json.loads(path.read_text())
    path.write_text(json.dumps({key: document[key] for key in ("run", "result")}))
    assert runs.listed() == ([info("r-20261121-101500-aa")], [])
    path.write_text(json.dumps({**document, "schema": "optimizer/run/2"}))
    assert "newer version" in runs.listed()[1][0].what
    path.write_text(json.dumps(document))
    path.rename(path.with_name("r-20261121-101500-bb.json"))
    assert "it is that of run r-20261121-101500-aa" in runs.listed()[1][0].what


def test_no_damaged_snapshot_is_ever_read(state: Path) -> None:
    manifest = encode_manifest(snapshot([]))
    name = snapshots.save(MACHINE, manifest, BLOBS)
    kept = state / "snapshots" / MACHINE / name
    for path in (kept / "manifest", *(kept / "files").iterdir()):
        whole = path.read_bytes()
        for damaged in every_damage(whole):
            path.write_bytes(damaged)
            with pytest.raises(DamagedSnapshot):
                snapshots.read(MACHINE, name)
            if path.name in BLOBS:
                assert snapshots.find_blob(MACHINE, path.name) is None
        path.write_bytes(whole)
    assert snapshots.read(MACHINE, name) == (manifest, BLOBS)


ODD: list[object] = [as_link, as_directory, as_pipe, writable, pytest.param(owned, marks=as_root)]


@pytest.mark.parametrize("damage", ODD)
def test_a_copy_or_record_that_others_may_have_written_is_not_read(
    state: Path, damage: Callable[[Path], None]
) -> None:
    name = snapshots.save(MACHINE, encode_manifest(snapshot([])), BLOBS)
    kept = state / "snapshots" / MACHINE / name
    [sha] = BLOBS
    damage(kept / "files" / sha)
    assert snapshots.find_blob(MACHINE, sha) is None
    with pytest.raises(DamagedSnapshot):
        snapshots.read(MACHINE, name)
    damage(runs.record(info("r-20261121-101500-aa"), "{}"))
    found, [problem] = runs.listed()
    assert found == []
    assert "r-20261121-101500-aa.json" in problem.path


@pytest.mark.parametrize("damage", [writable, pytest.param(owned, marks=as_root)])
def test_a_plan_that_others_may_have_written_is_refused(
    tmp_path: Path, damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(PLAN.model_dump_json(by_alias=True))
    damage(path)
    with pytest.raises(PlanFileError, match="look at it, then"):
        load_plan(path)
    # Who calls it through sudo has plans of their own.
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    if damage is owned:
        assert load_plan(path) == PLAN


@pytest.mark.parametrize("damage", [writable, pytest.param(owned, marks=as_root)])
def test_nothing_is_kept_where_others_may_write(
    state: Path, damage: Callable[[Path], None]
) -> None:
    state.mkdir(parents=True)
    damage(state)
    with pytest.raises(snapshots.StoreFull, match="look at it, then"):
        snapshots.save(MACHINE, encode_manifest(snapshot([])), BLOBS)
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("found", [None, 0o755, 0o750])
def test_the_state_is_for_its_owner_alone(state: Path, umask: int, found: int | None) -> None:
    if found:
        state.mkdir(parents=True)
        state.chmod(found)
    before = os.umask(umask)
    try:
        snapshots.save(MACHINE, encode_manifest(snapshot([])), BLOBS)
        runs.record(info("r-20261121-101500-aa"), "{}")
        files.write(state.parent / "plan.json", b"{}")
    finally:
        os.umask(before)
    for path in (state, *state.rglob("*"), state.parent / "plan.json"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_manifest_with_what_only_a_newer_version_knows_is_refused() -> None:
    manifest = encode_manifest(snapshot([]))
    assert manifest.startswith("format\t1\n")
    for newer in (
        manifest.replace("format\t1\n", "format\t2\n"),
        manifest.replace("format\t1\n", "format\tx\n"),
        manifest + "hologram\ta\tb\n",
    ):
        with pytest.raises(GarbledAnswer):
            decode_manifest(newer)
    # Earlier ones had none.
    earlier = manifest.removeprefix("format\t1\n")
    assert decode_manifest(earlier) == decode_manifest(manifest)
    assert snapshot_id(earlier) != snapshot_id(manifest)
