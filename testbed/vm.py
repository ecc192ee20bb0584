"""A host that is a virtual machine: the same system as a container, with a kernel of its own."""

import contextlib
import os
import re
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from testbed import cgroups, identity, image, lifetime, packages, qmp, ssh
from testbed.cord import Cord
from testbed.errors import TestbedError
from testbed.host import Host
from testbed.slot import Slot

# Of QEMU's user network: the machine's fixed address, and the size of its second disk in bytes.
GUEST_ADDRESS = "10.0.2.15"
SECOND_DISK = 256 * 1024**2
# Below the range from which the kernel gives ports to outgoing connections.
FIRST_PORT = 15000


class VirtualHost(Host):
    """A virtual machine of 2 CPUs, reached through a port of 127.0.0.1, without any other network.

    Everything of its kernel is real: `vm.*`, modules, I/O schedulers (disks vda and vdb, the
    second one empty), transparent huge pages, reboots.  A power cut loses what was not synced.
    It boots from its own disk through GRUB, as a real one does, and it boots again when it
    switches itself off.
    Without hardware virtualization on this machine it is emulated, some ten times slower.
    """

    boot_timeout = 600.0
    needs = packages.MACHINE
    patience = 4.0

    def __init__(
        self,
        name: str = "vm",
        *,
        release: str = "bookworm",
        packages: Sequence[str] = (),
        memory: int = 1024,
    ) -> None:
        """See the class; `memory` is in MiB."""
        super().__init__(name, release, packages)
        self.memory = memory
        self._folder: Path | None = None

    def start(self) -> None:
        """See Host; its boot menu is made by its own `update-grub`."""
        super().start()
        try:
            self.run("update-grub")
        except BaseException:
            self.stop()
            raise

    def disconnect(self) -> None:
        """See Host; new connections to the port still open, but nothing answers on them."""
        self._set_link(False)

    def reconnect(self) -> None:
        """See Host."""
        self._set_link(True)

    def _prepare(self) -> None:
        made = image.image(self._tree(*image.KERNEL_PACKAGES))
        self.address = "127.0.0.1"
        self.port, self._folder = _reserve_port(lifetime.current_slot())
        self.console_log = self._folder / "console.log"
        self.known_hosts = self._folder / "known_hosts"
        key = self._new_host_key(self._folder)
        self.known_hosts.write_text(ssh.known_hosts_line(self.address, self.port, key.public))
        files = identity.files(self.name, key, GUEST_ADDRESS)
        image.copy(made, self._folder / "disk.raw", files)
        with (self._folder / "second.raw").open("wb") as second:
            second.truncate(SECOND_DISK)

    def _power_on(self) -> None:
        assert self._folder is not None
        command = [
            *("qemu-system-x86_64", "-name", self.name, "-nodefaults", "-no-user-config"),
            *("-machine", "q35", "-smp", "2", "-m", str(self.memory), *_acceleration()),
            # A reboot ends QEMU, and it is started again: emulation is many times slower after a
            # reset, because each write to memory is checked against the code translated before.
            "-no-reboot",
            *self._disk("disk.raw"),
            *self._disk("second.raw"),
            *self._network(),
            *("-device", "virtio-rng-pci", "-display", "none", "-serial", "stdio"),
            *("-qmp", f"unix:{self._folder / 'qmp'},server=on,wait=off"),
        ]
        machine = f"{lifetime.current_slot().bridge}-vm-{self.port}"
        cgroup = cgroups.of_host(machine)
        self._cord = Cord(command, log=self.console_log, reboot=0, cgroup=cgroup)

    def _remove(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def _disk(self, name: str) -> list[str]:
        assert self._folder is not None
        # A comma would end the file name.
        path = str(self._folder / name).replace(",", ",,")
        return ["-drive", f"file={path},if=virtio,format=raw,discard=unmap"]

    def _network(self) -> list[str]:
        forward = f"hostfwd=tcp:127.0.0.1:{self.port}-{GUEST_ADDRESS}:22"
        # The hub is there for `disconnect`: a cut beyond it does not show in the guest's link.
        return [
            *("-netdev", f"user,id=outside,restrict=on,{forward}"),
            *("-netdev", "hubport,id=wall,hubid=0,netdev=outside"),
            *("-netdev", "hubport,id=inside,hubid=0"),
            # Without a file it does not look for something to boot in the network.
            *("-device", "virtio-net-pci,netdev=inside,romfile="),
        ]

    def _set_link(self, up: bool) -> None:
        if self._folder is None:
            raise TestbedError(f"{self.name} is not running")
        qmp.command(self._folder / "qmp", "set_link", name="outside", up=up)


def has_kvm() -> bool:
    """Whether this machine has KVM, and its processor can run any kernel with it."""
    # Some virtual machines offer /dev/kvm for special kernels only; they don't show these flags.
    flags = re.search(r"^flags\b.*\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return bool(flags) and os.access("/dev/kvm", os.R_OK | os.W_OK)


def _acceleration() -> list[str]:
    if has_kvm():
        return ["-accel", "kvm", "-cpu", "host"]
    # An exception in an emulated CMPXCHG16B can spoil the flags (seen in QEMU 7.2), which panics
    # Linux 6.12 sooner or later.
    return ["-accel", "tcg,thread=multi", "-cpu", "max,cx16=off,la57=off"]


def _reserve_port(slot: Slot) -> tuple[int, Path]:
    """A port of 127.0.0.1 that is this host's, and the folder that reserves it."""
    first = FIRST_PORT + slot.number * 256
    for port in range(first, first + 256):
        folder = slot.folder / f"vm-{port}"
        if not folder.exists() and _is_free(port):
            # Another thread may have been faster.
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return port, folder
    raise TestbedError(f"no free port from {first} on")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As QEMU does it: connections that have just ended don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
