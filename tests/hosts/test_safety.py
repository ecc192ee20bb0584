"""The host comes back by itself, whatever happens to the controller, the network or the power."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, contextmanager
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from testbed.host import Host
from tests.hosts.arranged import arranged, value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import QUICK, SMALL, Controller, finish, sessions, wait_for
from tests.hosts.lab import STATE, Lab

RETRIES_PATH = "/proc/sys/net/ipv4/tcp_retries2"
JOURNAL = f"{STATE}/journal"
BACK = f"[ ! -e {JOURNAL} ]"
APPLIED = f"grep -q applied {STATE}/history 2>/dev/null"
# What a loaded machine may add to a timer, in seconds.
SLACK = 8


def _after_the_plan(host: Host) -> str:
    return f"[ $(journalctl -t sshd -t sshd-session -o cat | grep -c '^Starting') -gt {sessions(host) + 1} ]"


def _while_values_are_written(_: Host) -> str:
    return f"grep -q ^intent {JOURNAL}/progress 2>/dev/null"


def _after_the_apply(_: Host) -> str:
    return APPLIED


@pytest.mark.parametrize(
    "moment", [_after_the_plan, _while_values_are_written, _after_the_apply]
)
def test_when_the_controller_is_killed_the_host_is_back_within_the_confirm_timeout(
    host: Host, controller: MakeController, lab: Lab, moment: Callable[[Host], str]
) -> None:
    condition = moment(host)
    process = controller(host).start(*_quick(controller(host)))
    wait_for(host, condition)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _expect_back(host, lab)


def _quick(one: Controller) -> tuple[str, ...]:
    words = ("--profile", SMALL, "--yes", "--format", "json", "--confirm-timeout", QUICK)
    return ("apply", one.inventory, *words, "--connect-timeout", "2")


def _expect_back(host: Host, lab: Lab) -> None:
    """Wait until the host has put itself back, in time, with nothing left behind."""
    wait_for(host, BACK)
    assert lab.changes(host.name) == {}
    assert value(host, RETRIES_PATH) == "15"
    lines = host.run(f"cat {STATE}/history 2>/dev/null", check=False).stdout.splitlines()
    events = {line.split("\t")[2]: line.split("\t")[0] for line in lines}
    if "applied" in events:
        began, ended = (datetime.fromisoformat(events[word]) for word in ("applied", "restored"))
        assert (ended - began).total_seconds() <= int(QUICK) + SLACK


def test_when_the_program_on_the_host_is_killed_between_two_writes_the_host_comes_back(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    process = controller(trixie).start(*_quick(controller(trixie)))
    # Its number is in the journal; the host kills it at the first value that it writes.
    trixie.run(
        f"until grep -q ^wrote {JOURNAL}/progress 2>/dev/null; do :; done;"
        f" read -r pid rest <{JOURNAL}/busy/pid; kill -KILL $pid"
    )
    outcome = finish(process)
    assert outcome.expect(3).host("trixie")["state"] == "restored"
    _expect_back(trixie, lab)


def test_when_the_network_is_cut_after_the_apply_the_hosts_come_back(
    pair: tuple[Host, Host], controller: MakeController, lab: Lab
) -> None:
    bookworm, trixie = pair
    process = controller(*pair).start(*_quick(controller(*pair)))
    try:
        for host in pair:
            wait_for(host, APPLIED)
            host.disconnect()
        # Nobody can ask them meanwhile.
        time.sleep(int(QUICK) + SLACK)
        bookworm.reconnect()
        outcome = finish(process)
    finally:
        trixie.reconnect()
        bookworm.reconnect()
    # One could be asked what became of it, and the other needs a person.
    assert outcome.expect(4).host("bookworm")["state"] == "restored"
    assert outcome.host("trixie")["state"] == "failed"
    for host in pair:
        _expect_back(host, lab)


def test_when_the_network_is_cut_in_the_middle_of_an_apply_the_host_comes_back_and_is_asked(
    bookworm: Host, controller: MakeController, lab: Lab
) -> None:
    process = controller(bookworm).start(*_quick(controller(bookworm)))
    try:
        wait_for(bookworm, f"[ -e {JOURNAL}/manifest ]")
        bookworm.disconnect()
        time.sleep(int(QUICK) + SLACK)
    finally:
        bookworm.reconnect()
    assert finish(process).expect(3).host("bookworm")["state"] == "restored"
    _expect_back(bookworm, lab)


def test_a_change_waits_for_its_confirmation_and_then_stays(
    trixie: Host, controller: MakeController
) -> None:
    one = controller(trixie)
    outcome = one.apply("--profile", SMALL, "--no-confirm").expect(0)
    assert outcome.host("trixie")["state"] == "waiting"
    # Files count at the next boot, so they wait with the rest.
    assert not trixie.run("ls /etc/sysctl.d/ | grep optimizer", check=False).stdout
    assert one.confirm().expect(0).host("trixie")["state"] == "applied"
    assert one.verify().expect(0).host("trixie")["state"] == "match"
    assert one.confirm().code == 1
    one.rollback().expect(0)


def test_a_change_that_nobody_confirms_is_taken_back(
    host: Host, controller: MakeController, lab: Lab
) -> None:
    _apply_unconfirmed(controller(host))
    assert value(host, RETRIES_PATH) == "8"
    _expect_back(host, lab)


def _apply_unconfirmed(one: Controller, timeout: str = QUICK) -> None:
    words = ("--profile", SMALL, "--no-confirm", "--confirm-timeout", timeout)
    one.apply(*words).expect(0)


def _reboot(host: Host) -> None:
    host.reboot()


def _cut_the_power(host: Host) -> None:
    host.power_cut()


@pytest.mark.parametrize("boot", [_reboot, _cut_the_power])
def test_a_boot_before_the_confirmation_brings_the_old_state_and_leaves_nothing_behind(
    host: Host, controller: MakeController, lab: Lab, boot: Callable[[Host], None]
) -> None:
    one = controller(host)
    _apply_unconfirmed(one, "600")
    boot(host)
    _expect_back(host, lab)
    assert "nothing waits" in one.confirm().expect(1).said


@contextmanager
def _without_systemd_run(host: Host) -> Iterator[None]:
    with arranged(host, "chmod -x /usr/bin/systemd-run", "chmod +x /usr/bin/systemd-run"):
        yield


@contextmanager
def _with_busybox_as_sh(host: Host) -> Iterator[None]:
    with arranged(
        host,
        "mv /bin/sh /bin/sh.usual && ln -s /bin/busybox /bin/sh && sh -c 'busybox | head -n 1'",
        "mv -f /bin/sh.usual /bin/sh",
    ):
        yield


@contextmanager
def _with_both(host: Host) -> Iterator[None]:
    with _without_systemd_run(host), _with_busybox_as_sh(host):
        yield


ODD_HOSTS = [_without_systemd_run, _with_busybox_as_sh, _with_both]


@pytest.mark.parametrize("oddity", ODD_HOSTS)
def test_a_host_that_lacks_something_comes_back_too(
    host: Host, controller: MakeController, lab: Lab, oddity: Callable[[Host], ExitStack]
) -> None:
    with oddity(host):
        _apply_unconfirmed(controller(host))
        assert value(host, RETRIES_PATH) == "8"
        wait_for(host, BACK)
    _expect_back(host, lab)


@pytest.mark.parametrize("oddity", ODD_HOSTS)
def test_a_host_that_lacks_something_is_changed_for_good_and_rolled_back(
    bookworm: Host, controller: MakeController, oddity: Callable[[Host], ExitStack]
) -> None:
    one = controller(bookworm)
    with oddity(bookworm):
        one.apply("--profile", SMALL).expect(0)
        assert one.verify().expect(0).host("bookworm")["state"] == "match"
        # No process of ours waits any longer for a restore.
        assert not bookworm.run("pgrep -af [o]ptimizer", check=False).stdout
        one.rollback().expect(0)
