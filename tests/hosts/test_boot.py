"""What the next boot makes of a change, and of files that say something else."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest

from optimizer.model.transaction import FileStep, LinkStep, Step
from testbed.host import Host
from tests.hosts.arranged import arranged, value, with_file
from tests.hosts.conftest import MakeController
from tests.hosts.controller import SMALL
from tests.hosts.faults.cutter import STOP, ordered
from tests.hosts.lab import STATE, TWIN, WANTS, Lab
from tests.hosts.raw_change import FOLDER, raw_change, ref

RETRIES = "system.sysctl.net.ipv4.tcp_retries2"
RETRIES_PATH = "/proc/sys/net/ipv4/tcp_retries2"
LATER = "/etc/sysctl.d/99-zzz-local.conf"
UNIT_NAME = "optimizer-values.service"
UNIT = f"/etc/systemd/system/{UNIT_NAME}"
LINK = f"/etc/systemd/system/multi-user.target.wants/{UNIT_NAME}"
WRITTEN = "/run/values-written"
UNIT_TEXT = f"""[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/touch {WRITTEN}
"""
# Its files are as they shall be, and it is not put away yet.
AT_ITS_END = "unlink:/failed-units"
UNIT_REF = ref(UNIT_TEXT.encode())


def test_a_confirmed_change_survives_a_reboot_and_is_rolled_back_after_it(
    host: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(host)
    one.apply("--profile", SMALL).expect(0)
    applied = lab.changes(host.name)
    host.reboot()
    again = {key: change for key, change in lab.changes(host.name).items()}
    assert again == applied
    assert one.verify().expect(0).host(host.name)["state"] == "match"
    one.rollback().expect(0)
    host.reboot()
    assert lab.changes(host.name) == {}


def test_a_boot_takes_away_what_a_power_cut_has_left_of_a_change_that_was_confirmed(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    one.apply("--profile", SMALL, "--no-confirm").expect(0)
    trixie.run(f"mkdir /root/kept && cp -a {TWIN} {WANTS} /root/kept")
    one.confirm().expect(0)
    applied = lab.changes("trixie")
    # As if the power was cut when the journal had become a snapshot, and before the rest.
    trixie.run(f"cp -a /root/kept/*.wants /etc/systemd/system; mv /root/kept/*.service {TWIN}")
    trixie.run(f"mkdir {STATE}/.ended.1; sync")
    trixie.power_cut()
    trixie.run("rm -r /root/kept")
    assert lab.changes("trixie") == {
        key: change for key, change in applied.items() if "/root/kept" not in key
    }
    assert one.verify().expect(0).host("trixie")["state"] == "match"
    one.rollback().expect(0)


@pytest.mark.parametrize("place", [AT_ITS_END, f"unlink:{UNIT}"])
def test_what_a_boot_puts_back_is_started_in_that_boot(host: Host, lab: Lab, place: str) -> None:
    # As a way back takes it: systemd has read its units by then, and chosen what it starts.
    steps = (
        FileStep(path=UNIT, before=UNIT_REF, after=None),
        LinkStep(path=LINK, before=UNIT, after=None),
    )
    link = arranged(host, f"ln -s {UNIT} {LINK}", f"systemctl stop {UNIT_NAME}; rm -f {LINK}")
    with with_file(host, UNIT, UNIT_TEXT), link:
        _cut_the_power_amid_the_confirmation(host, steps, place)
        changes = lab.changes(host.name)
        written = host.run(f"rm {WRITTEN}", check=False)
    host.run("systemctl daemon-reload")
    assert changes.pop(f"unit {UNIT_NAME}") == (None, "loaded active exited")
    assert set(changes) == {
        f"file {LINK}",
        f"file {UNIT}",
        f"service {UNIT_NAME}",
        f"unit-file {UNIT_NAME}",
    }
    assert written.returncode == 0


def test_what_a_boot_takes_away_is_not_started_in_that_boot(host: Host, lab: Lab) -> None:
    steps = (
        FileStep(path=UNIT, before=None, after=UNIT_REF),
        LinkStep(path=LINK, before=None, after=UNIT),
    )
    _cut_the_power_amid_the_confirmation(host, steps, AT_ITS_END)
    assert host.run(f"ls {WRITTEN}", check=False).returncode != 0
    assert lab.changes(host.name) == {}


def _cut_the_power_amid_the_confirmation(host: Host, steps: Sequence[Step], place: str) -> None:
    """Make a change, and boot when its confirmation has come to a place, as an order has it."""
    with (
        raw_change(host, 600, steps=steps, content=UNIT_TEXT.encode()),
        ordered(host, "pass", f"strike {place} {STOP}") as cutter,
    ):
        assert "result\tapplied" in host.run(f"sh {FOLDER}/apply").stdout
        argv = [*host.endpoint.argv(), f"sh {FOLDER}/confirm"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as confirming:
            assert cutter.is_held()
            confirming.kill()
        host.power_cut()


def test_a_file_that_wins_over_ours_at_boot_is_named_with_its_line(
    trixie: Host, controller: MakeController
) -> None:
    one = controller(trixie)
    with with_file(trixie, LATER, "# ours wins? no\n\nnet.ipv4.tcp_retries2 = 5\n"):
        planned = one.plan("--profile", SMALL).expect(0).host("trixie")
        change = next(each for each in planned["changes"] if each["tunable"] == RETRIES)
        assert (change["boot_before"], change["source"]) == ("5", f"{LATER}:3")
        assert any(f"{LATER}:3 is read after our file" in note for note in planned["notes"])
        one.apply("--profile", SMALL).expect(0)
        (drift,) = one.verify().expect(2).host("trixie")["drift"]
        assert (drift["tunable"], drift["live"], drift["boot"]) == (RETRIES, "8", "5")
        assert drift["source"] == f"{LATER}:3"
        # And so it is.
        trixie.reboot()
        assert value(trixie, RETRIES_PATH) == "5"
    trixie.run(f"echo 8 >{RETRIES_PATH}")
    one.rollback().expect(0)


def test_etc_sysctl_conf_does_not_win_over_ours_at_boot(
    bookworm: Host, controller: MakeController
) -> None:
    one = controller(bookworm)
    keep = "cp -p /etc/sysctl.conf /etc/sysctl.conf.kept"
    line = f"echo 'net.ipv4.tcp_retries2=5' >>/etc/sysctl.conf; echo 5 >{RETRIES_PATH}"
    with arranged(bookworm, f"{keep} && {line}", "mv /etc/sysctl.conf.kept /etc/sysctl.conf"):
        planned = one.plan("--profile", SMALL).expect(0).host("bookworm")
        change = next(each for each in planned["changes"] if each["tunable"] == RETRIES)
        assert (change["before"], change["boot_before"]) == ("5", "5")
        assert any("`sysctl --system` reads it last" in note for note in planned["notes"])
        one.apply("--profile", SMALL).expect(0)
        bookworm.reboot()
        assert value(bookworm, RETRIES_PATH) == "8"
        assert one.verify().expect(0).host("bookworm")["state"] == "match"
        one.rollback().expect(0)
        assert value(bookworm, RETRIES_PATH) == "5"
    bookworm.run(f"echo 15 >{RETRIES_PATH}")
