"""Bytes in: a file by PUT, whole or not at all, and gone on with after a cut.

A file of 8 MiB or more whose length is told is an upload like the others: after a cut, ``HEAD <address>?upload`` tells
``Upload-Offset``, and a PUT with ``Content-Range: bytes <offset>-<last>/<length>`` (``curl -C <offset> -T``) sends the
rest. Anything else is spooled without a name.
"""

from __future__ import annotations

import re
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass

from common.errors import Forbidden, NotFound, PortolanError, QuotaExceeded, StateConflict, Unavailable, UserError
from storage import quota
from storage.door import sessions
from storage.door.http import Reply, json_reply
from storage.door.links.dav import respect_locks
from storage.door.links.visits import Visit, refuse_root
from storage.door.pouring import WRITE_BYTES, Chunk, Cut
from storage.door.threads import finishing, on_disk, on_rows
from storage.links import traffic
from storage.links.rights import Operation
from storage.links.spool import STEP_BYTES, Spool
from storage.paths import clean_new, refuse_locked, stat_beneath
from storage.services import link_uploads
from storage.services.uploads import LARGEST
from storage.streaming import open_for_reading

RESUMABLE_BYTES = 8 * 1024**2
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")


@dataclass(frozen=True, kw_only=True)
class Part:
    """The bytes of one PUT in their file: from ``start`` on, of ``total`` (None: not told) in all."""

    start: int
    length: int | None
    total: int | None

    @property
    def resumable(self) -> bool:
        """True when the file is an upload that can be gone on with."""
        return self.total is not None and (self.total >= RESUMABLE_BYTES or self.start > 0 or self.length != self.total)


async def take(visit: Visit) -> Reply:
    """The answer to PUT: 201 for a new file, 204 for one that replaced another, 202 for a part that is not the last."""
    return await receive(visit, _part(visit), visit.request.body.chunks())


async def receive(visit: Visit, part: Part, chunks: AsyncIterator[Chunk]) -> Reply:
    """``chunks`` become the file that was asked for; the answer as to a PUT."""
    path = clean_new(visit.path)
    refuse_root(visit)
    old = await on_disk(_old, visit, path)
    await visit.need(Operation.CREATE if old is None else Operation.REPLACE)
    _check_conditions(visit, old)
    await on_disk(refuse_locked, visit.here.root, path)
    await respect_locks(visit)
    size = part.length if part.length is not None else 0
    await (visit.spend(size) if part.start == 0 else _spend_more(visit, size))
    try:
        if part.resumable:
            return await _upload(visit, path, part, chunks, replace=old is not None)
        return await _spool(visit, path, part, chunks, replace=old is not None)
    except QuotaExceeded as error:
        if error.code == "link_bytes_used":
            raise
        raise Unavailable(error.message, code="project_full", hint=error.hint) from error
    finally:
        await visit.give_back(size - visit.size)


async def upload_state(visit: Visit) -> Reply:
    """How a file that this link began to send stands, for a client that goes on with it."""
    await visit.need(Operation.CREATE)
    known = await on_rows(link_uploads.received, visit.here.link, visit.path)
    done = await on_disk(_old, visit, visit.path) if known is None else None
    offset, total = known or ((done.size, done.size) if done else (0, 0))
    told = {"Upload-Offset": str(offset), "Upload-Complete": "?1" if done else "?0", "Cache-Control": "no-store"}
    return Reply(status=200, headers=told | ({"Upload-Length": str(total)} if known or done else {}))


async def _spend_more(visit: Visit, size: int) -> None:
    """The rest of a file is not one use more."""
    if visit.here.link.max_bytes is not None:
        await on_rows(traffic.spend, visit.here.link, size)


async def _upload(visit: Visit, path: str, part: Part, source: AsyncIterator[Chunk], *, replace: bool) -> Reply:
    link = visit.here.link
    if part.start == 0:
        secret = await finishing(link_uploads.begin, link, path, size=part.total or 0, overwrite=replace)
    else:
        secret = await on_rows(link_uploads.go_on, link, path, size=part.total or 0)
    chunks = visit.watched(source)
    try:
        done = await sessions.append(secret, chunks, offset=part.start, length=part.length, checksum=None)
    except (Cut, Unavailable, StateConflict):
        await on_rows(link_uploads.was_cut, link, path)
        raise
    except PortolanError as error:
        if error.code != "upload_ended":  # what has its name now is another's, who began meanwhile
            await on_rows(link_uploads.drop, link, path)
        raise
    if done.expires_at is not None:
        told = {"Upload-Offset": str(done.offset), "Upload-Length": str(part.total), "Upload-Complete": "?0"}
        return json_reply(202, {"offset": done.offset, "length": part.total}, told)
    return await _placed(visit, path, new=not replace)


async def _spool(visit: Visit, path: str, part: Part, source: AsyncIterator[Chunk], *, replace: bool) -> Reply:
    folder = visit.here.link.folder
    # A small file is on its way already, unless its client waits for our word; its room is asked for with its name.
    if part.length is None or part.length > WRITE_BYTES or "expect" in visit.request.headers:
        await on_rows(quota.check_room, folder, part.length or 0, files=0 if replace else 1)
    spool = await on_disk(Spool, folder)
    try:
        await _fill(visit, spool, part, source)
        if part.length is not None and spool.size != part.length:
            raise Cut
        new = await finishing(spool.place, path, replace=replace)
    finally:
        await on_disk(spool.close)
    return await _placed(visit, path, new=new)


async def _fill(visit: Visit, spool: Spool, part: Part, source: AsyncIterator[Chunk]) -> None:
    waiting: list[Chunk] = []
    held, checked = 0, part.length or STEP_BYTES
    async for chunk in visit.watched(source):
        waiting.append(chunk)
        held += len(chunk)
        if held < WRITE_BYTES:
            continue
        await on_disk(spool.write, waiting)
        waiting, held = [], 0
        if part.length is None and spool.size > checked - STEP_BYTES:
            await _more(visit, spool.size + STEP_BYTES)
            checked = spool.size + STEP_BYTES
    await on_disk(spool.write, waiting)
    if part.length is None:
        await on_rows(traffic.spend, visit.here.link, spool.size)


async def _more(visit: Visit, size: int) -> None:
    """A file of unknown length may grow to ``size`` bytes; else QuotaExceeded before the disk is full of it."""
    await on_rows(quota.check_room, visit.here.link.folder, size)
    link = visit.here.link
    if link.max_bytes is not None and size - STEP_BYTES > link.max_bytes:
        raise QuotaExceeded("This link may not move that many bytes any more.", code="link_bytes_used")


async def _placed(visit: Visit, path: str, *, new: bool) -> Reply:
    visit.files_in = 1
    opened = await on_disk(open_for_reading, visit.here.root, path, follow=False)
    opened.handle.close()
    return Reply(status=201 if new else 204, headers={"ETag": opened.etag, "Upload-Complete": "?1"})


def _part(visit: Visit) -> Part:
    headers = visit.request.headers
    length = _number(headers["content-length"]) if "content-length" in headers else None
    if "content-encoding" in headers and headers["content-encoding"].lower() != "identity":
        raise UserError("Send the file as it is, without Content-Encoding.", code="content_type")
    told = headers.get("content-range")
    if told is None:
        return Part(start=0, length=length, total=length)
    match = _CONTENT_RANGE.fullmatch(told.strip())
    start, last, total = (int(number) for number in match.groups()) if match else (0, -1, 0)
    if not start <= last < total <= LARGEST or length not in (None, last - start + 1):
        raise UserError(
            "Content-Range must be “bytes <first>-<last>/<length of the file>” and fit to Content-Length.",
            code="bad_header",
            field="content-range",
        )
    return Part(start=start, length=last - start + 1, total=total)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= LARGEST):
        raise UserError("Content-Length must be a number of bytes.", code="bad_header", field="content-length")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class Old:
    """What has the name already."""

    size: int
    etag: str


def _old(visit: Visit, path: str) -> Old | None:
    """The file that has the name; StateConflict for a folder of that name, or where the folder above is missing."""
    root = visit.here.root
    try:
        status = stat_beneath(root, path)
    except NotFound:
        above = path.rpartition("/")[0]
        try:
            kind = stat_beneath(root, above).st_mode
        except NotFound:
            kind = 0
        if not stat.S_ISDIR(kind):
            raise StateConflict("There is no such folder to put it in.", code="no_folder_above") from None
        return None
    if stat.S_ISDIR(status.st_mode):
        raise UserError("This is a folder.", code="method_not_allowed")
    if not stat.S_ISREG(status.st_mode):
        raise Forbidden("A link or a special file has this name.", code="name_taken")
    etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'
    return Old(size=status.st_size, etag=etag)


def _check_conditions(visit: Visit, old: Old | None) -> None:
    headers, etag = visit.request.headers, old.etag if old else ""
    none, some = headers.get("if-none-match"), headers.get("if-match")
    if none is not None and old is not None and (none.strip() == "*" or etag in none):
        raise StateConflict("This file is there already.", code="precondition_failed")
    if some is not None and (old is None or (some.strip() != "*" and etag not in some)):
        raise StateConflict("The file is another one by now.", code="precondition_failed")
