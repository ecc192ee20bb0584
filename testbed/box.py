"""A Vagrant box for libvirt, packed from the image of the virtual machine.

A box is a tar file: `metadata.json`, the disk `box.img`, a `Vagrantfile` with settings of its own,
and here also the kernel that boots it and the key that may log in.
Source: example_box/README.md of vagrant-libvirt.
"""

import json
import shutil
import tempfile
from pathlib import Path

from testbed import debian, identity, image
from testbed.commands import run, say
from testbed.keys import new_key, user_key

# The box has no other user for Vagrant; it may use sudo without a password.
USER = "operator"
VAGRANTFILE = f"""\
here = File.dirname(File.expand_path(__FILE__))

Vagrant.configure("2") do |config|
  config.ssh.username = "{USER}"
  config.ssh.private_key_path = File.join(here, "key")
  config.ssh.insert_key = false
  config.vm.boot_timeout = 900

  config.vm.provider :libvirt do |libvirt|
    libvirt.kernel = File.join(here, "vmlinuz")
    libvirt.initrd = File.join(here, "initrd.img")
    libvirt.cmd_line = "{image.COMMAND_LINE}"
    libvirt.disk_bus = "virtio"
  end
end
"""


def pack(target: Path, release: str = "bookworm") -> None:
    """Write a box of `release` to the file `target`; builds tree and image where they are missing.

    Raises TestbedError if that fails.
    """
    source = image.image(debian.tree(release, image.KERNEL_PACKAGES))
    say(f"packing a Vagrant box into {target}")
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        folder = Path(name)
        raw = folder / "disk.raw"
        image.copy(source, raw, identity.of_box(new_key(folder / "host_key", "box")))
        run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(folder / "box.img")])
        gigabytes = image.SIZE // 1024**3
        metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": gigabytes}
        (folder / "metadata.json").write_text(json.dumps(metadata))
        (folder / "Vagrantfile").write_text(VAGRANTFILE)
        shutil.copy(source.kernel, folder / "vmlinuz")
        shutil.copy(source.initrd, folder / "initrd.img")
        shutil.copy(user_key().private, folder / "key")
        content = ("metadata.json", "Vagrantfile", "box.img", "vmlinuz", "initrd.img", "key")
        run(["tar", "-c", "-f", str(target), "-C", str(folder), *content])
