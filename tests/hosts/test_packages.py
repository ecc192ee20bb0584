"""A package on real hosts: planned, installed and purged, with all it brings; every file counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from testbed.host import Host
from tests.hosts.arranged import arranged
from tests.hosts.conftest import MakeController
from tests.hosts.controller import PGBOUNCER_INSTALLED
from tests.hosts.package_lab import LEFT, changed, everything, installed, owned
from tests.hosts.pgbouncer_lab import INI

WANTED = ("--profile", PGBOUNCER_INSTALLED)
ID = "postgresql.pgbouncer.installed"

# What dpkg, apt, ldconfig and systemd write besides the files of a package.
_RECORDS = re.compile(
    r"/var/lib/dpkg/(status|status-old|info/.*)|/var/lib/apt/extended_states"
    r"|/var/log/dpkg\.log|/var/log/apt/(history|term)\.log"
    r"|/etc/ld\.so\.cache|/var/cache/(ldconfig/aux-cache|apt/(src)?pkgcache\.bin)"
    r"|/etc/rc.\.d/.*pgbouncer|/etc/systemd/system/multi-user\.target\.wants/pgbouncer\.service"
)


def test_a_package_is_installed_as_planned_and_purged_to_the_last_file(
    offering: Host, controller: MakeController
) -> None:
    one, name = controller(offering), offering.name
    before, packages = everything(offering), installed(offering)
    plan = one.plan(*WANTED).expect(0).host(name)
    assert everything(offering) == before
    assert "dpkg -L" in plan["notes"][0]

    one.apply(*WANTED).expect(0)
    now = installed(offering)
    assert now - packages == _listed(plan)
    assert packages <= now
    more = changed(before, everything(offering)) - owned(offering, now - packages)
    assert {path for path in more if not _RECORDS.fullmatch(path)} == set()
    assert offering.run("systemctl is-active pgbouncer").stdout == "active\n"
    automatic = offering.run("cat /var/lib/apt/extended_states").stdout.split()
    assert [package for package, _ in now - packages if package not in automatic] == ["pgbouncer"]
    assert one.verify().expect(0).host(name)["state"] == "match"
    again = one.plan(*WANTED).expect(0).host(name)
    tuned = [change["tunable"] for change in again["changes"]]
    assert tuned == ["postgresql.pgbouncer.max_client_conn[6432]"]

    one.rollback().expect(0)
    assert installed(offering) == packages
    assert changed(before, everything(offering)) <= LEFT


def test_what_somebody_configured_stays_and_settings_go_back_before_the_package(
    offer15: Host, controller: MakeController
) -> None:
    one, name = controller(offer15), offer15.name
    packages = installed(offer15)
    first = one.apply(*WANTED).expect(0).host(name)["snapshot"]
    with arranged(offer15, f"cp -a {INI} /run/ini; echo '; mine' >>{INI}", f"mv /run/ini {INI}"):
        kept = one.rollback("--dry-run").expect(0).host(name)
        assert kept["steps"] == []
        assert INI in kept["changes"][0]["advice"]
        assert "needed by pgbouncer" in kept["changes"][1]["advice"]

    one.apply(*WANTED).expect(0)
    back = one.rollback("--to", first).expect(0).host(name)
    assert {change["tunable"].partition("[")[0] for change in back["held_back"]} == {ID}
    assert installed(offer15) > packages
    one.rollback("--to", first).expect(0)
    assert installed(offer15) == packages


# PgBouncer is offered anew, with another script of its own.
_REPACKED = r"""
cp -a /srv/offered /srv/kept
cd /srv/offered
dpkg-deb -R pgbouncer_*.deb unpacked
cat >>unpacked/DEBIAN/{name}
chmod 755 unpacked/DEBIAN/{name}
rm pgbouncer_*.deb
dpkg-deb -b unpacked pgbouncer.deb
rm -r unpacked
for file in *.deb; do
    dpkg-deb --field $file
    printf 'Filename: %s\nSize: %s\n' $file $(stat -c %s $file)
    printf 'SHA256: %s\n\n' $(sha256sum <$file | cut -d ' ' -f 1)
done >Packages
apt-get -q update
"""
_WHOLE = "rm -rf /srv/offered /run/killed; mv /srv/kept /srv/offered; apt-get -q update"
# It fails at its end, when its service runs already.
_BROKEN = "\necho it is broken >&2\nexit 1\n"
# Whoever has started it dies, up to sshd, when dpkg has begun to unpack; but once.
_DEADLY = r"""#!/bin/sh
[ ! -e /run/killed ] || exit 0
touch /run/killed
all=
pid=$$
until grep -q '^sshd' /proc/$pid/comm; do
    all="$pid $all"
    pid=$(awk '$1 == "PPid:" { print $2 }' /proc/$pid/status)
done
kill -KILL $all
"""


@contextmanager
def _with_script(host: Host, name: str, text: str) -> Iterator[None]:
    """Have a script of the package end otherwise."""
    host.run(_REPACKED.format(name=name), input=text)
    with arranged(host, ":", _WHOLE):
        yield


def test_a_package_that_cannot_be_set_up_is_taken_back_with_all_that_came_along(
    offer17: Host, controller: MakeController
) -> None:
    one = controller(offer17)
    with _with_script(offer17, "postinst", _BROKEN):
        before, packages = everything(offer17), installed(offer17)
        said = one.apply(*WANTED).expect(3).said
        assert "post-installation script" in said
        assert installed(offer17) == packages
        assert changed(before, everything(offer17)) <= LEFT
        assert offer17.run("systemctl is-active pgbouncer", check=False).stdout == "inactive\n"


def test_a_death_while_dpkg_unpacks_leaves_no_file_and_nothing_half_done(
    offer17: Host, controller: MakeController
) -> None:
    one = controller(offer17)
    with _with_script(offer17, "preinst", _DEADLY):
        before, packages = everything(offer17), installed(offer17)
        one.apply(*WANTED).expect(3)
        assert offer17.run("ls /run/killed").stdout == "/run/killed\n"
        assert installed(offer17) == packages
        assert changed(before, everything(offer17)) <= LEFT
        assert offer17.run("dpkg --audit").stdout == ""


def _listed(plan: Any) -> set[tuple[str, str]]:
    brought = {
        (change["tunable"].removeprefix(f"{ID}[").rstrip("]"), change["after"])
        for change in plan["changes"]
        if change["follows"] == ID
    }
    assert ("off", "on") in {(change["before"], change["after"]) for change in plan["changes"]}
    return brought
