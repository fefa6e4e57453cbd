"""A file that comes in one go: without a name until its last byte is on the disk, and nothing at all where it is cut.

Meant for files that are small or of unknown length; room is checked before the first byte and kept in steps, and once
more, exactly, before the name is given. Large files of known length are uploads, which can be gone on with.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from django.db import transaction

from common.errors import NotFound
from storage import quota, sums
from storage.listing import root_of
from storage.models import Folder
from storage.paths import ensure_dir, inner, plain_errors, stat_beneath
from storage.unnamed import name_it, new_unnamed

STEP_BYTES = 64 * 1024**2
AREA = "uploads"


class Spool:
    """An open file without a name. Its methods may be called from any thread, one at a time."""

    def __init__(self, folder: Folder) -> None:
        self.folder, self.root, self.size = folder, root_of(folder), 0
        self._fd = new_unnamed(self.root, ensure_dir(self.root, inner(AREA)))
        self._hash = hashlib.sha256()

    def write(self, blocks: Sequence[bytes | memoryview]) -> None:
        """``blocks`` follow."""
        with plain_errors("the upload"):
            for block in blocks:
                view = memoryview(block)
                while view:
                    view = view[os.write(self._fd, view) :]
                self._hash.update(block)
                self.size += len(block)

    def place(self, path: str, *, replace: bool) -> bool:
        """The file is called ``path``, durably, and is counted; True when nothing had that name before.

        StateConflict ``name_taken``, QuotaExceeded, Unavailable ``disk_full``.
        """
        with plain_errors("the upload"):
            os.fdatasync(self._fd)
        old = _size_of(self.root, path)
        more, files = self.size - (old or 0), 1 if old is None else 0
        with transaction.atomic():
            quota.check_room(self.folder, max(more, 0), files=files)
            quota.note_change(self.folder, size=more, files=files)
        try:
            aside = inner(AREA, f"{uuid.uuid4()}.put") if replace and old is not None else None
            name_it(self.root, self._fd, path, replace=aside)
        except BaseException:
            quota.note_change(self.folder, size=-more, files=-files)
            raise
        sums.note_placed(self.folder, path, sha256=self._hash.hexdigest())
        return old is None

    def close(self) -> None:
        """Without a name, nothing is left of it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _size_of(root: Path, path: str) -> int | None:
    try:
        return stat_beneath(root, path).st_size
    except NotFound:
        return None
