"""Parallel parts of one upload, written straight to their places in its part, so that joining them moves no byte.

``.portolan/uploads/<id>.slots/<start>`` is a record of the part that begins at that byte: its length, how many of its
bytes are durable, and their SHA-256 once all are. The record is written after the bytes, so after a crash it may tell
fewer bytes than are there, never more. One ``flock`` on the record keeps a second writer of the same part out.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from common.errors import NotFound, StateConflict, Unavailable, UserError
from storage.paths import Inner, ensure_dir, inner, open_beneath, plain_errors, remove_beneath
from storage.uploads.parts import AREA, open_part, sync_dir, write_all, write_back

MOST_SLOTS = 64
RECORD_BYTES = 256


@dataclass(frozen=True, kw_only=True)
class SlotState:
    """The part [start, start + length) of a file; its first ``offset`` bytes are durable."""

    start: int
    length: int
    offset: int = 0
    sha256: str = ""

    @property
    def full(self) -> bool:
        """True when every byte of the part is durable."""
        return self.offset == self.length


def make_slot(root: Path, upload_id: UUID, *, start: int, length: int, size: int) -> SlotState:
    """The part is there (from before, when it was made the same way); UserError ``bad_part`` when it can't be one."""
    if length < 1 or start < 0 or start + length > size:
        raise UserError("This part is not inside the file.", code="bad_part", hint=f"The file has {size} bytes.")
    area = ensure_dir(root, _area(upload_id))
    fd = open_beneath(root, area, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        others = slots_of(root, upload_id)
        for other in others:
            if (other.start, other.length) == (start, length):
                return other
            if start < other.start + other.length and other.start < start + length:
                raise StateConflict("This part overlaps another one of the upload.", code="part_overlaps")
        if len(others) >= MOST_SLOTS:
            raise UserError(f"An upload has at most {MOST_SLOTS} parts.", code="bad_part")
        made = SlotState(start=start, length=length)
        record = open_beneath(root, _record(upload_id, start), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        try:
            with plain_errors("the upload"):
                _write_record(record, made)
        finally:
            os.close(record)
        sync_dir(root, Inner(area))
        return made
    finally:
        os.close(fd)


def slots_of(root: Path, upload_id: UUID) -> list[SlotState]:
    """The parts of the upload in the order of the file; an empty list when it has none."""
    try:
        fd = open_beneath(root, _area(upload_id), os.O_RDONLY | os.O_DIRECTORY)
    except NotFound:
        return []
    try:
        starts = sorted(int(name) for name in os.listdir(fd) if name.isdigit())
    finally:
        os.close(fd)
    found = []
    for start in starts:
        with suppress(NotFound):
            record = open_beneath(root, _record(upload_id, start), os.O_RDONLY)
            try:
                found.append(_read_record(record))
            finally:
                os.close(record)
    return found


def are_whole(slots: Sequence[SlotState], size: int) -> bool:
    """True when ``slots`` cover the file without a gap, and all are full."""
    return prefix_of(slots) == size and bool(slots)


def prefix_of(slots: Sequence[SlotState]) -> int:
    """How many bytes from the file's first on are durable without a gap."""
    at = 0
    for slot in slots:
        if slot.start != at:
            break
        at += slot.offset
        if not slot.full:
            break
    return at


def drop_slots(root: Path, upload_id: UUID) -> None:
    """No record of a part is left; its bytes are no part of this."""
    remove_beneath(root, _area(upload_id))


def lock_slot(root: Path, upload_id: UUID, start: int) -> Slot | None:
    """The part, held by nobody else until ``close``; None while another holds it; NotFound when there is none."""
    record = open_beneath(root, _record(upload_id, start), os.O_RDWR)
    try:
        try:
            fcntl.flock(record, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(record)
            return None
        return Slot(open_part(root, upload_id), record)
    except BaseException:
        with suppress(OSError):
            os.close(record)
        raise


class Slot:
    """A parallel part, open and locked; the same methods as ``parts.Part``, callable from any thread."""

    def __init__(self, fd: int, record: int) -> None:
        self._fd, self._record = fd, record
        self._guard = threading.Lock()
        state = _read_record(record)
        self.start, self.length, self.offset = state.start, state.length, state.offset
        self._kept = self.offset
        self.digest = ""

    def append(self, chunks: Sequence[bytes | memoryview], *, durable: bool = False) -> None:
        """``chunks`` are behind the part's bytes; on an error the offset says how many of them are.

        ``durable``: see ``parts.write_all`` and ``parts.write_back``.
        """
        with self._guard, plain_errors("the upload"):
            fd, begin = self._open_fd(), self.start + self.offset
            for written in write_all(fd, chunks, begin, straight=durable):
                self.offset += written
            with self._or_lost():
                write_back(fd, begin, self.start + self.offset, durable=durable)

    def keep(self, *, durable: bool) -> None:
        """The record says the offset: its bytes outlive this process, and with ``durable`` a power cut."""
        with self._guard, plain_errors("the upload"):
            if durable:
                with self._or_lost():
                    os.fdatasync(self._open_fd())
            self._kept = self.offset
            self._note()

    @contextmanager
    def _or_lost(self) -> Iterator[None]:
        """What the disk could not take does not count: it says so only once, then all seems well."""
        try:
            yield
        except OSError:
            self.offset = self._kept
            raise

    def go_back(self, offset: int) -> None:
        """The bytes from ``offset`` on do not count."""
        with self._guard, plain_errors("the upload"):
            self.offset, self._kept = offset, min(offset, self._kept)
            self._note()

    def begin_unverified(self) -> None:
        """Bytes from here on count only after ``keep``, which is called when they are verified."""

    def end_unverified(self) -> None:
        """See ``begin_unverified``."""

    def mark(self) -> int:
        """Another number whenever somebody else has written this part meanwhile."""
        return os.fstat(self._record).st_mtime_ns

    def close(self) -> None:
        """The lock is free."""
        with self._guard:
            if self._fd >= 0:
                os.close(self._fd)
                os.close(self._record)
                self._fd = self._record = -1

    def _note(self) -> None:
        digest = self.digest if self.offset == self.length else ""
        _write_record(self._record, SlotState(start=self.start, length=self.length, offset=self.offset, sha256=digest))

    def _open_fd(self) -> int:
        if self._fd < 0:
            raise Unavailable("This upload was closed while it was written.", code="storage_error")
        return self._fd


def _area(upload_id: UUID) -> Inner:
    return inner(AREA, f"{upload_id}.slots")


def _record(upload_id: UUID, start: int) -> Inner:
    return inner(AREA, f"{upload_id}.slots", str(start))


def _write_record(fd: int, state: SlotState) -> None:
    # Always as long as before, and within one sector: there is no moment in which half of it is there.
    os.pwrite(fd, json.dumps(asdict(state)).ljust(RECORD_BYTES).encode(), 0)
    os.fdatasync(fd)


def _read_record(fd: int) -> SlotState:
    text = os.pread(fd, RECORD_BYTES, 0)
    if not text:
        raise NotFound("This part is only being made.", code="upload_not_found")
    try:
        return SlotState(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise Unavailable("The notes of this upload can't be read.", code="storage_error") from error
