"""Accounts other than root: sudo with and without a password, no sudo, and an unknown host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.debian import CLERKS_PASSWORD
from testbed.host import Host
from tests.hosts.arranged import value
from tests.hosts.conftest import MakeController
from tests.hosts.controller import SMALL
from tests.hosts.lab import Lab
from tests.hosts.watched import watched

RETRIES = "/proc/sys/net/ipv4/tcp_retries2"
WRONG = "battery staple"


def test_an_account_with_sudo_applies_and_rolls_back(
    bookworm: Host, controller: MakeController
) -> None:
    operator = controller(bookworm, user="operator")
    operator.apply("--profile", SMALL).expect(0)
    assert value(bookworm, RETRIES) == "8"
    operator.rollback().expect(0)


def test_an_account_with_a_sudo_password_applies_and_the_password_shows_nowhere(
    bookworm: Host, controller: MakeController
) -> None:
    clerk = controller(bookworm, user="clerk", _sudo_password=CLERKS_PASSWORD)
    with watched(bookworm) as watch:
        outcome = clerk.apply("--profile", SMALL).expect(0)
        assert value(bookworm, RETRIES) == "8"
        back = clerk.rollback().expect(0)
        # The watch did see the program and its sudo.
        assert watch.shows("sudo")
        assert not watch.shows(CLERKS_PASSWORD)
    kept = bookworm.run("cat $(find /var/lib/optimizer -type f); journalctl -o cat").stdout
    assert "clerk : " in kept
    for text in (kept, outcome.said, back.said, _all(clerk.state)):
        assert text
        assert CLERKS_PASSWORD not in text


def _all(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_text(errors="replace") for path in files)


def test_a_wrong_sudo_password_is_a_clear_error_and_nothing_is_touched(
    bookworm: Host, controller: MakeController, lab: Lab
) -> None:
    clerk = controller(bookworm, user="clerk", _sudo_password=WRONG)
    outcome = clerk.apply("--profile", SMALL).expect(1)
    assert "sudo did not accept the password" in outcome.said
    assert WRONG not in outcome.said
    assert lab.changes("bookworm") == {}


def test_a_missing_sudo_password_does_not_hang_on_a_prompt(
    bookworm: Host, controller: MakeController, lab: Lab
) -> None:
    outcome = controller(bookworm, user="clerk").apply("--profile", SMALL).expect(1)
    assert "root" in outcome.said
    assert lab.changes("bookworm") == {}


def test_without_sudo_a_plan_works_and_says_what_it_could_not_see(
    bookworm: Host, controller: MakeController
) -> None:
    planned = controller(bookworm, user="guest").plan("--profile", SMALL).expect(0).host("bookworm")
    assert planned["state"] == "planned"
    assert len(planned["changes"]) == 4
    assert any("without root's rights" in note for note in planned["notes"])


def test_without_sudo_apply_is_refused_and_nothing_is_touched(
    bookworm: Host, controller: MakeController, lab: Lab
) -> None:
    outcome = controller(bookworm, user="guest").apply("--profile", SMALL).expect(1)
    assert "no root rights" in outcome.said
    assert lab.changes("bookworm") == {}


def test_a_host_whose_key_is_unknown_is_not_trusted(
    bookworm: Host, controller: MakeController, tmp_path: Path
) -> None:
    empty = tmp_path / "known_hosts"
    empty.touch()
    outcome = controller(bookworm, ssh_known_hosts_file=str(empty)).plan("--profile", SMALL)
    assert "No host key for" in outcome.expect(1).host("bookworm")["error"]
    assert empty.read_text() == ""


def test_a_host_whose_key_has_changed_is_not_trusted(
    pair: tuple[Host, Host], controller: MakeController
) -> None:
    bookworm, trixie = pair
    # The address of one with the key of the other.
    with _known_as(trixie, bookworm) as known_hosts:
        one = controller(bookworm, ssh_known_hosts_file=str(known_hosts))
        outcome = one.plan("--profile", SMALL).expect(1)
    assert outcome.host("bookworm")["state"] == "unreachable"
    assert "key" in outcome.host("bookworm")["error"]


@contextmanager
def _known_as(other: Host, host: Host) -> Iterator[Path]:
    line = other.known_hosts.read_text().replace(other.address, host.address)
    path = host.known_hosts.with_name("mistaken")
    path.write_text(line)
    try:
        yield path
    finally:
        path.unlink()
