"""Log sets and limits of services: checked before they are kept, and put back when they fail."""

from __future__ import annotations

import pytest

from testbed.host import Host
from tests.hosts.arranged import arranged, restarted_unit, with_file
from tests.hosts.conftest import MakeController
from tests.hosts.controller import SMALL
from tests.hosts.lab import Lab

LOG_SET = (
    "system.logrotate.app={paths: [/var/log/app/*.log], su: root adm, postrotate: 'kill -HUP 1'}"
)
STANZA = "/etc/logrotate.d/optimizer-app"
CRON = "system.unit.cron.service.LimitNOFILE"
LIMITS = "grep 'open files' /proc/$(systemctl show -P MainPID cron.service)/limits"
FRAGILE = """
[Service]
LimitNOFILE=4096
ExecStart=/bin/sh -c '[ $(ulimit -n) -ge 2000 ] || exit 1; exec sleep infinity'
"""
RESTLESS = """
[Service]
LimitNOFILE=4096
ExecStart=/bin/sh -c '[ $(ulimit -n) -ge 2000 ] || { sleep 1.6; exit 1; }; exec sleep infinity'
Restart=always
RestartSec=100ms
"""
MAKE_LOGS = "mkdir /var/log/app && echo one >/var/log/app/one.log"


def test_a_log_set_is_written_and_logrotate_finds_no_fault_with_it(
    host: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(host)
    with arranged(host, MAKE_LOGS, "rm -r /var/log/app"):
        one.apply("--profile", SMALL, "--set", LOG_SET).expect(0)
        text = host.run(f"cat {STANZA}").stdout
        for word in (
            *("maxsize 100M", "maxage 30", "compress", "delaycompress", "missingok"),
            *("notifempty", "sharedscripts", "su root adm", "kill -HUP 1 || true"),
        ):
            assert word in text
        said = host.run("logrotate --debug /etc/logrotate.conf 2>&1").stdout
        assert "error" not in said
        assert "/var/log/app/one.log" in said
        one.rollback().expect(0)
    assert lab.changes(host.name) == {}


# One is read before ours and one behind it, where it would be theirs that is skipped.
@pytest.mark.parametrize(
    ("host", "theirs"), [("bookworm", "app"), ("trixie", "zebra")], indirect=["host"]
)
def test_a_log_set_that_collides_with_another_is_refused_and_taken_back(
    host: Host, controller: MakeController, lab: Lab, theirs: str
) -> None:
    stanza = with_file(host, f"/etc/logrotate.d/{theirs}", "/var/log/app/*.log {\n  weekly\n}\n")
    with stanza, arranged(host, MAKE_LOGS, "rm -r /var/log/app"):
        outcome = controller(host).apply("--profile", SMALL, "--set", LOG_SET).expect(3)
        (problem,) = outcome.host(host.name)["problems"]
        assert "logrotate" in problem["what"]
        assert "/var/log/app/one.log" in problem["found"]
        assert outcome.host(host.name)["state"] == "restored"
    assert lab.changes(host.name) == {}


def test_a_log_set_for_a_directory_that_is_not_there_is_left_out_with_the_reason(
    trixie: Host, controller: MakeController
) -> None:
    planned = controller(trixie).plan("--profile", SMALL, "--set", LOG_SET).expect(0)
    reasons = {one["tunable"]: one["reason"] for one in planned.host("trixie")["not_applicable"]}
    assert reasons == {"system.logrotate.app": "there is no directory /var/log/app"}


def test_changes_and_their_way_back_may_follow_each_other_closely(
    trixie: Host, controller: MakeController
) -> None:
    # Half of what systemd lets a unit start in ten seconds is used up already.
    trixie.run("for i in 1 2 3; do systemctl restart logrotate.timer; done")
    one = controller(trixie)
    for _ in range(2):
        one.apply("--profile", SMALL).expect(0)
        one.rollback().expect(0)


def test_a_limit_waits_for_a_restart_that_was_not_allowed(
    trixie: Host, controller: MakeController
) -> None:
    one = controller(trixie)
    before = trixie.run(LIMITS).stdout
    process = trixie.run("systemctl show -P MainPID cron").stdout
    outcome = one.apply("--profile", SMALL, "--set", f"{CRON}=4096").expect(0)
    assert [change["tunable"] for change in outcome.host("trixie")["pending"]] == [CRON]
    assert trixie.run(LIMITS).stdout == before
    assert trixie.run("systemctl show -P MainPID cron").stdout == process
    assert trixie.run("systemctl show -P LimitNOFILE cron").stdout == "4096\n"
    one.rollback().expect(0)


def test_a_limit_is_in_force_after_a_restart_that_was_allowed_and_rolled_back_with_another(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    before = trixie.run(LIMITS).stdout
    words = ("--profile", SMALL, "--set", f"{CRON}=4096", "--allow", "restart")
    outcome = one.apply(*words).expect(0)
    assert outcome.host("trixie")["pending"] == []
    assert trixie.run(LIMITS).stdout.split()[3:5] == ["4096", "4096"]
    one.rollback("--allow", "restart").expect(0)
    assert trixie.run(LIMITS).stdout == before
    assert set(lab.changes("trixie")) == {"pid cron.service"}


# It ends at once, or again and again after a moment.
@pytest.mark.parametrize(
    ("host", "fragile"),
    [("bookworm", FRAGILE), ("trixie", RESTLESS)],
    indirect=["host"],
    ids=["ends", "ends again and again"],
)
def test_a_limit_that_a_service_cannot_live_with_is_taken_back_and_the_service_runs_again(
    host: Host, controller: MakeController, lab: Lab, fragile: str
) -> None:
    with restarted_unit(host, "fragile.service", fragile):
        words = ("--set", "system.unit.fragile.service.LimitNOFILE=1024", "--allow", "restart")
        outcome = controller(host).apply("--profile", SMALL, *words).expect(3)
        assert outcome.host(host.name)["state"] == "restored"
        assert "fragile.service" in str(outcome.host(host.name)["problems"])
        assert host.run("systemctl is-active fragile.service").stdout == "active\n"
        assert not host.run("ls /etc/systemd/system | grep fragile.*d$", check=False).stdout
    assert lab.changes(host.name) == {}
