"""Writes from memory straight to the disk, past the page cache (``O_DIRECT`` of open(2)).

Nothing is copied, nothing is left to be written back, and a file that is larger than the memory pushes nothing out of
it. Memory, place in the file and length have to be whole pages; what is not, and what a file system refuses, is
written as always.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

PAGE_BYTES = 4096
# Less than this is dearer straight to the disk than through the cache.
LEAST_BYTES = 512 * 1024


def runs(chunks: Sequence[bytes | memoryview], at: int) -> Iterator[tuple[bool, list[memoryview]]]:
    """``chunks``, which follow each other from ``at`` on, in runs that can go straight to the disk, or can't."""
    pieces = []
    for chunk in chunks:
        pieces += _pieces(memoryview(chunk), at)
        at += len(chunk)
    for straight, run in groupby(pieces, key=itemgetter(0)):
        yield straight, [view for _, view in run]


def _pieces(view: memoryview, at: int) -> list[tuple[bool, memoryview]]:
    head = -at % PAGE_BYTES
    whole = (len(view) - head) // PAGE_BYTES * PAGE_BYTES
    if whole < LEAST_BYTES or view.readonly or (_address(view) - at) % PAGE_BYTES:
        pieces = [(False, view)]
    else:
        pieces = [(False, view[:head]), (True, view[head : head + whole]), (False, view[head + whole :])]
    return [one for one in pieces if one[1]]


def _address(view: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


def write(fd: int, views: Sequence[memoryview], at: int) -> int | None:
    """So many bytes are on the disk; None, and none is, where the file system takes none in this way."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_DIRECT)
        return os.pwritev(fd, views, at)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return None
    finally:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags)
