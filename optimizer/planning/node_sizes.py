"""What fits into the memory of one Node process. Pure; sizes of a heap in MiB.

Beside the old space stand three semi-spaces, and buffers, stacks and code outside the heap.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20

_OUTSIDE = 128
_SMALL = 1024
# A larger heap stops the process for longer than several processes would.
_MOST = 4096
_STEP = 16


def old_space(slice_: int, semi_space: int) -> int:
    """Return max-old-space-size for a process that may take `slice_` in all; 0: nothing fits."""
    share = slice_ * 65 // 100 if slice_ < _SMALL else slice_ * 75 // 100
    return max(0, min(share, slice_ - 3 * semi_space - _OUTSIDE, _MOST)) // _STEP * _STEP


@dataclass(frozen=True)
class NodeSizes:
    """What one process of a Node service may take, in bytes, and its largest heap."""

    process: int
    heap: int
    semi_space: int

    def worst(self, heap: int) -> int:
        """Return the bytes that a process with another heap takes at worst."""
        return heap + 3 * self.semi_space + _OUTSIDE * MIB


def node_sizes(slice_: int, processes: int, semi_space: int) -> NodeSizes:
    """Divide the slice of a service among its processes, all in bytes.

    semi_space: of each process, in bytes.
    """
    process = slice_ // processes
    heap = old_space(process // MIB, -(-semi_space // MIB)) * MIB
    return NodeSizes(process, heap, semi_space)
