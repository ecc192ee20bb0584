"""What fits into the memory of one Node process. Pure; sizes in MiB.

Beside the old space stand three semi-spaces, and buffers, stacks and code outside the heap.
"""

from __future__ import annotations

_OUTSIDE = 128
_SMALL = 1024
# A larger heap stops the process for longer than several processes would.
_MOST = 4096
_STEP = 16


def old_space(slice_: int, semi_space: int) -> int:
    """Return max-old-space-size for a process that may take `slice_` in all; 0: nothing fits."""
    share = slice_ * 65 // 100 if slice_ < _SMALL else slice_ * 75 // 100
    return max(0, min(share, slice_ - 3 * semi_space - _OUTSIDE, _MOST)) // _STEP * _STEP
