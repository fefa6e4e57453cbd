"""Reading with an end: exact bytes from a handle, a deadline, and errors that say what is wrong with a file."""

from __future__ import annotations

import os
import time

from common.errors import UserError

SECONDS = 15.0
MAX_DECODED_BYTES = 256 * 1024**2  # what a library may unpack at once


class Source:
    """An open regular file under a name, with a deadline for whoever reads it."""

    def __init__(self, fd: int, name: str, *, seconds: float = SECONDS) -> None:
        self.fd, self.name = fd, name
        self.size = os.fstat(fd).st_size
        self._deadline = time.monotonic() + seconds

    def read(self, at: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``at``; UserError ``unreadable_file`` when the file ends before."""
        if time.monotonic() > self._deadline:
            raise self.too_large()
        blocks, left = [], length
        while left:
            block = os.pread(self.fd, min(left, 64 * 1024**2), at)
            if not block:
                raise self.unreadable("it ended while it was read")
            blocks.append(block)
            at, left = at + len(block), left - len(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def unreadable(self, why: str) -> UserError:
        """The error that this file can't be read, and why."""
        return UserError(
            f"“{self.name}” can't be read: {why}.",
            code="unreadable_file",
            hint="Upload or make it again; it may have been cut off or be of another type than its name says.",
        )

    def too_large(self) -> UserError:
        """The error that looking would take too long or too much."""
        return UserError(f"“{self.name}” is too large to be shown here.", code="preview_too_large", hint="Download it.")
