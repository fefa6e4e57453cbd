"""Blocks of memory for bytes that come in: a fixed number of large ones, given back by themselves, else a small one.

Large ones begin at a page, as disks want it that are to read them without a copy (see ``uploads.direct``).
"""

from __future__ import annotations

import ctypes
import mmap
import weakref

LARGE_BYTES, SMALL_BYTES = 1024**2, 32 * 1024
MOST_LARGE = 12


class Blocks:
    """The large blocks of one process. They are made as they are needed and kept; there are never more than ``most``.

    A block is free again when nobody has a view of it (or of a part of it) any more, in whichever thread.
    """

    def __init__(self, most: int = MOST_LARGE) -> None:
        self._free: list[mmap.mmap] = []
        self._left = most

    def take(self, *, large: bool) -> memoryview:
        """A large block where one is wanted and free, else a small one that was made for this and goes with it."""
        block = self._large() if large else None
        return memoryview(bytearray(SMALL_BYTES)) if block is None else self._view(block)

    def _large(self) -> mmap.mmap | None:
        if self._free:
            return self._free.pop()
        if self._left <= 0:
            return None
        self._left -= 1
        return mmap.mmap(-1, LARGE_BYTES)

    def _view(self, block: mmap.mmap) -> memoryview:
        # All views of one loan, and nothing else, hold this array: when it goes, nobody looks at the block.
        loan = (ctypes.c_char * LARGE_BYTES).from_buffer(block)
        weakref.finalize(loan, self._free.append, block)
        return memoryview(loan).cast("B")
