"""What a real host keeps of a change is damaged: nothing is put back by it, and all are told."""

from __future__ import annotations

from testbed.host import Host
from tests.hosts.arranged import arranged, value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import QUICK, SMALL, Controller, wait_for
from tests.hosts.faults.cutter import ordered
from tests.hosts.lab import STATE, Lab

RETRIES = "/proc/sys/net/ipv4/tcp_retries2"
JOURNAL = f"{STATE}/journal"
WAITING = ("--profile", SMALL, "--no-confirm")
FLIP = "sed -i 's/tcp_retries2\\t15\\t8/tcp_retries2\\t14\\t8/; s/\\t15\\t8\\t/\\t14\\t8\\t/'"


def test_a_timer_with_a_damaged_journal_leaves_the_host_as_it_is_and_everybody_is_told(
    bookworm: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(bookworm)
    one.apply(*WAITING, "--confirm-timeout", QUICK).expect(0)
    bookworm.run(f"{FLIP} {JOURNAL}/manifest && grep -q '14.8' {JOURNAL}/manifest")
    wait_for(bookworm, f"grep -q journal-damaged {STATE}/history")
    # The 14 that it has now is put nowhere.
    assert value(bookworm, RETRIES) == "8"
    reason = f"{JOURNAL}/manifest was changed"
    log = bookworm.run("journalctl --sync; journalctl -o cat -u 'optimizer-restore-*'").stdout
    assert reason in log and "optimizer rollback" in log
    assert reason in one.plan("--profile", SMALL).expect(0).said
    assert reason in one.apply("--profile", SMALL).expect(1).said
    assert one.confirm().expect(4).host("bookworm")["state"] == "failed"
    verdict = one.verify().expect(2)
    assert verdict.host("bookworm")["state"] == "drift" and reason in verdict.said
    assert reason in one.run("doctor", one.inventory).expect(1).said
    # One that has no copy of the change cannot take it back, and does not say that all is well.
    other = controller(bookworm)
    assert other.verify().expect(2).host("bookworm")["state"] == "unknown"
    assert "no good copy" in other.rollback().expect(1).said
    assert value(bookworm, RETRIES) == "8"
    one.rollback().expect(0)
    assert lab.changes("bookworm") == {}


def test_a_boot_with_a_damaged_program_runs_nothing_of_it(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    one.apply(*WAITING, "--confirm-timeout", "600").expect(0)
    trixie.run(f"printf 'touch /root/was-run' | tee {JOURNAL}/restore >/dev/null")
    trixie.reboot()
    log = trixie.run("journalctl -b -o cat -u optimizer-restore.service").stdout
    assert f"{JOURNAL}/restore is damaged" in log
    assert trixie.run("ls /root").stdout == ""
    assert f"{JOURNAL}/restore was changed" in one.verify().expect(2).said
    # The boot took the live values back; what is left of the change still has to go.
    one.rollback().expect(0)
    assert lab.changes("trixie") == {}


def test_a_journal_that_is_damaged_before_the_confirmation_is_mended_and_goes_back(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    damage = f"strike link:{JOURNAL}/busy {FLIP} {JOURNAL}/manifest"
    with ordered(trixie, "pass", "pass", damage):
        outcome = controller(trixie).apply("--profile", SMALL).expect(3)
    assert outcome.host("trixie")["state"] == "restored"
    assert "mended by the controller's copy" in outcome.said
    assert value(trixie, RETRIES) == "15"
    assert lab.changes("trixie") == {}


def test_nothing_is_begun_where_somebody_else_may_write(
    trixie: Host, controller: MakeController
) -> None:
    one: Controller = controller(trixie)
    with arranged(trixie, f"mkdir -m 700 {STATE} && chown nobody {STATE}", f"rm -r {STATE}"):
        outcome = one.apply("--profile", SMALL).expect(1)
        assert f"{STATE} belongs" in outcome.said and "chmod 700" in outcome.said
        assert value(trixie, RETRIES) == "15"
        assert trixie.run(f"ls -A {STATE}").stdout == ""
