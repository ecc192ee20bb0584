"""The commands that the testbed needs on this machine, and the packages that bring them."""

import os
import shutil
from collections.abc import Mapping

from testbed.commands import environment, run, say
from testbed.errors import TestbedError
from testbed.locks import locked
from testbed.paths import LOCKS

# The shells that hosts may have as /bin/sh, or in an initramfs.
SHELLS: dict[str, str] = {"bash": "bash", "busybox": "busybox", "dash": "dash"}
TREE: dict[str, str] = {
    "debootstrap": "debootstrap",
    "unshare": "util-linux",
    "chroot": "coreutils",
}
HOST: dict[str, str] = {
    **TREE,
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
CONTAINER: dict[str, str] = {**HOST, "systemd-nspawn": "systemd-container"}
MACHINE: dict[str, str] = {
    **HOST,
    "qemu-system-x86_64": "qemu-system-x86",
    "mkfs.ext4": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "sfdisk": "fdisk",
}
VAGRANT: dict[str, str] = {
    **MACHINE,
    "vagrant": "vagrant-libvirt",
    "libvirtd": "libvirt-daemon",
    "virsh": "libvirt-clients",
    "dnsmasq": "dnsmasq-base",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "qemu-img": "qemu-utils",
    "tar": "tar",
}


def ensure(commands_to_packages: Mapping[str, str]) -> None:
    """Install, with apt-get, the packages of those commands that are missing.

    Raises TestbedError if this is not root's process, or not a machine with apt, or apt fails.
    """
    if os.geteuid() != 0:
        raise TestbedError("test hosts need root: namespaces, mounts and bridges")
    if not _missing(commands_to_packages):
        return
    if not shutil.which("apt-get"):
        wanted = ", ".join(_missing(commands_to_packages))
        raise TestbedError(f"this machine has no apt-get; install by hand: {wanted}")
    with locked(LOCKS / "apt.lock"):
        # Another process may have installed them while this one waited.
        wanted_now = _missing(commands_to_packages)
        if wanted_now:
            _install(wanted_now)


def _missing(commands_to_packages: Mapping[str, str]) -> list[str]:
    return sorted(
        {package for command, package in commands_to_packages.items() if not _which(command)}
    )


def _which(command: str) -> str | None:
    return shutil.which(command, path=environment()["PATH"])


def _install(packages: list[str]) -> None:
    say(f"installing {' '.join(packages)}")
    quiet = {**environment(), "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    try:
        run(install, env=quiet)
    except TestbedError:
        # The usual reason is a package list that is absent or older than the archive.
        run(["apt-get", "update"], env=quiet)
        run(install, env=quiet)
