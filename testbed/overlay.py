"""A writable copy of a tree that costs nothing: an overlay mount."""

import contextlib
import shutil
import time
from pathlib import Path

from testbed.commands import run
from testbed.debian import Tree
from testbed.errors import TestbedError


def mount(tree: Tree, folder: Path) -> Path:
    """Mount a writable view of `tree`; the folder that is its root.

    What is written goes to `folder`, which must not be on an overlay itself.
    """
    for name in ("upper", "work", "root"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    layers = ":".join(str(layer) for layer in tree.layers)
    options = f"lowerdir={layers},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    try:
        run(["mount", "-t", "overlay", "overlay", "-o", options, str(folder / "root")])
    except TestbedError as error:
        hint = "OPTIMIZER_TESTBED has to name a folder on ext4, xfs, btrfs or tmpfs"
        raise TestbedError(f"{error}\n{hint}") from error
    return folder / "root"


def unmount(folder: Path) -> None:
    """Undo `mount` and delete what was written; harmless if nothing is mounted."""
    root = folder / "root"
    # A process that was just killed can hold the mount for a moment longer.
    for _ in range(20):
        if not root.is_mount():
            break
        with contextlib.suppress(TestbedError):
            run(["umount", str(root)])
            break
        time.sleep(0.05)
    else:
        run(["umount", "--lazy", str(root)])
    shutil.rmtree(folder, ignore_errors=True)
