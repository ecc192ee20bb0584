"""The host comes back by itself, whatever happens to the controller, the network or the power."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import pytest

from testbed.host import Host
from tests.hosts.arranged import arranged, value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import QUICK, SMALL, Controller, finish, sessions, wait_for
from tests.hosts.faults.cutter import ordered
from tests.hosts.history import events, expect_in_time
from tests.hosts.lab import STATE, Lab

RETRIES_PATH = "/proc/sys/net/ipv4/tcp_retries2"
# Those of the small profile, in the order in which they are written.
VALUES = tuple(
    f"/proc/sys/net/ipv4/tcp_{name}"
    for name in ("keepalive_time", "retries2", "slow_start_after_idle")
)
JOURNAL = f"{STATE}/journal"
BACK = f"[ ! -e {JOURNAL} ]"
BEGUN = f"[ -e {JOURNAL}/manifest ]"
WRITING = f"grep -q ^intent {JOURNAL}/progress 2>/dev/null"
APPLIED = f"grep -q applied {STATE}/history 2>/dev/null"

# The host itself shuts its door, as it is there at once, and opens it when it is back.
_DOOR = """
systemd-run --quiet --collect --unit=door sh -c '
until {condition}; do sleep 0.002; done
{shut}
sleep 8
while [ -e {journal} ]; do sleep 0.1; done
{opened}'
"""


def _shut_when(host: Host, condition: str, shut: str, opened: str) -> None:
    host.run(_DOOR.format(condition=condition, shut=shut, opened=opened, journal=JOURNAL))


def _deaf_when(host: Host, condition: str) -> None:
    """Let sshd of a host take no new connections from a moment on, until the host is back."""
    sshd = host.run("systemctl show -P MainPID ssh").stdout.strip()
    _shut_when(host, condition, f"kill -STOP {sshd}", f"kill -CONT {sshd}")


def _cut_when(host: Host, condition: str) -> None:
    """Let every packet to this controller vanish from a moment on, until the host is back."""
    name = host.run("echo ${SSH_CONNECTION%% *}").stdout.strip()
    _shut_when(host, condition, f"ip route add blackhole {name}", f"ip route del blackhole {name}")


def _wait_until_shut(host: Host) -> None:
    deadline = time.monotonic() + 60
    while _introduces_itself(host):
        assert time.monotonic() < deadline, "the host never shut its door"
        # Newer sshd takes against callers that only look in, if they do it often.
        time.sleep(1)


def _introduces_itself(host: Host) -> bool:
    """Whether sshd says what it is, given time enough also on a loaded machine."""
    try:
        with socket.create_connection((host.address, host.port), timeout=4) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _after_the_plan(host: Host) -> str:
    count = "journalctl -t sshd -t sshd-session -o cat | grep -c ^Starting"
    return f"[ $({count}) -gt {sessions(host) + 1} ]"


def _while_values_are_written(_: Host) -> str:
    return WRITING


@pytest.mark.parametrize("moment", [_after_the_plan, _while_values_are_written])
def test_when_the_controller_is_killed_the_host_is_back_within_the_confirm_timeout(
    bookworm: Host, controller: MakeController, lab: Lab, moment: Callable[[Host], str]
) -> None:
    _deaf_when(bookworm, moment(bookworm))
    process = controller(bookworm).start(*_quick(controller(bookworm)))
    _wait_until_shut(bookworm)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _expect_back(bookworm, lab)


def test_when_the_controller_is_killed_after_the_apply_the_host_is_back_as_well(
    bookworm: Host, controller: MakeController, lab: Lab
) -> None:
    # The connections that are there by then live on: ours, and the one that carries the apply.
    _deaf_when(bookworm, BEGUN)
    with ThreadPoolExecutor(1) as pool:
        applied = pool.submit(wait_for, bookworm, APPLIED)
        process = controller(bookworm).start(*_quick(controller(bookworm)))
        applied.result()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    _expect_back(bookworm, lab)
    assert "applied" in events(bookworm)


def _quick(one: Controller) -> tuple[str, ...]:
    words = ("--profile", SMALL, "--yes", "--format", "json", "--confirm-timeout", QUICK)
    return ("apply", one.inventory, *words, "--connect-timeout", "2")


def _expect_back(host: Host, lab: Lab) -> None:
    """Wait until the host has put itself back, in time, with nothing left behind."""
    host.wait_until_up()
    wait_for(host, f"{BACK} && ! systemctl -q is-active door")
    assert lab.changes(host.name) == {}
    assert value(host, RETRIES_PATH) == "15"
    if "applied" in events(host):
        expect_in_time(host)


def test_when_the_program_on_the_host_is_killed_between_two_writes_the_host_comes_back(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    first, *_, last = VALUES
    with ordered(trixie, "pass", f"kill open:{last}") as cutter:
        outcome = controller(trixie).apply("--profile", SMALL, "--confirm-timeout", QUICK)
        written = [point.what for point in cutter.seen() if point.kind == "write"]
    assert outcome.expect(3).host("trixie")["state"] == "restored"
    assert first in written and last not in written
    _expect_back(trixie, lab)


@pytest.mark.parametrize("moment", [BEGUN, APPLIED], ids=["at the start", "at the end"])
def test_when_the_network_is_cut_the_host_comes_back_and_is_asked_what_became_of_it(
    bookworm: Host, controller: MakeController, lab: Lab, moment: str
) -> None:
    _cut_when(bookworm, moment)
    outcome = finish(controller(bookworm).start(*_quick(controller(bookworm))))
    assert outcome.expect(3).host("bookworm")["state"] == "restored"
    _expect_back(bookworm, lab)


def test_when_the_network_stays_cut_the_host_comes_back_and_a_person_is_told(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    _cut_when(trixie, APPLIED)
    process = controller(trixie).start(*_quick(controller(trixie)))
    try:
        _wait_until_shut(trixie)
        trixie.disconnect()
        outcome = finish(process)
    finally:
        trixie.reconnect()
    assert outcome.expect(4).host("trixie")["state"] == "failed"
    assert "cannot be reached" in outcome.said
    _expect_back(trixie, lab)


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


@pytest.mark.parametrize(
    ("host", "boot"),
    [("bookworm", _reboot), ("trixie", _reboot), ("trixie", _cut_the_power)],
    indirect=["host"],
)
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


Oddity = Callable[[Host], AbstractContextManager[None]]


@pytest.mark.parametrize("oddity", [_without_systemd_run, _with_busybox_as_sh])
def test_a_host_that_lacks_something_comes_back_too(
    trixie: Host, controller: MakeController, lab: Lab, oddity: Oddity
) -> None:
    with oddity(trixie):
        _apply_unconfirmed(controller(trixie))
        assert value(trixie, RETRIES_PATH) == "8"
        wait_for(trixie, BACK)
    _expect_back(trixie, lab)


def test_a_host_that_lacks_something_is_changed_for_good_and_rolled_back(
    bookworm: Host, controller: MakeController
) -> None:
    one = controller(bookworm)
    with _without_systemd_run(bookworm), _with_busybox_as_sh(bookworm):
        one.apply("--profile", SMALL).expect(0)
        assert one.verify().expect(0).host("bookworm")["state"] == "match"
        # No process of ours waits any longer for a restore.
        assert not bookworm.run("pgrep -af [o]ptimizer", check=False).stdout
        one.rollback().expect(0)
