"""What makes a root tree one host: name, machine id, host key, address.

Trees have these files already, empty, and all else that hosts have in common.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.keys import Key

NETWORK = """\
[Match]
Type=ether

[Network]
Address={address}/24
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


DHCP = """\
[Match]
Type=ether

[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


@dataclass(frozen=True)
class File:
    """Content and permissions of a file of root's."""

    text: str
    mode: int = 0o644


def files(name: str, host_key: Key, address: str) -> Mapping[str, File]:
    """The files of host `name`, by path below its root."""
    machine_id = {"etc/machine-id": File(f"{uuid.uuid4().hex}\n", 0o444)}
    return {**_named(name, host_key, NETWORK.format(address=address)), **machine_id}


def of_box(host_key: Key) -> Mapping[str, File]:
    """The files of a disk that several hosts begin with: each asks for its address.

    Without a machine id each makes its own when it first boots.
    """
    return _named("box", host_key, DHCP)


def _named(name: str, host_key: Key, network: str) -> dict[str, File]:
    hosts = f"127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    return {
        "etc/hostname": File(f"{name}\n"),
        "etc/hosts": File(hosts),
        "etc/ssh/ssh_host_ed25519_key": File(host_key.private.read_text(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": File(f"{host_key.public}\n"),
        "etc/systemd/network/10-testbed.network": File(network),
    }


def install(root: Path, wanted: Mapping[str, File]) -> None:
    """Write the files into the tree at `root`, which belongs to this host alone."""
    for name, file in wanted.items():
        path = root / name
        path.write_text(file.text)
        path.chmod(file.mode)
