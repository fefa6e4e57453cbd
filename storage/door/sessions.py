"""An upload moved on, for any protocol: how it stands, more bytes, its end. No header is known here.

An upload is addressed by its secret, a parallel part of it by the secret and the byte where the part begins.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from common.errors import PortolanError, StateConflict, UserError
from storage.door.pouring import Checksum, Chunk, Cut, Pour, RunningHashes
from storage.door.threads import finishing, on_disk, on_rows
from storage.models import UploadKind, UploadState
from storage.uploads import lifecycle, slots
from storage.uploads.lifecycle import Found
from storage.uploads.parts import Part
from storage.uploads.slots import Slot, SlotState

LOCK_SECONDS = 2.0
RECHECK_SECONDS = 10.0
# Room for a file of unknown length is kept in steps of this size.
STEP_BYTES = 64 * 1024**2

_running = RunningHashes()


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Bytes ``offset`` of ``size`` are durable; ``expires_at`` is None once the file has its final name.

    ``size`` is None while it is not told; ``part`` is True for a part that is to be joined with others.
    """

    offset: int
    size: int | None
    path: str
    expires_at: datetime | None
    part: bool = False


async def status(secret: str, *, slot: int | None = None) -> Progress:
    """How the upload stands. A whole file that has no final name yet (a crash, a taken name) is finished first.

    So that nobody takes "all bytes are here" for "the file is there".
    """
    found = await on_rows(lifecycle.find, secret)
    if not found.done:
        await on_rows(lifecycle.check_right, found.upload)
    part = None if found.done else await _locked(found, slot)
    if part is None:
        return await _of_done(found, slot)
    try:
        await _finish_if_whole(found, part)
        return _progress(found, part)
    finally:
        await on_disk(part.close)


async def append(
    secret: str,
    chunks: AsyncIterator[Chunk],
    *,
    offset: int,
    length: int | None,
    checksum: Checksum | None,
    total: int | None = None,
    slot: int | None = None,
) -> Progress:
    """``chunks`` follow the first ``offset`` bytes, durably; the last of them gives the file its final name.

    ``total`` is the length of the file, where it was not told at the beginning. Raises StateConflict ``wrong_offset``/
    ``upload_locked``/``name_taken``, UserError ``too_long``/``checksum_mismatch``/``length_changed``, QuotaExceeded,
    Forbidden, NotFound, Unavailable ``disk_full``, and Cut when the client is gone.
    """
    found = await on_rows(lifecycle.find_allowed, secret)
    part = None if found.done else await _locked(found, slot)
    if part is None:
        done = await _of_done(found, slot)
        _check_offset(done.offset, done.size, offset, length)
        return done
    try:
        if total is not None:
            await on_rows(lifecycle.tell_size, found, total)
        size = part.length if isinstance(part, Slot) else found.upload.size
        _check_offset(part.offset, None if found.upload.deferred else size, offset, length)
        await _prepare(found, part, offset + (length or 0))
        await _pour(found, part, chunks, checksum)
        await _finish_if_whole(found, part)
        if not found.done:
            await on_rows(lifecycle.touch, found.upload)
        return _progress(found, part)
    finally:
        await on_disk(part.close)


async def make_part(secret: str, *, start: int, length: int) -> Progress:
    """The upload has a parallel part of ``length`` bytes from ``start`` on; asked again, it is the same part."""
    found = await on_rows(lifecycle.find_allowed, secret)
    if found.done:
        raise StateConflict("This upload is done.", code="upload_done")
    made = await on_rows(lifecycle.make_slot, found, start=start, length=length)
    return Progress(
        offset=made.offset, size=made.length, path=found.upload.path, expires_at=found.upload.expires_at, part=True
    )


async def parts_of(secret: str) -> tuple[Progress, list[SlotState]]:
    """How the upload and its parallel parts stand, for a client that goes on with all of them."""
    found = await on_rows(lifecycle.find_allowed, secret)
    upload = found.upload
    known = [] if found.done else await on_disk(slots.slots_of, found.root, upload.pk)
    offset = upload.size if found.done else await on_rows(lifecycle.received, upload)
    return Progress(offset=offset, size=upload.size, path=upload.path, expires_at=_end_of(found)), known


async def end(secret: str) -> None:
    """The upload has ended and its bytes are gone; StateConflict when the file is in place already."""
    found = await on_rows(lifecycle.find_allowed, secret)
    if not await on_rows(lifecycle.end, found.upload, UploadState.CANCELLED):
        raise StateConflict("This upload is done; delete its file in the project.", code="upload_done")


async def _locked(found: Found, slot: int | None = None) -> Part | Slot | None:
    """The locked part; None when the file has its final name. A writer that is just ending is waited for."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        part: Part | Slot | None
        if slot is None:
            part = await (finishing if found.upload.joins else on_rows)(lifecycle.lock, found)
        else:
            part = await on_rows(lifecycle.lock_slot, found, slot)
        if part is not None or found.done:
            return part
        if time.monotonic() > deadline:
            raise StateConflict(
                "Another connection is sending to this upload.", code="upload_locked", hint="Try again in a moment."
            )
        await asyncio.sleep(0.05)


def _check_offset(here: int, size: int | None, offset: int, length: int | None) -> None:
    if offset != here:
        raise StateConflict(f"The next byte is number {here}, not {offset}.", code="wrong_offset")
    if size is not None and length is not None and offset + length > size:
        raise UserError(f"With these bytes the file would be longer than the announced {size}.", code="too_long")


async def _prepare(found: Found, part: Part | Slot, upto: int) -> None:
    """Room is kept for bytes of a file of unknown length; parallel parts give way to the one stream that goes on."""
    if found.upload.deferred:
        await on_rows(lifecycle.reserve_upto, found, upto)
    if isinstance(part, Part) and part.offset < found.upload.size:
        await on_rows(lifecycle.leave_slots, found, part)


async def _pour(found: Found, part: Part | Slot, chunks: AsyncIterator[Chunk], checksum: Checksum | None) -> None:
    start, upload, name = part.offset, found.upload, _name(found, part)

    async def more_room(lacking: int) -> int:
        before = upload.size
        await on_rows(lifecycle.reserve_upto, found, before + max(lacking, STEP_BYTES))
        return upload.size - before

    pour = Pour(
        part,
        size=part.length if isinstance(part, Slot) else upload.size,
        running=_running.take(name, start, part.mark()),
        checksum=checksum,
        more_room=more_room if upload.deferred else None,
    )
    if checksum is not None:
        await on_disk(part.begin_unverified)
    whole = False
    try:
        await pour.take(_watched(found, chunks))
        whole = True
    except UserError:
        # More than was announced: none of it can be trusted to be this file's.
        await on_disk(part.go_back, start)
        pour.running = None
        raise
    finally:
        try:
            _note_digest(part, pour)
            await pour.settle(whole=whole)
        finally:
            _running.put(name, part.offset, part.mark(), pour.running)


def _note_digest(part: Part | Slot, pour: Pour) -> None:
    if isinstance(part, Slot) and part.offset == part.length and pour.running is not None:
        part.digest = pour.running.hexdigest()


async def _watched(found: Found, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    """``chunks``, for as long as the upload lives and its maker may write."""
    checked = time.monotonic()
    async for chunk in chunks:
        if time.monotonic() - checked > RECHECK_SECONDS:
            await on_rows(lifecycle.check_again, found.upload)
            checked = time.monotonic()
        yield chunk


async def _finish_if_whole(found: Found, part: Part | Slot) -> None:
    upload = found.upload
    if isinstance(part, Slot):
        if part.offset == part.length and await on_rows(lifecycle.slots_are_whole, found):
            await _finish_parts(found)
        return
    if part.offset < upload.size or upload.deferred or upload.kind == UploadKind.PART:
        return
    name, mark = _name(found, part), part.mark()
    known = _running.take(name, part.offset, mark) if part.offset else None
    try:
        await finishing(lifecycle.finish, found, part, sha256=known.hexdigest() if known is not None else "")
    except PortolanError:
        if part.offset:
            _running.put(name, part.offset, mark, known)
        raise


async def _finish_parts(found: Found) -> None:
    whole = await _locked(found)
    if not isinstance(whole, Part):
        return
    try:
        await finishing(lifecycle.finish, found, whole)
    finally:
        await on_disk(whole.close)


async def _of_done(found: Found, slot: int | None) -> Progress:
    size = found.upload.size if slot is None else await on_rows(lifecycle.slot_of_done, found, slot)
    return Progress(offset=size, size=size, path=found.upload.path, expires_at=None, part=slot is not None)


def _progress(found: Found, part: Part | Slot) -> Progress:
    upload = found.upload
    size = part.length if isinstance(part, Slot) else upload.size
    return Progress(
        offset=part.offset,
        size=None if upload.deferred else size,
        path=upload.path,
        expires_at=_end_of(found),
        part=isinstance(part, Slot) or upload.kind == UploadKind.PART,
    )


def _end_of(found: Found) -> datetime | None:
    return None if found.done else found.upload.expires_at


def _name(found: Found, part: Part | Slot) -> str:
    return f"{found.upload.pk}/{part.start}" if isinstance(part, Slot) else str(found.upload.pk)


__all__ = ["Checksum", "Cut", "Progress", "append", "end", "make_part", "parts_of", "status"]
