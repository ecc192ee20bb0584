"""What somebody else changes after us: verify says who wins, rollback keeps and names it."""

from __future__ import annotations

from contextlib import ExitStack

from testbed.host import Host
from tests.hosts.arranged import arranged, value, with_file, with_value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import SMALL
from tests.hosts.lab import STATE, Lab

IPV4 = "/proc/sys/net/ipv4/"
SYSCTL = "system.sysctl.net.ipv4."
CRON = "system.unit.cron.service."
TIMER = "system.logrotate-timer.OnCalendar"
OURS = "/etc/sysctl.d/99-zz-optimizer.conf"
WINS = "/etc/sysctl.d/99-zzz-local.conf"
LOSES = "/etc/sysctl.d/50-local.conf"
DROP_INS = "/etc/systemd/system/cron.service.d"
SCHEDULE = "/etc/systemd/system/logrotate.timer.d"
CONTROL = "/etc/systemd/system.control/cron.service.d"
WORDS = ("--profile", SMALL, "--set", f"{CRON}LimitNOFILE=4096", "--set", f"{CRON}MemoryMax=1GiB",
         "--set", f"{SYSCTL}tcp_fin_timeout=20")  # fmt: skip


def _edit(host: Host, edits: ExitStack) -> None:
    """Do what colleagues do: a value, files that win and lose, files of ours, a service."""
    with_value(host, f"{IPV4}tcp_retries2", "11")
    edits.enter_context(with_file(host, WINS, "net.ipv4.tcp_keepalive_time = 77\n"))
    edits.enter_context(with_file(host, LOSES, "# mine\nnet.ipv4.tcp_fin_timeout = 33\n"))
    host.run(f"sed -i 's/after_idle = 0/after_idle = 1/' {OURS}")
    edits.enter_context(with_file(host, f"{DROP_INS}/zzz.conf", "[Service]\nLimitNOFILE=2048\n"))
    edits.enter_context(
        with_file(host, f"{SCHEDULE}/zzz.conf", "[Timer]\nOnCalendar=\nOnCalendar=weekly\n")
    )
    reload = "systemctl daemon-reload"
    undo = "systemctl revert cron.service 2>/dev/null; rm -rf /etc/systemd/system.control"
    edits.enter_context(arranged(host, f"{reload}; systemctl set-property cron MemoryMax=2G", undo))


def test_verify_says_who_wins_and_a_rollback_keeps_it_until_it_is_asked_for(
    trixie: Host, controller: MakeController, lab: Lab
) -> None:
    one = controller(trixie)
    snapshot = one.apply(*WORDS).expect(0).host("trixie")["snapshot"]
    assert one.verify().expect(0).host("trixie")["drift"] == []
    with ExitStack() as edits:
        _edit(trixie, edits)
        edited = trixie.run(f"sha256sum <{OURS}").stdout.split()[0]
        verdict = one.verify().expect(2).host("trixie")
        found = {
            drift["tunable"]: (drift["live"], drift["boot"], drift["source"])
            for drift in verdict["drift"]
        }
        line = trixie.run(f"grep -n after_idle {OURS}").stdout.partition(":")[0]
        retries = trixie.run(f"grep -n retries2 {OURS}").stdout.partition(":")[0]
        assert found.pop(OURS)[2] == OURS
        assert found.pop(f"{SYSCTL}tcp_retries2") == ("11", "8", f"{OURS}:{retries}")
        assert found.pop(f"{SYSCTL}tcp_keepalive_time") == ("60", "77", f"{WINS}:1")
        assert found.pop(f"{SYSCTL}tcp_slow_start_after_idle") == ("0", "1", f"{OURS}:{line}")
        assert found.pop(f"{CRON}LimitNOFILE")[1:] == ("2048", f"{DROP_INS}/zzz.conf:2")
        memory = found.pop(f"{CRON}MemoryMax")
        assert memory[:2] == (str(2 << 30), str(1 << 30))
        assert found.pop(TIMER) == ("weekly", "weekly", f"{SCHEDULE}/zzz.conf:3")
        assert found == {}
        assert any(
            note.startswith(f"{LOSES}:2 sets net.ipv4.tcp_fin_timeout to 33")
            and f"loses against {OURS}:" in note
            for note in verdict["notes"]
        )

        outcome = one.rollback().expect(0).host("trixie")
        kept = {change["tunable"]: change["before"] for change in outcome["foreign"]}
        assert kept.keys() == {f"{SYSCTL}tcp_retries2", OURS}
        assert kept[f"{SYSCTL}tcp_retries2"] == "11"
        assert value(trixie, f"{IPV4}tcp_retries2") == "11"
        assert value(trixie, f"{IPV4}tcp_keepalive_time") == "7200"
        # Of our file their line is left, and nothing of ours.
        theirs_alone = "net.ipv4.tcp_slow_start_after_idle = 1\n"
        assert trixie.run(f"cat {OURS}").stdout == theirs_alone

        one.rollback("--to", snapshot, "--include-foreign").expect(0)
        assert value(trixie, f"{IPV4}tcp_retries2") == "15"
        # What they wrote into our file is not lost with it.
        assert trixie.run(f"ls {STATE}/snapshots/*/files/{edited}").stdout
        left = lab.changes("trixie")
        theirs = {WINS, LOSES, f"{DROP_INS}/zzz.conf", f"{SCHEDULE}/zzz.conf"}
        assert {f"file {path}" for path in theirs} <= left.keys()
        assert not any("optimizer" in key for key in left)
    trixie.run(f"rmdir {DROP_INS} {SCHEDULE}; systemctl daemon-reload; systemctl restart cron")
    trixie.run("systemctl restart logrotate.timer")
    assert lab.changes("trixie").keys() <= {"pid cron.service"}
