"""A host that is a container: Debian's own systemd as its first process, up in seconds.

It has a network, users, services and a journal of its own, but this machine's kernel.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from testbed import bridge, cgroups, identity, lifetime, overlay, packages, ssh, traces
from testbed.cord import Cord
from testbed.host import Host

# Exit status of systemd-nspawn when the container wants to boot again.
REBOOT = 133
KernelApi = Literal["network", "none"]


class NspawnHost(Host):
    """A container with an address on a bridge of this process.

    With `kernel_api="network"` root can write `net.*` of the container's own network, as in a
    usual restricted container; with "none" not even that.  `vm.*` and /sys are read-only always:
    they are this machine's.  Limits of cgroups are not enforced where this machine's kernel has
    them in cgroup v1.  A power cut loses no written data, because the kernel lives on; use
    `testbed.vm` for tests of what was synced.
    """

    boot_timeout = 60.0
    needs = packages.CONTAINER
    patience = 0.5

    def __init__(
        self,
        name: str = "alpha",
        *,
        release: str = "bookworm",
        packages: Sequence[str] = (),
        offered: Sequence[str] = (),
        kernel_api: KernelApi = "network",
    ) -> None:
        """See the class; `packages` are added to the system before its first boot.

        `offered` packages can be installed on it later, though it reaches no mirror.
        """
        super().__init__(name, release, packages, offered)
        self.kernel_api = kernel_api
        self._folder: Path | None = None
        self._machine = ""
        self._root = Path()

    def disconnect(self) -> None:
        """See Host; it lasts until `reconnect` or the next boot."""
        bridge.cut_off(lifetime.current_slot(), self._port)

    def reconnect(self) -> None:
        """See Host."""
        bridge.connect(lifetime.current_slot(), self._port)

    @property
    def _port(self) -> str:
        return f"vb-{self._machine}"

    def _prepare(self) -> None:
        tree = self._tree()
        slot = lifetime.current_slot()
        bridge.ensure(slot)
        number = bridge.next_number(slot)
        # The interface is named after it, and its name has room for 15 characters.
        self._machine = f"{slot.bridge}-{number}"
        self._folder = slot.folder / self._machine
        self._folder.mkdir()
        self.address = str(slot.subnet[number])
        self.console_log = self._folder / "console.log"
        self.known_hosts = self._folder / "known_hosts"
        key = self._new_host_key(self._folder)
        self.known_hosts.write_text(ssh.known_hosts_line(self.address, self.port, key.public))
        self._root = overlay.mount(tree, self._folder / "disk")
        identity.install(self._root, identity.files(self.name, key, self.address))

    def _power_on(self) -> None:
        slot = lifetime.current_slot()
        # The veth of the boot before may outlive its container for a moment.
        bridge.delete_port(self._port)
        command = [
            "systemd-nspawn",
            "--boot",
            f"--machine={self._machine}",
            f"--hostname={self.name}",
            f"--directory={self._root}",
            f"--network-bridge={slot.bridge}",
            "--register=no",
            "--keep-unit",
            "--console=read-only",
            "--link-journal=no",
            "--resolv-conf=off",
            "--timezone=off",
        ]
        if self.kernel_api == "none":
            # systemd-nspawn has no other way to close it for a container with its own network.
            command.append("--bind-ro=/proc/sys/net")
        environment = {
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
        }
        cgroup = cgroups.of_host(self._machine)
        self._cord = Cord(
            command, log=self.console_log, reboot=REBOOT, cgroup=cgroup, env=environment
        )

    def _remove(self) -> None:
        if self._folder is None:
            return
        bridge.delete_port(self._port)
        traces.remove(self._machine, self._root)
        overlay.unmount(self._folder / "disk")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None
