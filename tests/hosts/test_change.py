"""plan, apply and rollback: the plan is the truth, and it is cheap."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from testbed.host import Host
from tests.hosts.conftest import MakeController
from tests.hosts.controller import SMALL, counted
from tests.hosts.lab import Lab
from tests.hosts.promised import canonical_after, listed_values, promised

_EXACT = ("file ", "sysctl ", "sys ", "module ")


@pytest.mark.parametrize("profile", [SMALL, "hft"], ids=["small", "hft"])
def test_a_plan_is_one_remote_command_whatever_the_number_of_tunables_and_changes_nothing(
    trixie: Host, controller: MakeController, lab: Lab, profile: str
) -> None:
    with counted(trixie) as counter:
        controller(trixie).plan("--profile", profile).expect(0)
    assert counter.commands == 1
    assert lab.changes("trixie") == {}


def test_apply_and_rollback_are_at_most_three_remote_commands_each(
    trixie: Host, controller: MakeController
) -> None:
    one = controller(trixie)
    for verb, words in (("apply", ("--profile", "hft")), ("rollback", ())):
        with counted(trixie) as counter:
            outcome = one.run(verb, one.inventory, "--yes", "--format", "json", *words).expect(0)
        assert 0 < counter.commands <= 3
        assert outcome.host("trixie")["commands"] == counter.commands


def test_apply_changes_exactly_what_the_plan_listed_and_rollback_takes_exactly_that_back(
    pair: tuple[Host, Host], controller: MakeController, lab: Lab
) -> None:
    both = controller(*pair)
    path = both.save_plan("--profile", "hft", "--allow", "restart")
    plan = {host["name"]: host for host in json.loads(path.read_text())["hosts"]}
    both.apply_saved(path, "--allow", "restart").expect(0)
    for host in pair:
        _check(plan[host.name], lab, host.name)
    both.rollback("--allow", "restart").expect(0)
    assert {host.name: _without_processes(lab.changes(host.name)) for host in pair} == {
        host.name: {} for host in pair
    }


def _check(plan: Any, lab: Lab, name: str) -> None:
    changes = lab.changes(name)
    after = canonical_after(changes)
    exact = {key: text for key, text in after.items() if key.startswith(_EXACT)}
    assert exact == promised(plan, lab.pristine(name))
    # The steps say how it is done; the list of changes is what people approve.
    values = {f"sysctl {tunable.removeprefix('system.sysctl.')}" for tunable in listed_values(plan)}
    assert {key for key in exact if key.startswith("sysctl ")} == values
    assert len(values) > 5
    # What follows from the files: the timer's schedule, and the service that was restarted.
    assert set(after) - set(exact) == {"timer logrotate.timer", "pid systemd-journald.service"}
    assert re.search(r"OnCalendar=\*-\*-\* \*:00:00", after["timer logrotate.timer"] or "")


def _without_processes(changes: Any) -> Any:
    return {key: change for key, change in changes.items() if not key.startswith("pid ")}


def test_a_host_that_may_not_be_tuned_at_all_gets_the_files_only(
    closed: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(closed)
    planned = one.plan("--profile", SMALL).expect(0).host("closed")
    reasons = {skipped["tunable"]: skipped["reason"] for skipped in planned["not_applicable"]}
    assert reasons["system.sysctl.net.ipv4.tcp_retries2"] == "/proc/sys/net is read-only here"
    assert one.apply("--profile", SMALL).expect(0).host("closed")["state"] == "applied"
    assert "timer logrotate.timer" in lab.changes("closed")
    assert not [key for key in lab.changes("closed") if key.startswith("sysctl ")]
    one.rollback().expect(0)
