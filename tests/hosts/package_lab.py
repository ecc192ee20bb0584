"""An independent look at every file of a host, for what a package leaves anywhere.

Written apart from the product: it asks the host's own find and sha256sum.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from testbed.host import Host

# What a host writes by itself while nobody changes it, and the logs of its servers.
_ALIVE = re.compile(
    r"/var/log/(journal|postgresql)/.*|/var/log/(w|b|last)tmp.*|/var/lib/systemd/(timers|random-seed).*"
    r"|/var/lib/postgresql/.*|/var/(tmp|lib/logrotate)/.*|/root/.*|/var/log/(auth|sys|cron)\S*"
    r"|/var/lib/optimizer.*|/var/lib/dpkg/lock.*|/var/lib/systemd/\S*"
)
# What dpkg, apt and ldconfig wrote that is still there when a package is gone.
LEFT = frozenset(
    (
        # By the hook of debconf, in Debian 13.
        "/var/cache/apt/pkgcache.bin",
        "/var/cache/apt/srcpkgcache.bin",
        "/var/cache/ldconfig/aux-cache",
        "/var/lib/dpkg/status-old",
        "/var/log/apt/history.log",
        "/var/log/apt/term.log",
        "/var/log/dpkg.log",
    )
)
_SCRIPT = r"""
export LC_ALL=C
find / -xdev \( -type d -printf '%p\t%m %U:%G\n' \) -o \( -type l -printf '%p\t%l\n' \)
find / -xdev -type f -printf '%p\t%m %U:%G\n'
find / -xdev -type f -path '/usr/*' -printf '%p\t%s %T@\n'
find / -xdev -type f ! -path '/usr/*' -exec sha256sum -- {} + |
    sed 's/^\([0-9a-f]*\)  \(.*\)$/\2\t\1/'
"""


def everything(host: Host) -> Mapping[str, str]:
    """Return path -> what it is, for every file of the host's disk.

    Below /usr, which is large, size and time of the last change stand for the bytes.
    """
    found: dict[str, str] = {}
    for line in host.run(_SCRIPT).stdout.splitlines():
        path, _, text = line.partition("\t")
        if not _ALIVE.fullmatch(path):
            found[path] = f"{found.get(path, '')} {text}".strip()
    return found


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """Return the paths that are not the same."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def installed(host: Host) -> set[tuple[str, str]]:
    """Return name and version of every package that is not absent, in whatever state."""
    lines = host.run("dpkg-query -W -f '${Package} ${Version}\\n'").stdout.splitlines()
    return {(name, version) for name, _, version in (line.partition(" ") for line in lines)}


def owned(host: Host, packages: set[tuple[str, str]]) -> set[str]:
    """Return the paths of these packages, as they are on a disk where /lib is a link."""
    names = " ".join(name for name, _ in packages)
    lines = host.run(f"dpkg -L {names}").stdout.splitlines()
    return {re.sub(r"^/(lib|bin|sbin)/", r"/usr/\1/", line) for line in lines}
