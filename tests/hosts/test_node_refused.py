"""Node services that something else decides on, and one that cannot live with what is wanted."""

from __future__ import annotations

from testbed.host import Host
from tests.hosts.arranged import with_file
from tests.hosts.conftest import MakeController
from tests.hosts.controller import NODE
from tests.hosts.lab import Lab
from tests.hosts.node_lab import services

UNITS = {
    "filed": {"more": "EnvironmentFile=/etc/default/filed"},
    "flagged": {"flags": "--max_old_space_size=300"},
}
FILE = "PASSWORD=hidden\nNODE_OPTIONS='--max-old-space-size=400'\n"


def test_what_beats_our_file_is_named_and_left_alone_and_so_is_what_node_refuses(
    node18: Host, controller: MakeController
) -> None:
    wanted = ("--set", "node.option.optimize-for-size=present", "--only", "node.*")
    with with_file(node18, "/etc/default/filed", FILE), services(node18, UNITS):
        planned = controller(node18).plan("--profile", NODE, *wanted).expect(0)
    host = planned.host("node18")
    changes = {change["tunable"]: change for change in host["changes"]}
    filed = changes["node.max-old-space-size[filed.service]"]
    assert filed["before"] == str(400 * 2**20)
    assert not filed["allowed"]
    assert filed["advice"].startswith("EnvironmentFile=/etc/default/filed sets NODE_OPTIONS")
    flagged = changes["node.max-old-space-size[flagged.service]"]
    assert flagged["before"] == str(300 * 2**20)
    assert "the command line of flagged.service has --max-old-space-size=300" in flagged["advice"]
    # A variable of its own is not beaten by the file that sets another one.
    assert changes["node.uv-threadpool-size[filed.service]"]["advice"] == ""
    reasons = {one["tunable"]: one["reason"] for one in host["not_applicable"]}
    for unit in UNITS:
        said = reasons[f"node.option.optimize-for-size[{unit}.service]"]
        assert said.endswith("--optimize-for-size is not allowed in NODE_OPTIONS")
    assert any(
        "18" in note and "no security fixes since 2025-04-30" in note for note in host["notes"]
    )
    for secret in ("hidden", "of-the-service", "not-for-others"):
        assert secret not in planned.out


def test_a_service_that_cannot_live_with_its_new_heap_is_restored_and_runs_again(
    node22: Host, controller: MakeController, lab: Lab
) -> None:
    with services(node22, {"starved": {"more": "Environment=STARVED=320"}}) as running:
        service = running["starved"]
        heap = service.heap()
        words = ("--profile", NODE, "--only", "node.max-old-space-size", "--allow", "restart")
        outcome = controller(node22).apply(*words).expect(3).host("node22")
        assert outcome["state"] == "restored"
        assert "starved.service" in str(outcome["problems"])
        service.wait()
        assert service.heap() == heap
        assert "NODE_OPTIONS" not in service.environment()
    assert lab.changes("node22") == {}


def test_a_value_that_node_refuses_is_noticed_before_the_service_is_touched(
    node22: Host, controller: MakeController
) -> None:
    with services(node22, {"web": {}}) as running:
        web = running["web"]
        pid = web.pid()
        # The binary takes the option, and refuses this value of it.
        words = ("--profile", NODE, "--only", "node.option.*", "--allow", "restart")
        wrong = ("--set", "node.option.unhandled-rejections=sometimes")
        outcome = controller(node22).apply(*words, *wrong).expect(3).host("node22")
        assert outcome["state"] == "restored"
        (problem,) = outcome["problems"]
        assert problem["what"] == "the service would not run with these options"
        assert "unhandled-rejections" in problem["found"]
        assert web.pid() == pid
