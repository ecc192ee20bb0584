"""Hosts on which a package can be installed, and every file of them that it could leave."""

from __future__ import annotations

from testbed.host import Host
from tests.hosts.faults.cutter import FOLDER
from tests.hosts.faults.services import cluster_of
from tests.hosts.package_lab import LEFT, everything
from tests.hosts.scan import Scan

HOSTS = ("offer15", "offer17")
# Looked at without priorities and sections: dpkg takes those from its list of what is available,
# when a selection is set.
_RECORDS = "/var/lib/dpkg/status"

_LOOK = """
dpkg-query -W -f '${Package}\\t${db:Status-Abbrev} ${Version}\\n'
printf 'audit\\t%s\\n' "$(dpkg --audit 2>&1 | tr '\\n' ' ')"
printf 'records\\t%s\\n' "$(grep -v '^\\(Priority\\|Section\\): ' /var/lib/dpkg/status | sha256sum)"
apt='-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache='
printf 'automatic\\t%s\\n' "$(apt-mark $apt showauto | tr '\\n' ' ')"
"""


def look(host: Host) -> Scan:
    """Return what dpkg and apt know, and every file of the disk but their logs."""
    lines = (line.split("\t", 1) for line in host.run(_LOOK).stdout.splitlines())
    known = {f"dpkg {name}": text for name, text in lines}
    files = everything(host).items()
    return known | {
        f"disk {path}": text
        for path, text in files
        if path not in {*LEFT, _RECORDS} and not path.startswith(FOLDER)
    }


def furnish(host: Host) -> None:
    """Have the cluster run that the package is for."""
    cluster_of(host).wait()
