"""Several hosts at once: in parallel, and some of them out of reach."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

from testbed.host import Host
from tests.hosts.arranged import arranged, value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import SMALL, Controller, connection, write_inventory
from tests.hosts.lab import Lab

RETRIES = "/proc/sys/net/ipv4/tcp_retries2"
DELAY = 4
_LAST_START = (
    "journalctl --sync; journalctl -t sshd -t sshd-session -o short-unix"
    " | grep 'Starting session' | tail -n 2 | head -n 1"
)


def test_hosts_are_handled_in_parallel(pair: tuple[Host, Host], controller: MakeController) -> None:
    # Each remote command takes this long, so one after the other they could not start together.
    slow = f"printf 'sleep {DELAY}\\n' >/root/.bashrc.new && cp -p /root/.bashrc /root/.bashrc.old"
    slow += " && cat /root/.bashrc.old >>/root/.bashrc.new && mv /root/.bashrc.new /root/.bashrc"
    with ExitStack() as stack:
        for host in pair:
            stack.enter_context(arranged(host, slow, "mv /root/.bashrc.old /root/.bashrc"))
        controller(*pair).plan("--profile", SMALL).expect(0)
        starts = [float(host.run(_LAST_START).stdout.split()[0]) for host in pair]
    assert abs(starts[0] - starts[1]) < DELAY


def test_a_host_out_of_reach_is_listed_and_the_others_are_done(
    bookworm: Host, tmp_path: Path
) -> None:
    one = _with_a_dead_host(tmp_path, bookworm)
    outcome = one.apply("--profile", SMALL).expect(5)
    assert outcome.host("bookworm")["state"] == "applied"
    assert outcome.host("dead")["state"] == "unreachable"
    assert outcome.host("dead")["problems"]
    assert value(bookworm, RETRIES) == "8"
    assert one.plan("--profile", SMALL).expect(5).host("dead")["state"] == "unreachable"
    assert one.verify().expect(5).host("dead")["state"] == "unreachable"
    assert one.rollback().expect(5).host("bookworm")["state"] == "applied"


def test_with_all_hosts_out_of_reach_every_verb_fails(tmp_path: Path, lab: Lab) -> None:
    one = _with_a_dead_host(tmp_path)
    for outcome in (one.plan("--profile", SMALL), one.apply("--profile", SMALL), one.verify()):
        assert "dead" in outcome.expect(1).said


def test_a_host_that_swallows_packets_is_given_up_after_the_connect_timeout(
    bookworm: Host, controller: MakeController
) -> None:
    bookworm.disconnect()
    try:
        outcome = controller(bookworm).plan("--profile", SMALL, "--connect-timeout", "2")
    finally:
        bookworm.reconnect()
    assert outcome.expect(1).host("bookworm")["state"] == "unreachable"


def _with_a_dead_host(folder: Path, *hosts: Host) -> Controller:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    described = {host.name: connection(host) for host in hosts}
    described["dead"] = {"ssh_hostname": "127.0.0.1", "ssh_port": port}
    return Controller(folder, write_inventory(folder / "inventory.py", described))
