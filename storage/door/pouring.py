"""From a stream of chunks to the disk: writes of a few mebibytes, one ahead of the network, never the whole body.

What is held for one request: the block that fills (see ``wire``), a buffer that gathers, and one that is written and,
beside it, hashed. A buffer is ``MOST_BYTES`` from a fast client, because each costs two turns of threads; from a slow
one ``WRITE_BYTES``; and less when so many requests run that all would take more than ``BUDGET_BYTES``.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import blake3
import xxhash
from django.conf import settings

from common.errors import UserError
from storage.door.threads import on_disk
from storage.uploads.parts import Part
from storage.uploads.slots import Slot

MOST_BYTES, WRITE_BYTES, LEAST_BYTES = 4 * 1024**2, 1024**2, 32 * 1024
# Who fills a small buffer in this time is fast.
FAST_SECONDS = 0.1
# What all buffers of this process may hold together: with many clients at once each gets smaller ones.
BUDGET_BYTES = 12 * 1024**2
MOST_RUNNING = 1000

Chunk = bytes | memoryview

_pouring = 0


class Hash(Protocol):
    """What hashlib and xxhash have in common."""

    def update(self, data: bytes | memoryview, /) -> object: ...  # noqa: D102
    def digest(self) -> bytes: ...  # noqa: D102


ALGORITHMS: dict[str, Callable[[], Hash]] = {
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "xxh128": xxhash.xxh3_128,
    "blake3": lambda: blake3.blake3(),
}


class Cut(Exception):
    """The client is gone (or silent for too long) in the middle of a body."""

    def __init__(self, *, silent: bool = False) -> None:
        super().__init__("silent" if silent else "gone")
        self.silent = silent


@dataclass(frozen=True, kw_only=True)
class Checksum:
    """What the bytes of one request must give."""

    algorithm: str
    digest: bytes


class RunningHashes:
    """SHA-256 of the bytes of uploads so far, for those that this process has received from their first byte on.

    Only a memory: where it is lost (another process, a restart, many uploads) the file is read once more at the end.
    ``mark`` is the part's own time of change: where another process went back and wrote other bytes up to the same
    offset, what is remembered here is of no use any more.
    """

    def __init__(self, most: int = MOST_RUNNING) -> None:
        self._kept: OrderedDict[str, tuple[int, int, hashlib._Hash]] = OrderedDict()
        self._most = most

    def take(self, name: str, offset: int, mark: int) -> hashlib._Hash | None:
        """The hash of the first ``offset`` bytes, which the caller now owns; None where it is not known."""
        at, before, found = self._kept.pop(name, (-1, 0, None))
        if offset == 0:
            return hashlib.sha256()
        return found if (at, before) == (offset, mark) else None

    def put(self, name: str, offset: int, mark: int, running: hashlib._Hash | None) -> None:
        """``running`` is kept as the hash of the first ``offset`` bytes."""
        if running is None:
            return
        self._kept[name] = (offset, mark, running)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


class Pour:
    """The bytes of one request on their way into a part."""

    def __init__(
        self,
        part: Part | Slot,
        *,
        size: int,
        running: hashlib._Hash | None,
        checksum: Checksum | None,
        more_room: Callable[[int], Awaitable[int]] | None = None,
    ) -> None:
        self.part, self.start, self.room, self._more_room = part, part.offset, size - part.offset, more_room
        self.running, self.checksum = running, checksum
        self._own = ALGORITHMS[checksum.algorithm]() if checksum else None
        self._before = running.copy() if running is not None and checksum else None
        self._chunks: list[Chunk] = []
        self._held = 0
        self._writing: asyncio.Future[None] | None = None
        self._failed = False
        self._handed = 0.0
        self._durable = settings.UPLOAD_DURABILITY == "disk"

    async def take(self, chunks: AsyncIterator[Chunk]) -> None:
        """Every chunk is on its way; UserError ``too_long`` when they are more than what the upload lacks.

        Also when it fails, all that was received is written (but no byte beyond the announced size).
        """
        global _pouring
        _pouring += 1
        try:
            async for chunk in chunks:
                self.room -= len(chunk)
                if self.room < 0 and self._more_room is not None:
                    self.room += await self._more_room(-self.room)
                if self.room < 0:
                    raise UserError("More bytes came than were announced.", code="too_long")
                self._chunks.append(chunk)
                self._held += len(chunk)
                fast = time.monotonic() - self._handed < FAST_SECONDS
                wanted = MOST_BYTES if fast else WRITE_BYTES
                if self._held >= min(wanted, max(LEAST_BYTES, BUDGET_BYTES // (3 * _pouring))):
                    await self._hand_over()
        finally:
            _pouring -= 1
            await self._hand_over()
            await self._written()

    async def settle(self, *, whole: bool) -> None:
        """The bytes are durable and, where a checksum came with them, right; else they are discarded."""
        if self.checksum is None:
            await self._sync()
            return
        right = whole and self._own is not None and self._own.digest() == self.checksum.digest
        if right:
            await self._sync()
        else:
            self.running = self._before
            await on_disk(self.part.go_back, self.start)
        await on_disk(self.part.end_unverified)
        if whole and not right:
            raise UserError(
                f"The {self.checksum.algorithm} of the received bytes is another one; they were discarded.",
                code="checksum_mismatch",
                hint="Send them again.",
            )

    async def _sync(self) -> None:
        running, self.running = self.running, None  # what the disk loses was hashed
        await on_disk(self.part.keep, durable=self._durable)
        self.running = running

    async def _hand_over(self) -> None:
        await self._written()
        if self._chunks:
            chunks, self._chunks, self._held = self._chunks, [], 0
            self._handed = time.monotonic()
            self._writing = asyncio.ensure_future(self._keep(chunks))

    async def _written(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing

    async def _keep(self, chunks: list[Chunk]) -> None:
        """``chunks`` are written and, at the same time, hashed."""
        if self._failed:  # what follows a gap must never be written, even when there is room again
            return
        self._failed = True
        hashing = asyncio.ensure_future(on_disk(self._note, chunks))
        try:
            await on_disk(self.part.append, chunks, durable=self._durable)
            self._failed = False
        finally:
            await hashing
            if self._failed:  # less was written than was hashed
                self.running = None

    def _note(self, chunks: list[Chunk]) -> None:
        for found in (self.running, self._own):
            if found is not None:
                for chunk in chunks:
                    found.update(chunk)
