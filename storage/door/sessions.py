"""An upload moved on, for any protocol: how it stands, more bytes, its end. No header is known here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from common.errors import PortolanError, StateConflict, UserError
from storage.door.pouring import Checksum, Cut, Pour, RunningHashes
from storage.door.threads import finishing, on_disk, on_rows
from storage.models import UploadState
from storage.uploads import lifecycle
from storage.uploads.lifecycle import Found
from storage.uploads.parts import Part

LOCK_SECONDS = 2.0
RECHECK_SECONDS = 10.0

_running = RunningHashes()


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Bytes ``offset`` of ``size`` are durable; ``expires_at`` is None once the file has its final name."""

    offset: int
    size: int
    path: str
    expires_at: datetime | None


async def status(secret: str) -> Progress:
    """How the upload stands. A whole file that has no final name yet (a crash, a taken name) is finished first.

    So that nobody takes "all bytes are here" for "the file is there".
    """
    found = await on_rows(lifecycle.find, secret)
    if found.done:
        return _progress(found, found.upload.size)
    await on_rows(lifecycle.check_right, found.upload)
    part = await _locked(found)
    if part is None:
        return _progress(found, found.upload.size)
    try:
        await _finish_if_whole(found, part)
        return _progress(found, part.offset)
    finally:
        await on_disk(part.close)


async def append(
    secret: str, chunks: AsyncIterator[bytes], *, offset: int, length: int | None, checksum: Checksum | None
) -> Progress:
    """``chunks`` follow the first ``offset`` bytes, durably; the last of them gives the file its final name.

    Raises StateConflict ``wrong_offset``/``upload_locked``/``name_taken``, UserError ``too_long``/
    ``checksum_mismatch``, Forbidden, NotFound, Unavailable ``disk_full``, and Cut when the client is gone.
    """
    found = await on_rows(lifecycle.find_allowed, secret)
    part = None if found.done else await _locked(found)
    if part is None:
        _check_offset(found, found.upload.size, offset, length)
        return _progress(found, found.upload.size)
    try:
        _check_offset(found, part.offset, offset, length)
        await _pour(found, part, chunks, checksum)
        await _finish_if_whole(found, part)
        if not found.done:
            await on_rows(lifecycle.touch, found.upload)
        return _progress(found, part.offset)
    finally:
        await on_disk(part.close)


async def end(secret: str) -> None:
    """The upload has ended and its bytes are gone; StateConflict when the file is in place already."""
    found = await on_rows(lifecycle.find_allowed, secret)
    if not await on_rows(lifecycle.end, found.upload, UploadState.CANCELLED):
        raise StateConflict("This upload is done; delete its file in the project.", code="upload_done")


async def _locked(found: Found) -> Part | None:
    """The locked part; None when the file has its final name. A writer that is just ending is waited for."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        part = await on_rows(lifecycle.lock, found)
        if part is not None or found.done:
            return part
        if time.monotonic() > deadline:
            raise StateConflict(
                "Another connection is sending to this upload.", code="upload_locked", hint="Try again in a moment."
            )
        await asyncio.sleep(0.05)


def _check_offset(found: Found, here: int, offset: int, length: int | None) -> None:
    if offset != here:
        raise StateConflict(f"The next byte is number {here}, not {offset}.", code="wrong_offset")
    if length is not None and offset + length > found.upload.size:
        raise UserError(
            f"With these bytes the file would be longer than the announced {found.upload.size}.", code="too_long"
        )


async def _pour(found: Found, part: Part, chunks: AsyncIterator[bytes], checksum: Checksum | None) -> None:
    start, upload = part.offset, found.upload
    pour = Pour(part, size=upload.size, running=_running.take(upload.pk, start), checksum=checksum)
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
            await pour.settle(whole=whole)
        finally:
            _running.put(upload.pk, part.offset, pour.running)


async def _watched(found: Found, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """``chunks``, for as long as the upload lives and its maker may write."""
    checked = time.monotonic()
    async for chunk in chunks:
        if time.monotonic() - checked > RECHECK_SECONDS:
            await on_rows(lifecycle.check_again, found.upload)
            checked = time.monotonic()
        yield chunk


async def _finish_if_whole(found: Found, part: Part) -> None:
    if part.offset < found.upload.size:
        return
    known = _running.take(found.upload.pk, part.offset) if part.offset else None
    try:
        await finishing(lifecycle.finish, found, part, sha256=known.hexdigest() if known is not None else "")
    except PortolanError:
        if part.offset:
            _running.put(found.upload.pk, part.offset, known)
        raise


def _progress(found: Found, offset: int) -> Progress:
    upload = found.upload
    return Progress(
        offset=offset,
        size=upload.size,
        path=upload.path,
        expires_at=None if found.done else upload.expires_at,
    )


__all__ = ["Checksum", "Cut", "Progress", "append", "end", "status"]
