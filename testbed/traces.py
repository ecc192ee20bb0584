"""What systemd-nspawn leaves under /run when it is killed."""

import shutil
from pathlib import Path

RUN = Path("/run/systemd/nspawn")


def remove(machine: str, root: Path) -> None:
    """Remove the traces of container `machine`, while its tree is still mounted at `root`."""
    shutil.rmtree(RUN / "propagate" / machine, ignore_errors=True)
    if root.is_dir():
        found = root.stat()
        (RUN / "locks" / f"inode-{found.st_dev}:{found.st_ino}").unlink(missing_ok=True)
