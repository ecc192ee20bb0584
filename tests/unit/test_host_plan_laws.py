"""Laws of every plan: applied it leaves nothing to do, it lasts, and it says all that happens."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings

from optimizer.model.request import ProbeRequest
from optimizer.model.transaction import ValueStep
from optimizer.resources import sysctl, sysfs
from tests.unit.factories import observed
from tests.unit.model_host import ModelHost
from tests.unit.model_kernel import AVAILABLE, ModelKernel
from tests.unit.story import carry_out, planned
from tests.unit.strategies import change, fresh_hosts, hosts, wishes


@settings(max_examples=50)
@given(host=hosts(), wanted=wishes())
def test_an_applied_plan_leaves_nothing_to_do(
    host: ModelHost, wanted: Mapping[str, object]
) -> None:
    plan = planned(host, wanted)
    assert plan.state == "planned"
    if plan.steps:
        # The model host puts everything back when the kernel changed more than was planned.
        assert carry_out(host, plan) == "confirmed"
    again = planned(host, wanted)
    assert again.steps == ()
    assert again.changes == ()
    assert again.files == ()
    assert again.score is not None
    assert (again.score.now, again.score.after, again.score.possible) == (100.0, 100.0, 100.0)


@settings(max_examples=40)
@given(host=fresh_hosts(), wanted=wishes())
def test_after_a_reboot_it_is_all_there_still(
    host: ModelHost, wanted: Mapping[str, object]
) -> None:
    if "system.thp.enabled" in wanted:
        # Huge pages are set after the sysctls, and may raise this one again.
        wanted = {name: one for name, one in wanted.items() if "min_free_kbytes" not in name}
    plan = planned(host, wanted)
    if plan.steps:
        assert carry_out(host, plan) == "confirmed"
    host.kernel = rebooted(host)
    again = planned(host, wanted)
    assert [step for step in again.steps if isinstance(step, ValueStep)] == []


def rebooted(host: ModelHost) -> ModelKernel:
    """Start a kernel anew: modules, then sysctl.d in its order, then our unit."""
    kernel = ModelKernel()
    for path, stored in host.files.items():
        if path.startswith("/etc/modules-load.d/"):
            for name in stored.content.decode().split():
                if name in host.loadable:
                    kernel.load(name)
    lines = sysctl.reading_order(observed(host, ProbeRequest()))
    keys = [path.removeprefix("/proc/sys/") for path in kernel.paths()]
    found = sysctl.boot_values(lines, keys)
    in_order = sorted(found, key=lambda key: lines.index(found[key].line))
    writes = [(f"/proc/sys/{key}", found[key].text) for key in in_order]
    change(kernel, [(path, text) for path, text in writes if text is not None])
    unit = host.files.get(sysfs.UNIT) if sysfs.LINK in host.links else None
    change(kernel, list(sysfs.own_values(unit.content.decode()).items()) if unit else [])
    return kernel


@settings(max_examples=30)
@given(host=hosts(), wanted=wishes(least=2))
def test_every_value_that_an_apply_changes_is_in_the_plan(
    host: ModelHost, wanted: Mapping[str, object]
) -> None:
    plan = planned(host, wanted)
    before, files = host.kernel.values(), dict(host.files)
    if plan.steps:
        carry_out(host, plan)
    after = host.kernel.values()
    said = {(change.before, change.after) for change in plan.changes if change.before is not None}
    # What goes with an I/O scheduler is not there any more.
    really = {
        path: (before[path], after.get(path))
        for path in before
        if before[path] != after.get(path) and path != AVAILABLE
    }
    assert set(really.values()) <= said
    assert really.keys() <= {step.path for step in plan.steps if isinstance(step, ValueStep)}
    assert {path for path in host.files if host.files[path] != files.get(path)} <= {
        file.path for file in plan.files
    }


@settings(max_examples=25)
@given(host=hosts(), wanted=wishes(least=2))
def test_the_forecast_is_what_the_score_becomes(
    host: ModelHost, wanted: Mapping[str, object]
) -> None:
    plan = planned(host, wanted)
    if plan.steps:
        carry_out(host, plan)
    assert plan.score and plan.score.now is not None and plan.score.after is not None
    after = planned(host, wanted).score
    assert after is not None and after.now == plan.score.after >= plan.score.now
