"""The plan of a host: applied it leaves nothing to do, and it says all that happens."""

from __future__ import annotations

import json

import pytest

from optimizer.model.observation import Observation, Unit
from optimizer.model.plan import HostPlan
from optimizer.model.transaction import ActionStep, FileStep, ModuleStep, ValueStep
from optimizer.model.tunable import Permission
from optimizer.modules.examination import examine, request_for
from optimizer.modules.host_plan import plan_host, refused
from optimizer.resources import sysctl
from optimizer.resources.base import decode_blobs
from optimizer.scoring import conformance
from tests.unit.factories import config_of, file_state, observation, observed, profile
from tests.unit.model_host import ModelHost, StoredFile
from tests.unit.model_kernel import IPV4, QUEUE, THP, VM, ModelKernel
from tests.unit.story import NOTHING, carry_out, planned
from tests.unit.strategies import change

SWAPPINESS = "system.sysctl.vm.swappiness"


def test_the_kernel_module_of_a_value_is_loaded_first_and_kept() -> None:
    host = ModelHost()
    plan = planned(host, {"system.sysctl.net.ipv4.tcp_congestion_control": "bbr"})
    assert plan.steps[0] == ModuleStep(name="tcp_bbr")
    assert carry_out(host, plan) == "confirmed"
    assert b"\ntcp_bbr\n" in host.files["/etc/modules-load.d/optimizer.conf"].content
    assert host.kernel.read(f"{IPV4}tcp_allowed_congestion_control") == "reno cubic bbr"


def test_an_algorithm_that_the_kernel_lacks_is_not_applicable() -> None:
    host = ModelHost(loadable=set())
    plan = planned(host, {"system.sysctl.net.ipv4.tcp_congestion_control": "bbr"})
    assert (plan.steps, plan.changes) == ((), ())
    [skipped] = plan.not_applicable
    assert skipped.reason == "the kernel has no tcp_bbr"


def test_a_value_that_cannot_be_read_is_unknown_and_left_alone() -> None:
    host = ModelHost(hidden={f"{VM}swappiness"})
    plan = planned(host, {SWAPPINESS: 1, "system.sysctl.net.core.somaxconn": 128})
    assert [step.path for step in plan.steps if isinstance(step, ValueStep)] == [
        "/proc/sys/net/core/somaxconn"
    ]
    assert [(one.tunable, one.reason) for one in plan.unknown] == [
        (SWAPPINESS, f"{VM}swappiness cannot be read")
    ]
    assert plan.score and (plan.score.now, plan.score.after) == (None, None)


def test_a_clamped_value_is_put_back() -> None:
    host = ModelHost(ModelKernel(huge_pages=4))
    start = host.state()
    plan = planned(host, {"system.sysctl.vm.nr_hugepages": 10})
    assert carry_out(host, plan).startswith("restored\nproblem\tread-back")
    assert host.state() == start


def test_what_the_kernel_changes_by_itself_is_said() -> None:
    plan = planned(ModelHost(), {"system.sysctl.vm.dirty_bytes": 8192})
    followers = [(one.tunable, one.before, one.after, one.follows) for one in plan.changes[1:]]
    assert followers == [
        ("system.sysctl.vm.dirty_ratio", "20", "0", "system.sysctl.vm.dirty_bytes")
    ]


def test_a_partner_that_stays_as_it_is_is_no_change() -> None:
    host = ModelHost()
    change(host.kernel, [(f"{VM}dirty_bytes", "8192")])
    plan = planned(host, {"system.sysctl.vm.dirty_bytes": 16384})
    assert [one.tunable for one in plan.changes] == ["system.sysctl.vm.dirty_bytes"]


def test_a_profile_with_both_of_a_pair_is_refused() -> None:
    plan = planned(
        ModelHost(), {"system.sysctl.vm.dirty_bytes": 8192, "system.sysctl.vm.dirty_ratio": 5}
    )
    assert plan.state == "refused"
    assert plan.steps == ()
    assert "system.sysctl.vm.dirty_bytes and system.sysctl.vm.dirty_ratio" in plan.error


def test_an_expression_that_is_out_of_range_here_refuses_the_host() -> None:
    host = ModelHost()
    host.facts["mem_total"] = str(64 * 1024)
    plan = planned(host, {"system.sysctl.vm.dirty_bytes": "1% ram"})
    assert plan.state == "refused"
    assert plan.error.startswith("system.sysctl.vm.dirty_bytes: 1% ram: 655 is out of range")


def test_a_pin_keeps_a_tunable_and_each_instance_as_it_is() -> None:
    host = ModelHost()
    asked = profile(
        {SWAPPINESS: 1, "system.block.scheduler": "none", "system.thp.enabled": "never"}
    )
    seen = observed(host, request_for(asked))
    pins = {SWAPPINESS: "ana asked for it", "system.block.scheduler[vda]": "", "system.thp.*": ""}
    plan = plan_host("db-1", asked, seen, pins, NOTHING)
    assert plan.steps == ()
    assert {one.tunable: one.reason for one in plan.pinned} == {
        SWAPPINESS: "ana asked for it",
        "system.block.scheduler[vda]": "pinned in the inventory",
        "system.thp.enabled": "pinned in the inventory",
    }


def test_a_pinned_partner_still_follows_and_is_said() -> None:
    """The kernel does not know pins: what it changes by itself has to be in the plan."""
    host = ModelHost()
    asked = profile({"system.sysctl.vm.dirty_bytes": 8192})
    seen = observed(host, request_for(asked))
    plan = plan_host("db-1", asked, seen, {"system.sysctl.vm.dirty_ratio": "mine"}, NOTHING)
    assert "system.sysctl.vm.dirty_ratio" in [one.tunable for one in plan.changes]


def test_a_file_that_is_read_after_ours_is_named_and_costs_the_points() -> None:
    host = ModelHost()
    host.files["/etc/sysctl.d/zzz.conf"] = StoredFile(b"\nvm.swappiness = 60\n")
    first = planned(host, {SWAPPINESS: 1})
    assert carry_out(host, first) == "confirmed"
    again = planned(host, {SWAPPINESS: 1})
    assert again.steps == ()
    assert again.score is not None and again.score.possible == 0
    assert any("/etc/sysctl.d/zzz.conf:2 is read after our file" in note for note in again.notes)


def test_a_pattern_that_is_read_after_ours_gives_way() -> None:
    host = ModelHost()
    host.files["/etc/sysctl.d/zzz.conf"] = StoredFile(b"vm.swap* = 60\n")
    first = planned(host, {SWAPPINESS: 1})
    assert first.notes == ()
    assert first.score and first.score.possible == 100
    assert carry_out(host, first) == "confirmed"
    assert planned(host, {SWAPPINESS: 1}).steps == ()


def test_a_line_that_keeps_the_next_boot_from_our_value_is_named() -> None:
    host = ModelHost()
    host.files["/etc/sysctl.d/zzz.conf"] = StoredFile(b"-vm.swappiness\n")
    assert carry_out(host, planned(host, {SWAPPINESS: 1})) == "confirmed"
    again = planned(host, {SWAPPINESS: 1})
    assert again.steps == ()
    assert any("the next boot does not set it" in note for note in again.notes)


def test_our_file_keeps_what_it_has_and_never_both_of_a_pair() -> None:
    host = ModelHost()
    host.files[sysctl.FILE] = StoredFile(b"# old\nvm.dirty_ratio = 10\nkernel/pid_max = 9\n")
    assert carry_out(host, planned(host, {"system.sysctl.vm.dirty_bytes": 8192})) == "confirmed"
    kept = sysctl.own_values(host.files[sysctl.FILE].content.decode())
    assert kept == {"kernel/pid_max": "9", "vm.dirty_bytes": "8192"}


def test_without_root_values_are_known_though_read_only() -> None:
    host = ModelHost()
    host.facts["uid"] = "1000"
    plan = planned(host, {"system.sysctl.net.ipv4.tcp_congestion_control": "reno"})
    assert [one.tunable for one in plan.not_applicable] == []
    assert any(note.startswith("read without root's rights") for note in plan.notes)


NOFILE = "system.unit.redis-server.service.LimitNOFILE"


def redis(soft: str) -> Observation:
    """A host whose redis-server runs with 1024 files; its unit says `soft`."""
    properties = {
        "LoadState": "loaded",
        "ActiveState": "active",
        "LimitNOFILE": soft,
        "LimitNOFILESoft": soft,
        "FragmentPath": "/lib/systemd/system/redis-server.service",
    }
    unit = Unit("redis-server.service", properties, {"Max open files": "1024:1024"})
    return observation(units={unit.name: unit}, directories=frozenset({"/etc/systemd/system"}))


def test_a_restart_waits_until_it_is_allowed() -> None:
    asked = profile({NOFILE: 65536})
    held = plan_host("db-1", asked, redis("1024"), {}, NOTHING)
    assert [one.tunable for one in held.held_back] == [NOFILE]
    assert not any(
        isinstance(step, ActionStep) and step.action == "restart-unit" for step in held.steps
    )
    assert held.score and (held.score.now, held.score.after, held.score.possible) == (0, 0, 100)
    allowed = plan_host("db-1", asked, redis("1024"), {}, frozenset({Permission.RESTART}))
    assert allowed.held_back == ()
    assert allowed.steps[-1] == ActionStep(
        action="restart-unit", argument="redis-server.service", needs=(Permission.RESTART,)
    )
    assert allowed.score and allowed.score.after == 100


def test_a_unit_that_only_has_to_be_restarted_waits_without_a_change() -> None:
    asked = profile({NOFILE: 65536})
    waiting = plan_host("db-1", asked, redis("65536"), {}, NOTHING)
    assert (waiting.changes, waiting.steps) == ((), ())
    assert waiting.score and (waiting.score.now, waiting.score.possible) == (0, 100)
    assert f"waits for a restart of its service: {NOFILE}" in waiting.notes
    allowed = plan_host("db-1", asked, redis("65536"), {}, frozenset({Permission.RESTART}))
    assert [type(step) for step in allowed.steps] == [ActionStep]
    assert [one.tunable for one in allowed.changes] == [NOFILE]


def test_the_steps_stand_in_the_order_in_which_a_host_carries_them_out() -> None:
    wanted = {
        "system.thp.enabled": "never",
        "system.sysctl.net.ipv4.tcp_congestion_control": "bbr",
        SWAPPINESS: 1,
    }
    kinds = [step.step for step in planned(ModelHost(), wanted).steps]
    order = ["module", "value", "directory", "file", "link", "action"]
    assert kinds == sorted(kinds, key=order.index)
    assert set(kinds) == set(order) - {"action"}


def test_values_that_a_later_write_resets_are_held() -> None:
    plan = planned(ModelHost(), {"system.thp.enabled": "never", "system.block.scheduler": "none"})
    held = {step.path: step.before for step in plan.steps
            if isinstance(step, ValueStep) and step.write == "hold"}  # fmt: skip
    assert held == {
        f"{VM}min_free_kbytes": "67584",
        f"{QUEUE}nr_requests": "256",
        f"{QUEUE}wbt_lat_usec": "75000",
    }


def test_what_is_right_until_the_next_boot_resets_it_is_put_into_a_file() -> None:
    reserve, requests = "system.sysctl.vm.min_free_kbytes", "system.block.nr_requests"
    wanted = {reserve: {"at_least": 20000}, requests: {"at_least": 100}}
    assert planned(ModelHost(), wanted).is_empty
    causes = {"system.thp.enabled": "never", "system.block.scheduler": "none"}
    host = ModelHost()
    changes = {one.tunable: one for one in planned(host, {**causes, **wanted}).changes}
    kept = changes[reserve]
    assert (kept.before, kept.after, kept.boot_before, kept.boot_after) == (
        "67584", "67584", None, "67584"
    )  # fmt: skip
    assert "the next boot resets it with system.thp.enabled" in kept.why
    [queue] = [one for name, one in changes.items() if name.startswith(requests)]
    assert (queue.after, queue.boot_after) == ("256", "256")


def test_every_file_is_there_with_its_bytes() -> None:
    host = ModelHost()
    host.files[sysctl.FILE] = StoredFile(b"vm.swappiness = 5\n", mode="600")
    plan = planned(host, {SWAPPINESS: 1, "system.thp.enabled": "never"})
    blobs = decode_blobs(plan.blobs)
    for step in plan.steps:
        if isinstance(step, FileStep):
            assert step.after is not None and step.after.sha256 in blobs
            assert step.before is None or step.before.sha256 in blobs
    [ours] = [file for file in plan.files if file.path == sysctl.FILE]
    assert ours.action == "modify"
    removed = [line for line in ours.diff.splitlines() if line.startswith("-vm")]
    added = [line for line in ours.diff.splitlines() if line.startswith("+vm")]
    assert (removed, added) == (["-vm.swappiness = 5"], ["+vm.swappiness = 1"])


def test_a_plan_survives_being_saved() -> None:
    plan = planned(ModelHost(), {SWAPPINESS: 1, "system.thp.enabled": "never"})
    assert HostPlan.model_validate_json(json.dumps(plan.model_dump(mode="json"))) == plan


def test_no_change_goes_to_a_host_that_is_refused() -> None:
    plan = refused("db-1", "too old", "Update it.")
    assert (plan.state, plan.error, plan.hint) == ("refused", "too old", "Update it.")
    assert plan.is_empty


@pytest.mark.parametrize(
    ("texts", "noted"),
    [
        ("vm.swappiness = 60", True),
        ("vm/swappiness=60", True),
        ("vm.swappiness = 1", False),
        ("vm.dirty_ratio = 60", False),
    ],
)
def test_the_file_that_sysctl_system_reads_last_is_named(texts: str, noted: bool) -> None:
    parts = config_of("sysctl.conf", {"/etc/sysctl.conf": texts})
    seen = observation({f"{VM}swappiness": "60"}, **parts)
    plan = plan_host("db-1", profile({SWAPPINESS: 1}), seen, {}, NOTHING)
    assert any(note.startswith("/etc/sysctl.conf:1") for note in plan.notes) is noted


def test_each_value_is_written_once() -> None:
    wanted = {"system.thp.enabled": "never", "system.sysctl.vm.min_free_kbytes": 90112}
    plan = planned(ModelHost(), wanted)
    paths = [step.path for step in plan.steps if isinstance(step, ValueStep)]
    assert paths == [THP, f"{VM}min_free_kbytes"]


def test_what_matches_costs_no_write() -> None:
    """No flap: a host that is right is left alone, files included."""
    text = sysctl.render({"vm.swappiness": "1"}).encode()
    files = {sysctl.FILE: file_state(text)}
    parts = config_of("sysctl", {sysctl.FILE: text.decode()})
    seen = observation({f"{VM}swappiness": "1"}, files=files, **parts)
    verdicts = examine(profile({SWAPPINESS: 1}), seen, {}).verdicts
    plan = plan_host("db-1", profile({SWAPPINESS: 1}), seen, {}, NOTHING)
    assert (plan.steps, plan.changes, plan.unchanged) == ((), (), 1)
    assert conformance.now(verdicts) == 100
