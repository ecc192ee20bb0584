"""What the README promises for Vagrant: up, plan, apply, reboot, verify, rollback."""

from __future__ import annotations

from tests.hosts.lab import without_records
from tests.hosts.scan import Differences, Scan, difference, scan
from tests.vagrant.workshop import VagrantHost, Workshop

NAMES = ("opt-1", "opt-2")
PROFILE = ("--profile", "hft")
# In force until the next boot, as sshd and the network card use them.
IN_USE = {
    "module sch_fq",
    "module tcp_bbr",
    "sysctl net.ipv4.tcp_available_congestion_control",
}


def test_hosts_of_the_vagrantfile_are_tuned_over_a_reboot_and_taken_back(
    workshop: Workshop,
) -> None:
    hosts = [VagrantHost(name, workshop) for name in NAMES]
    # The first boot does things that no later one does.
    workshop.vagrant("reload")
    before = [scan(host) for host in hosts]
    assert _states(workshop.optimizer("plan", *PROFILE)) == ["planned", "planned"]
    assert _states(workshop.optimizer("apply", *PROFILE, "--yes")) == ["applied", "applied"]
    assert _states(workshop.optimizer("verify")) == ["match", "match"]

    workshop.vagrant("reload")
    for host in hosts:
        said = host.run("cat /proc/sys/vm/swappiness /proc/sys/net/ipv4/tcp_congestion_control")
        assert said.stdout.split() == ["1", "bbr"]
    assert _states(workshop.optimizer("verify")) == ["match", "match"]

    assert _states(workshop.optimizer("rollback", "--yes")) == ["applied", "applied"]
    for host, old in zip(hosts, before, strict=True):
        assert _changes(host, old).keys() == IN_USE
    workshop.vagrant("reload")
    for host, old in zip(hosts, before, strict=True):
        assert _changes(host, old) == {}


def _states(document: dict[str, list[dict[str, str]]]) -> list[str]:
    return [host["state"] for host in document["hosts"]]


def _changes(host: VagrantHost, before: Scan) -> Differences:
    return without_records(difference(before, scan(host)))
