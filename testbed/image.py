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
RECIPE = 4
# Bytes of the disk; the file itself is sparse.
SIZE = 4 * 1024**3
# Bytes before the only partition, which has the root file system; GRUB's core is in between.
OFFSET = 1024**2
KERNEL_PACKAGES = (
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "e2fsprogs",
    "grub2-common",
    "grub-pc-bin",
)
FSTAB = "/dev/vda1 / ext4 errors=remount-ro 0 1\n"
# The masked service takes half of the boot time under emulation, to look for LVM volumes.
COMMAND_LINE = "root=/dev/vda1 ro console=ttyS0 loglevel=5 systemd.mask=e2scrub_reap.service"
# What `update-grub` makes the machine's own grub.cfg from; there is no screen and nobody to wait.
GRUB_DEFAULTS = """\
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT="loglevel=5"
GRUB_CMDLINE_LINUX="console=ttyS0 systemd.mask=e2scrub_reap.service"
GRUB_TERMINAL=console
GRUB_DISABLE_LINUX_UUID=true
"""
# For the first boot, as only the machine itself can say what its root disk is.
GRUB_CFG = """\
linux /boot/vmlinuz-{version} {command_line}
initrd /boot/initrd.img-{version}
boot
"""
# All that is needed to mount the root disk; the usual initrd takes twice as long to boot.
INITRD_MODULES = ("virtio_pci", "virtio_blk", "ext4")
# Arguments: the layers of the tree, and the folder of the image with the files that the steps take.
MAKE = """
cd "$2"
mkdir root upper work
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" root
mount -t proc proc root/proc
mount --bind "$2" root/mnt
for kernel in root/boot/vmlinuz-*; do :; done
version=${kernel##*/vmlinuz-}
cp -r root/etc/initramfs-tools conf
sed -i 's/^MODULES=.*/MODULES=list/' conf/initramfs.conf
cp modules conf/modules
TMPDIR=/mnt chroot root mkinitramfs -d /mnt/conf -o "/boot/initrd.img-$version" "$version"
mkdir -p root/boot/grub
cp -r root/usr/lib/grub/i386-pc root/boot/grub
sed "s/{version}/$version/" grub.cfg >root/boot/grub/grub.cfg
cp grub root/etc/default/grub
cp fstab root/etc/fstab
chroot root grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o /mnt/core.img \
    biosdisk part_msdos ext2
cp "$kernel" vmlinuz
cp "root/boot/initrd.img-$version" initrd.img
umount root/mnt root/proc
mkfs.ext4 -q -L root -E "offset=$3" -d root disk.raw "$4k"
echo 'start=2048, type=83, bootable' | sfdisk --quiet disk.raw
dd if=root/usr/lib/grub/i386-pc/boot.img of=disk.raw bs=440 count=1 conv=notrunc status=none
dd if=core.img of=disk.raw bs=512 seek=1 conv=notrunc status=none
umount root
rm -r conf core.img fstab grub grub.cfg modules root upper work
"""


@dataclass(frozen=True)
class Image:
    """A finished image, which boots by itself, and copies of its kernel and initial RAM disk."""

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
    partition = f"{disk}?offset={OFFSET}"
    said = run(["sh", "-c", 'debugfs -w -f "$0" "$1" 2>&1', str(script), partition])
    harmless = ("debugfs", "Allocated inode")
    failures = [line for line in said.splitlines() if line and not line.startswith(harmless)]
    if failures:
        raise TestbedError(f"could not write into {disk}: {failures}")


def _build(tree: Tree, folder: Path) -> None:
    say(f"making a disk image of {tree.version}")
    with (folder / "disk.raw").open("wb") as disk:
        disk.truncate(SIZE)
    grub_cfg = GRUB_CFG.replace("{command_line}", COMMAND_LINE)
    texts = {"fstab": FSTAB, "grub": GRUB_DEFAULTS, "grub.cfg": grub_cfg}
    for name, text in (texts | {"modules": "\n".join(INITRD_MODULES) + "\n"}).items():
        (folder / name).write_text(text)
    layers = ":".join(str(layer) for layer in tree.layers)
    sizes = (str(OFFSET), str((SIZE - OFFSET) // 1024))
    run([*OWN_NAMESPACES, "sh", "-ec", MAKE, "sh", layers, str(folder), *sizes])
