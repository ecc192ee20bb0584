"""A disk that is no faster than a usual volume of a cloud, for all that a benchmark starts.

What a virtual machine for tests has as its disk may take tens of thousands of writes a second, and
then no setting of a database that saves writes shows. The limits are those that a general-purpose
volume has without paying for more. They hold for direct and synchronous input and output (a commit,
a checkpoint's fsync), as cgroup v1 does not count what the kernel writes back later by itself.
Source: admin-guide/cgroup-v1/blkio-controller of the kernel.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IOPS = 3000
BYTES = 125 * 2**20

_ROOT = Path("/sys/fs/cgroup/blkio")
_LIMITS = {"read_bps": BYTES, "write_bps": BYTES, "read_iops": IOPS, "write_iops": IOPS}


def why_not() -> str:
    """Say why no disk can be limited here; empty when it works."""
    if not (_ROOT / "blkio.throttle.write_iops_device").exists():
        return "this machine has no blkio controller of cgroup v1"
    return ""


@contextmanager
def limited(folder: Path) -> Iterator[None]:
    """Limit the disk that has, or will have, `folder` for this process and all it starts."""
    device = _disk_of(folder)
    group = _ROOT / f"optimizer-bench-{os.getpid()}"
    group.mkdir()
    try:
        for name, limit in _LIMITS.items():
            (group / f"blkio.throttle.{name}_device").write_text(f"{device} {limit}")
        _move_to(group)
        yield
    finally:
        _move_to(_ROOT)
        group.rmdir()


def _disk_of(folder: Path) -> str:
    """Return `major:minor` of the whole disk, as a part of one cannot be limited."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    number = os.stat(there).st_dev
    name = f"{os.major(number)}:{os.minor(number)}"
    block = Path(f"/sys/dev/block/{name}").resolve()
    whole = block.parent if (block / "partition").exists() else block
    return (whole / "dev").read_text().strip()


def _move_to(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))
