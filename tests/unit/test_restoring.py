"""The way back: exact over any chain of changes, and it keeps what is somebody else's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizer.host.wire import decode_manifest
from optimizer.model.errors import UnknownSnapshot
from optimizer.model.observation import LiveValue, Observation, ValueState
from optimizer.model.snapshot import Snapshot
from optimizer.model.transaction import (
    ActionStep,
    DirectoryStep,
    FileRef,
    FileStep,
    LinkStep,
    ModuleStep,
    Step,
    ValueStep,
    only_allowed,
)
from optimizer.model.tunable import Permission
from optimizer.planning.changes import chain, expected, in_effect
from optimizer.planning.restoring import undo
from optimizer.resources import sysctl
from tests.unit.factories import facts, file_state, observation, snapshot
from tests.unit.model_host import ModelHost, StoredFile
from tests.unit.model_kernel import AVAILABLE, IPV4, KERNEL, THP, VM, ModelKernel
from tests.unit.story import Story
from tests.unit.strategies import EARLIER, change, hosts, wishes

SWAPPINESS = "system.sysctl.vm.swappiness"
PROFILES = st.lists(wishes(), min_size=1, max_size=3)
Wished = list[dict[str, object]]


@settings(max_examples=40)
@given(host=hosts(), wished=PROFILES, data=st.data())
def test_a_rollback_brings_back_exactly_what_was_there(
    host: ModelHost, wished: Wished, data: st.DataObject
) -> None:
    story = Story(host)
    starts = []
    for wanted in wished:
        before = host.state()
        if story.apply(wanted):
            starts.append(before)
    assume(starts)
    back = data.draw(st.integers(0, len(starts) - 1), label="back over how many")
    applied = host.state()
    way = story.roll_back(story.taken[back])
    assert way.foreign == ()
    assert host.state() == starts[back]
    assert story.way_back(story.taken[back]).steps == ()
    story.roll_back(story.taken[-1])
    assert host.state() == applied


@settings(max_examples=40)
@given(
    host=hosts(),
    wished=PROFILES,
    writes=st.lists(st.sampled_from(EARLIER), min_size=1, max_size=4, unique=True),
)
def test_what_somebody_changed_since_is_named_and_kept(
    host: ModelHost, wished: Wished, writes: list[tuple[str, str]]
) -> None:
    story = Story(host)
    start = host.kernel.values()
    assume(any([story.apply(wanted) for wanted in wished]))
    applied = host.kernel.values()
    change(host.kernel, writes)
    found = host.kernel.values()
    way = story.roll_back(story.taken[0])
    after = host.kernel.values()
    named = {one.name.partition("[")[0] for one in way.foreign}
    # The kernel works this one out from the two detectors.
    del found[f"{KERNEL}watchdog"]
    for path, text in found.items():
        # Another I/O scheduler has settings that neither of the others has.
        is_foreign = text not in (applied.get(path), start.get(path))
        if is_foreign and applied.get(path) != start.get(path):
            assert tunable_of(path) in named
        # Nothing is lost: a foreign value stays, all others are as they were or stay too.
        left = after.get(path)
        assert left == text if is_foreign else left in (start.get(path), text)


@settings(max_examples=40)
@given(
    host=hosts(),
    wished=PROFILES,
    writes=st.lists(st.sampled_from(EARLIER), min_size=1, max_size=4, unique=True),
)
def test_all_of_it_goes_back_when_that_is_asked_for(
    host: ModelHost, wished: Wished, writes: list[tuple[str, str]]
) -> None:
    story = Story(host)
    story.take()
    start = host.kernel.values()
    for wanted in wished:
        story.apply(wanted)
    change(host.kernel, writes)
    story.roll_back(story.taken[0], include_foreign=True)
    assert without_offers(host.kernel.values()) == without_offers(start)


@settings(max_examples=30)
@given(host=hosts(), wished=PROFILES)
def test_a_kept_snapshot_is_a_place_to_go_back_to(host: ModelHost, wished: Wished) -> None:
    story = Story(host)
    story.take()
    start = host.kernel.values()
    assume(any([story.apply(wanted) for wanted in wished]))
    assert story.roll_back(story.taken[0]).foreign == ()
    assert without_offers(host.kernel.values()) == without_offers(start)


def without_offers(values: Mapping[str, str]) -> dict[str, str]:
    """Leave out what a loaded module offers; nobody can write it."""
    return {path: text for path, text in values.items() if path != AVAILABLE}


def tunable_of(path: str) -> str:
    special = {
        THP: "system.thp.enabled",
        "/sys/block/vda/queue/scheduler": "system.block.scheduler",
        "/sys/block/vda/queue/nr_requests": "system.block.nr_requests",
    }
    key = path.removeprefix("/proc/sys/").replace("/", ".")
    return special.get(path, f"system.sysctl.{key}")


def test_kernels_that_forget_a_switch_when_it_is_read_come_back_too() -> None:
    """Before Linux 6.8, reading a detector's switch while all are off also turned it off."""
    story = Story(ModelHost(ModelKernel(syncs_watchdog=True)))
    start = story.host.state()
    off = {"system.sysctl.kernel.soft_watchdog": 0, "system.sysctl.kernel.nmi_watchdog": 0}
    story.apply(off)
    assert story.host.kernel.read(f"{KERNEL}watchdog") == "0"
    story.roll_back("last")
    assert story.host.state() == start


def test_half_of_a_pair_is_not_put_back() -> None:
    story = Story(ModelHost())
    story.apply({"system.sysctl.vm.dirty_bytes": 8192, SWAPPINESS: 1})
    change(story.host.kernel, [(f"{VM}dirty_bytes", "16384")])
    way = story.roll_back("last")
    assert [one.name for one in way.foreign] == ["system.sysctl.vm.dirty_bytes"]
    kept = {name: story.host.kernel.read(f"{VM}{name}") for name in ("dirty_bytes", "dirty_ratio")}
    assert kept == {"dirty_bytes": "16384", "dirty_ratio": "0"}
    assert story.host.kernel.read(f"{VM}swappiness") == "60"


def test_a_pair_stays_together_when_a_rollback_is_undone() -> None:
    """The rollback writes the other one of the two, and whoever undoes it has to know."""
    story = Story(ModelHost())
    story.apply({"system.sysctl.vm.min_free_kbytes": 90112, "system.sysctl.vm.dirty_bytes": 8192})
    story.roll_back("last")
    rolled_back = decode_manifest(story.host.snapshots[story.taken[-1]]).steps
    pair = [step.path for step in rolled_back if isinstance(step, ValueStep)][:2]
    assert pair == [f"{VM}dirty_ratio", f"{VM}dirty_bytes"]
    change(story.host.kernel, [(f"{VM}dirty_ratio", "33")])
    way = story.roll_back(story.taken[-1])
    assert [one.name for one in way.foreign] == ["system.sysctl.vm.dirty_ratio"]
    values = story.host.kernel.values()
    found = [values[f"{VM}{name}"] for name in ("dirty_bytes", "dirty_ratio", "min_free_kbytes")]
    assert found == ["0", "33", "90112"]


def test_a_value_that_a_write_back_resets_is_held() -> None:
    story = Story(ModelHost())
    story.apply({"system.thp.enabled": "never"})
    change(story.host.kernel, [(f"{VM}min_free_kbytes", "99999")])
    way = story.roll_back("last")
    # It was never ours, so nobody is told that somebody changed it.
    assert way.foreign == ()
    assert story.host.kernel.read(THP) == "madvise"
    assert story.host.kernel.read(f"{VM}min_free_kbytes") == "99999"


def test_what_came_with_a_partner_is_written_alone_when_the_partner_is_back_already() -> None:
    story = Story(ModelHost())
    story.apply({"system.sysctl.net.ipv4.tcp_congestion_control": "bbr"})
    change(story.host.kernel, [(f"{IPV4}tcp_congestion_control", "cubic")])
    [back] = [step for step in story.way_back("last").steps
              if isinstance(step, ValueStep) and step.write == "set"]  # fmt: skip
    assert (back.after, back.restore) == ("reno cubic", "set")


def test_our_file_is_back_with_its_bytes_mode_and_owner() -> None:
    host = ModelHost()
    own = StoredFile(b"vm.swappiness = 5\n\n", mode="640", owner="0:4")
    host.files[sysctl.FILE] = own
    story = Story(host)
    story.apply({SWAPPINESS: 1})
    assert host.files[sysctl.FILE] != own
    story.roll_back("last")
    assert host.files[sysctl.FILE] == own


def test_a_file_that_was_edited_since_is_kept() -> None:
    story = Story(ModelHost())
    story.apply({SWAPPINESS: 1})
    edited = StoredFile(b"vm.swappiness = 2\n")
    story.host.files[sysctl.FILE] = edited
    way = story.roll_back("last")
    assert [one.name for one in way.foreign] == [sysctl.FILE]
    assert story.host.files[sysctl.FILE] == edited
    assert story.host.kernel.read(f"{VM}swappiness") == "60"


def test_a_directory_with_somebody_elses_file_stays() -> None:
    story = Story(ModelHost())
    story.apply({"system.thp.enabled": "never"})
    story.host.files["/etc/systemd/system/own.service"] = StoredFile(b"")
    story.roll_back("last")
    assert "/etc/systemd/system" in story.host.directories
    assert "/etc/systemd/system/multi-user.target.wants" not in story.host.directories


# One kind of step at a time; ALL is before -> after, HERE what a host has then.
VALUE = ValueStep(tunable="t", path="/v", before="1", after="2")
OLD = file_state(b"old")
NEW = file_state(b"new", mode="600", owner="1:1")
OLD_REF = FileRef(sha256=OLD.sha256, mode=OLD.mode, owner=OLD.owner)
NEW_REF = FileRef(sha256=NEW.sha256, mode=NEW.mode, owner=NEW.owner)


@pytest.mark.parametrize(
    ("step", "here", "back"),
    [
        (VALUE, {"values": {"/v": "2"}}, VALUE.model_copy(update={"before": "2", "after": "1"})),
        (
            FileStep(path="/f", before=OLD_REF, after=NEW_REF),
            {"files": {"/f": NEW}},
            FileStep(path="/f", before=NEW_REF, after=OLD_REF),
        ),
        (
            FileStep(path="/f", before=None, after=NEW_REF),
            {"files": {"/f": NEW}},
            FileStep(path="/f", before=NEW_REF, after=None),
        ),
        (
            FileStep(path="/f", before=OLD_REF, after=None),
            {},
            FileStep(path="/f", before=None, after=OLD_REF),
        ),
        (
            LinkStep(path="/l", before="/a", after="/b"),
            {"links": {"/l": "/b"}},
            LinkStep(path="/l", before="/b", after="/a"),
        ),
        (
            DirectoryStep(path="/d"),
            {"directories": frozenset({"/d"})},
            DirectoryStep(path="/d", is_present=False),
        ),
        (DirectoryStep(path="/d", is_present=False), {}, DirectoryStep(path="/d")),
        (ModuleStep(name="m"), {}, ModuleStep(name="m", is_loaded=False)),
        (ModuleStep(name="m", is_loaded=False), {}, ModuleStep(name="m")),
    ],
    ids=lambda value: value.step if hasattr(value, "step") else "",
)
def test_each_kind_of_step_is_turned_around(
    step: Step, here: dict[str, object], back: Step
) -> None:
    values = here.pop("values", {})
    seen = observation(values, **here)  # type: ignore[arg-type]
    way = undo([("id", snapshot([step]))], seen, include_foreign=False)
    assert (way.steps, way.foreign, way.undoes) == ((back,), (), ("id",))


@pytest.mark.parametrize(
    "step",
    [
        VALUE,
        FileStep(path="/f", before=OLD_REF, after=NEW_REF),
        LinkStep(path="/l", before="/a", after="/b"),
        DirectoryStep(path="/d"),
    ],
    ids=lambda step: step.step,
)
def test_what_is_back_already_needs_no_step(step: Step) -> None:
    seen = observation({"/v": "1"}, files={"/f": OLD}, links={"/l": "/a"})
    way = undo([("id", snapshot([step, ActionStep(action="daemon-reload")]))], seen,
               include_foreign=False)  # fmt: skip
    assert (way.steps, way.foreign) == ((), ())


@pytest.mark.parametrize(
    ("step", "here", "name"),
    [
        (VALUE, {"values": {"/v": "3"}}, "t"),
        (FileStep(path="/f", before=None, after=NEW_REF), {"files": {"/f": OLD}}, "/f"),
        (FileStep(path="/f", before=OLD_REF, after=NEW_REF), {}, "/f"),
        (LinkStep(path="/l", before=None, after="/b"), {"links": {"/l": "/c"}}, "/l"),
    ],
    ids=["value", "file", "file removed", "link"],
)
@pytest.mark.parametrize("include_foreign", [False, True])
def test_a_third_state_is_foreign(
    step: Step, here: dict[str, object], name: str, include_foreign: bool
) -> None:
    here = dict(here)
    values = here.pop("values", {})
    seen = observation(values, **here)  # type: ignore[arg-type]
    way = undo([("id", snapshot([step]))], seen, include_foreign=include_foreign)
    assert [one.name for one in way.foreign] == [name]
    assert len(way.steps) == int(include_foreign)


def test_only_bytes_mode_and_owner_together_are_the_file() -> None:
    """A file whose mode somebody changed is somebody else's state."""
    step = FileStep(path="/f", before=None, after=NEW_REF)
    seen = observation(files={"/f": file_state(b"new", mode="644", owner="1:1")})
    assert [
        one.name for one in undo([("i", snapshot([step]))], seen, include_foreign=False).foreign
    ]


def test_files_count_again_and_services_are_restarted() -> None:
    steps: list[Step] = [
        VALUE,
        ActionStep(action="daemon-reload"),
        ActionStep(action="check-logrotate", argument="/f"),
        ActionStep(action="restart-timer", argument="logrotate.timer"),
    ]
    way = undo([("id", snapshot(steps))], observation({"/v": "2"}), include_foreign=False)
    actions = [step.action for step in way.steps if isinstance(step, ActionStep)]
    assert actions == ["daemon-reload", "restart-timer"]


def snapshots(*rows: tuple[str, str, str]) -> dict[str, Snapshot]:
    """Make snapshots from (id, kind, ids it undoes), in the order of time."""
    return {
        name: snapshot([], kind=kind, undoes=tuple(undoes.split()), created=f"2026-11-21T{at:02}")
        for at, (name, kind, undoes) in enumerate(rows)
    }


A, B = ("a1", "apply", ""), ("b1", "apply", "")


@pytest.mark.parametrize(
    ("rows", "standing"),
    [
        ((A, B), ["a1", "b1"]),
        ((A, ("r1", "rollback", "a1")), ["r1"]),
        ((A, ("r1", "rollback", "a1"), ("r2", "rollback", "r1")), ["a1", "r2"]),
        ((A, ("r1", "rollback", "a1"), B), ["r1", "b1"]),
        ((A, B, ("r1", "rollback", "a1 b1"), ("r2", "rollback", "r1")), ["a1", "b1", "r2"]),
    ],
)
def test_what_was_rolled_back_is_not_in_effect(
    rows: tuple[tuple[str, str, str], ...], standing: list[str]
) -> None:
    assert [name for name, _ in in_effect(snapshots(*rows))] == standing


@pytest.mark.parametrize(
    ("to", "back"),
    [
        ("last", ["b1"]),
        ("a", ["a1", "s1", "b1"]),
        ("s1", ["s1", "b1"]),
    ],
)
def test_going_back_takes_back_everything_since(to: str, back: list[str]) -> None:
    taken = snapshots(A, ("s1", "snapshot", ""), B)
    assert [name for name, _ in chain(taken, to, "db-1")] == back


def test_last_is_the_newest_apply_that_is_still_in_effect() -> None:
    taken = snapshots(A, B, ("r1", "rollback", "b1"))
    assert [name for name, _ in chain(taken, "last", "db-1")] == ["a1", "b1", "r1"]


@pytest.mark.parametrize("to", ["c", "", "last"])
def test_a_snapshot_that_is_not_one_is_refused(to: str) -> None:
    taken = {} if to == "last" else snapshots(A, B)
    with pytest.raises(UnknownSnapshot, match="db-1 has no snapshot"):
        chain(taken, to, "db-1")


def test_the_newest_change_in_effect_says_what_is_expected() -> None:
    held = ValueStep(tunable="h", path="/h", before="5", after="5", write="hold")
    first = snapshot([VALUE, DirectoryStep(path="/d"), held], created="1")
    second = snapshot([VALUE.model_copy(update={"before": "2", "after": "3"})], created="2")
    assert expected({"a1": first, "b1": second}) == {
        "value /v": second.steps[0],
        "directory /d": first.steps[1],
    }
    undone = snapshot([], kind="rollback", undoes=("b1",), created="3")
    assert expected({"a1": first, "b1": second, "r1": undone})["value /v"] == VALUE


def test_a_held_value_that_a_boot_chose_anew_goes_back_as_well() -> None:
    held = ValueStep(tunable="h", path="/h", before="45056", after="45056", write="hold")
    applied = snapshot([VALUE, held], created="1")
    moved = observation({"/v": VALUE.after, "/h": "3854"})
    same_boot = undo([("a", applied)], moved, include_foreign=False)
    [step] = [step for step in same_boot.steps if getattr(step, "path", "") == "/h"]
    assert (step.write, step.after) == ("hold", "3854")
    booted = replace(moved, facts=facts(boot_id="another"))
    [step] = [
        step
        for step in undo([("a", applied)], booted, include_foreign=False).steps
        if getattr(step, "path", "") == "/h"
    ]
    assert (step.write, step.before, step.after) == ("set", "3854", "45056")


# Objects in databases


def _made(name: str, before: str = "off", after: str = "on") -> ValueStep:
    path = f"postgresql:postgres@/run:5432/view/app/{name}"
    return ValueStep(tunable=name, path=path, before=before, after=after, write="last")


def _with(*values: LiveValue) -> Observation:
    return replace(observation({}), values={value.path: value for value in values})


def test_what_was_made_last_goes_first_and_comes_back_last() -> None:
    steps = [_made("first"), _made("second"), _made("third")]
    there = _with(*(LiveValue(one.path, ValueState.WRITABLE, "on") for one in steps))
    way = undo([("a", snapshot(steps))], there, include_foreign=False)
    assert [step.tunable for step in way.steps if isinstance(step, ValueStep)] == [
        "third",
        "second",
        "first",
    ]
    assert all(isinstance(step, ValueStep) and step.write == "last" for step in way.steps)
    gone = _with(*(LiveValue(one.path, ValueState.WRITABLE, "off") for one in steps))
    again = undo([("b", snapshot(way.steps))], gone, include_foreign=False)
    assert again.steps == tuple(steps)


def test_an_object_that_somebody_changed_is_kept_and_not_held_in_its_state() -> None:
    steps = [_made("first"), _made("second")]
    there = _with(
        LiveValue(steps[0].path, ValueState.WRITABLE, "changed"),
        LiveValue(steps[1].path, ValueState.WRITABLE, "on"),
    )
    way = undo([("a", snapshot(steps))], there, include_foreign=False)
    assert [(other.name, other.found) for other in way.foreign] == [("first", "changed")]
    assert [step.tunable for step in way.steps if isinstance(step, ValueStep)] == ["second"]


def test_an_object_of_a_server_that_is_down_is_not_forgotten() -> None:
    step = _made("first")
    silent = _with(LiveValue(step.path, ValueState.UNREADABLE))
    way = undo([("a", snapshot([step]))], silent, include_foreign=False)
    assert way.steps == (_made("first", "on", "off"),)


# Node services: what a process was started with goes back with the file that says so.

NEW = StoredFile(b"new")
DROP_IN = "/etc/systemd/system/web.service.d/zz-optimizer-node.conf"
OPTIONS = ValueStep(
    tunable="node.options[web.service]",
    path="node:web.service/NODE_OPTIONS",
    before="--a",
    after="--a --b",
    write="file",
    needs=(Permission.RESTART,),
)
AGAIN = ActionStep(action="restart-node", argument="web.service", needs=(Permission.RESTART,))


def _node_back(
    *steps: Step, found: bytes | None = NEW.content, live: str = OPTIONS.after
) -> Sequence[Step]:
    """Return the way back of a change of a service, given what its drop-in has now."""
    written = FileStep(path=DROP_IN, before=None, after=NEW.ref)
    check = ActionStep(action="check-node", argument="web.service")
    taken = snapshot([written, check, *steps])
    files = {DROP_IN: file_state(found)} if found is not None else {}
    seen = observation({OPTIONS.path: live}, files=files)
    return undo([("one", taken)], seen, include_foreign=False).steps


def test_what_a_service_was_started_with_goes_back_after_a_restart_that_is_allowed() -> None:
    value, file, action = _node_back(OPTIONS, AGAIN)
    assert isinstance(value, ValueStep)
    assert (value.before, value.after, value.write) == ("--a --b", "--a", "file")
    # Without the restart the value is left out and the file still goes.
    assert value.needs == (Permission.RESTART,)
    assert file == FileStep(path=DROP_IN, before=NEW.ref, after=None)
    assert action == AGAIN


def test_a_service_that_somebody_restarted_meanwhile_is_restarted_on_the_way_back() -> None:
    pending = tuple(only_allowed([OPTIONS, AGAIN], []))
    *_, action = _node_back(*pending)
    assert action == AGAIN
    # Where nobody did, it runs as before, and is left alone.
    assert [step.step for step in _node_back(*pending, live=OPTIONS.before)] == ["file"]


def test_a_service_whose_file_is_kept_keeps_what_it_was_started_with() -> None:
    assert not _node_back(OPTIONS, AGAIN, found=b"somebody else's")


def test_a_way_back_without_the_restart_is_gone_to_its_end_with_it() -> None:
    value, action = _node_back(OPTIONS, AGAIN, found=None)
    assert isinstance(value, ValueStep)
    assert (value.after, value.waited) == ("--a", "--a")
    assert action == AGAIN
