"""The huge pages that a host has reserved: /proc/meminfo.

Source: Documentation/admin-guide/mm/hugetlbpage.rst.
"""

from __future__ import annotations

from dataclasses import dataclass

# Buffers of fewer bytes: the page tables that huge pages save are not worth a pool.
LEAST_BUFFERS = 2 * 2**30


@dataclass(frozen=True)
class HugePages:
    """The pool of the host's default size, in pages of `size` bytes; 0 for a kernel without any.

    total: those there are, `surplus` of them beyond vm.nr_hugepages: they go with the process
    that uses them. free: not touched yet; `promised` of these to a process that runs.
    elsewhere: bytes in pools of other sizes.
    """

    size: int = 0
    total: int = 0
    free: int = 0
    promised: int = 0
    surplus: int = 0
    elsewhere: int = 0

    @property
    def reserved(self) -> int:
        """Pages that vm.nr_hugepages keeps."""
        return self.total - self.surplus

    @property
    def used(self) -> int:
        """Pages that processes have, touched or not."""
        return self.total - self.free + self.promised

    @property
    def idle(self) -> int:
        """Pages that nobody has, and nobody else can have."""
        return max(0, self.free - self.promised)


NO_HUGE_PAGES = HugePages()
