"""Disk images of virtual machines, made from root trees without mounting anything for long."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed import cached
from testbed.commands import run, say
from testbed.debian import OWN_NAMESPACES, Tree
from testbed.errors import TestbedError
from testbed.identity import File

# Raise it when the steps below change.
RECIPE = 3
# Bytes that the file system can grow to; the file itself is sparse.
SIZE = 4 * 1024**3
KERNEL_PACKAGES = ("linux-image-cloud-amd64", "initramfs-tools", "e2fsprogs")
FSTAB = "/dev/vda / ext4 errors=remount-ro 0 1\n"
# All that is needed to mount the root disk; the usual initrd takes twice as long to boot.
INITRD_MODULES = ("virtio_pci", "virtio_blk", "ext4")
# Arguments: the layers of the tree, and the folder of the image, with a folder `root` to mount at.
MAKE = """
root=$2/root
mount -t overlay overlay -o "lowerdir=$1" "$root"
mount --bind "$2/fstab" "$root/etc/fstab"
mkfs.ext4 -q -L root -d "$root" "$2/disk.raw"
mount -t proc proc "$root/proc"
mount --bind "$2" "$root/mnt"
for kernel in "$root"/boot/vmlinuz-*; do :; done
cp "$kernel" "$2/vmlinuz"
cp -r "$root/etc/initramfs-tools" "$2/conf"
sed -i 's/^MODULES=.*/MODULES=list/' "$2/conf/initramfs.conf"
cp "$2/modules" "$2/conf/modules"
TMPDIR=/mnt chroot "$root" mkinitramfs -d /mnt/conf -o /mnt/initrd.img "${kernel##*/vmlinuz-}"
rm -r "$2/conf" "$2/modules" "$2/fstab"
"""


@dataclass(frozen=True)
class Image:
    """A finished image and what boots it."""

    disk: Path
    kernel: Path
    initrd: Path


def image(tree: Tree) -> Image:
    """The image of a tree that has a kernel; built if it is not there yet."""
    home = cached.finished(
        "images", f"{tree.version}-{RECIPE}", lambda folder: _build(tree, folder)
    )
    return Image(home / "disk.raw", home / "vmlinuz", home / "initrd.img")


def remove() -> None:
    """Delete all images of the cache.  No machine may be running."""
    cached.remove("images")


def copy(source: Image, target: Path, identity: Mapping[str, File]) -> None:
    """Make the disk `target` of one host: a copy of the image with the host's own files."""
    run(["cp", "--reflink=auto", "--sparse=always", str(source.disk), str(target)])
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        commands = []
        for number, (name, file) in enumerate(identity.items()):
            staged = Path(folder) / str(number)
            staged.write_text(file.text)
            staged.chmod(file.mode)
            commands += [f"rm /{name}", f"write {staged} /{name}"]
        script = Path(folder) / "commands"
        script.write_text("\n".join(commands) + "\n")
        _edit(target, script)


def _edit(disk: Path, script: Path) -> None:
    # debugfs writes without a mount, a loop device or root; it says what failed, but exits with 0.
    said = run(["sh", "-c", 'debugfs -w -f "$0" "$1" 2>&1', str(script), str(disk)])
    harmless = ("debugfs", "Allocated inode")
    failures = [line for line in said.splitlines() if line and not line.startswith(harmless)]
    if failures:
        raise TestbedError(f"could not write into {disk}: {failures}")


def _build(tree: Tree, folder: Path) -> None:
    say(f"making a disk image of {tree.version}")
    with (folder / "disk.raw").open("wb") as disk:
        disk.truncate(SIZE)
    (folder / "root").mkdir()
    (folder / "fstab").write_text(FSTAB)
    (folder / "modules").write_text("\n".join(INITRD_MODULES) + "\n")
    layers = ":".join(str(layer) for layer in tree.layers)
    run([*OWN_NAMESPACES, "sh", "-ec", MAKE, "sh", layers, str(folder)])
    (folder / "root").rmdir()
