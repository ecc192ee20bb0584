"""Where the package keeps things on this machine."""

import os
from pathlib import Path

# Locks and bridge numbers are shared by all users of this machine, whatever cache each one uses.
LOCKS = Path("/run/optimizer-testbed")


def cache() -> Path:
    """The folder of finished trees, images and the key: `OPTIMIZER_TESTBED`, or a default.

    It has to be on a file system that can carry an overlay's upper layer (ext4, xfs, btrfs, tmpfs).
    """
    return Path(os.environ.get("OPTIMIZER_TESTBED") or "/var/cache/optimizer-testbed").absolute()
