"""Bytes out: a file or a part of it, a folder as a listing, as a zip or as a tar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from os import fstat, pread
from urllib.parse import quote

from django.utils.datastructures import CaseInsensitiveMapping

from common.errors import PortolanError, UserError
from storage import archive
from storage.door.http import Broken, Piece, Reply
from storage.door.links.pages import listing_reply
from storage.door.links.taking import upload_state
from storage.door.links.visits import Visit, write_soon
from storage.door.threads import on_disk
from storage.links.rights import Operation
from storage.listing import list_page, stat_path
from storage.streaming import CHUNK, OpenFile, attachment, describe, not_modified, open_for_reading, wanted_part

PAGE = 1000
# So much may still go out after a link has ended.
PIECE_BYTES = 4 * 1024**2
ARCHIVES = {"zip": "application/zip", "tar": "application/x-tar"}


async def give(visit: Visit) -> Reply:
    """The answer to GET and HEAD."""
    if "upload" in visit.query and visit.request.method == "HEAD":
        return await upload_state(visit)
    path = visit.path
    if path == visit.here.base and not visit.here.link.is_file:
        kind = "folder"
    else:
        kind = (await on_disk(stat_path, visit.here.root, path)).kind
    if kind == "folder":
        return await _folder(visit, path)
    if kind != "file":
        raise UserError("This is a link or a special file, which is not served.", code="not_a_file")
    return await _file(visit, path)


async def _file(visit: Visit, path: str) -> Reply:
    headers = CaseInsensitiveMapping(visit.request.headers)
    if visit.request.method == "HEAD":
        await visit.need(Operation.STAT)
    else:
        await visit.need(Operation.READ)
    opened = await on_disk(open_for_reading, visit.here.root, path, follow=False)
    try:
        told: dict[str, str] = {}
        describe(told, opened)
        if not_modified(opened, headers):
            opened.handle.close()
            return Reply(status=304, headers=told)
        part = wanted_part(opened, headers)
        if part is None:
            opened.handle.close()
            return Reply(status=416, headers=told | {"Content-Range": f"bytes */{opened.size}"})
        start, end = part
        status = 200 if (start, end) == (0, opened.size) else 206
        if status == 206:
            told["Content-Range"] = f"bytes {start}-{end - 1}/{opened.size}"
        told["Content-Length"] = str(end - start)
        if visit.request.method == "HEAD":
            opened.handle.close()
            return Reply(status=status, headers=told)
        await visit.spend(end - start)
    except BaseException:
        opened.handle.close()
        raise
    visit.files_out = 1 if end == opened.size else 0
    return Reply(status=status, headers=told, stream=_sent(visit, pieces(opened, start, end), end - start))


def pieces(opened: OpenFile, start: int, end: int) -> Iterator[Piece]:
    """The bytes from ``start`` to ``end`` as pieces for the kernel; the file is closed after the last."""
    with opened.handle as handle:
        while start < end:
            if fstat(handle.fileno()).st_size < end:
                raise OSError("the file became shorter while it was sent")
            size = min(PIECE_BYTES, end - start)
            yield Piece(file=handle.fileno(), start=start, size=size)
            start += size


def file_blocks(opened: OpenFile, start: int, end: int) -> Iterator[bytes]:
    """The bytes from ``start`` to ``end``, in blocks; the file is closed after the last."""
    with opened.handle as handle:
        while start < end:
            block = pread(handle.fileno(), min(CHUNK, end - start), start)
            if not block:
                raise OSError("the file became shorter while it was sent")
            start += len(block)
            yield block


async def _sent(visit: Visit, blocks: Iterator[bytes | Piece], size: int) -> AsyncGenerator[bytes | Piece]:
    """``blocks``, for as long as the link allows it; Broken when it ends early. What went is counted in any case."""
    outcome = "cut"
    try:
        while (block := await on_disk(next, blocks, None)) is not None:
            await visit.still()
            visit.went(len(block))  # before it goes: who leaves in the middle of it has had it
            write_soon()
            yield block
        outcome = "ok"
    except PortolanError as error:
        outcome = error.code
        raise Broken from error
    except OSError as error:
        outcome = "storage_error"
        raise Broken from error
    finally:
        visit.note(outcome)
        await asyncio.shield(_after(visit, blocks, size))


async def _after(visit: Visit, blocks: Iterator[bytes | Piece], size: int) -> None:
    close = getattr(blocks, "close", None)
    if close is not None:
        await on_disk(close)
    await visit.give_back(size - visit.size)


async def _folder(visit: Visit, path: str) -> Reply:
    wanted = visit.query.get("archive", "")
    if wanted:
        return await _archive(visit, path, wanted)
    await visit.need(Operation.LIST)
    if not visit.request.path.endswith("/"):
        query = f"?{visit.request.query}" if visit.request.query else ""
        return Reply(status=301, headers={"Location": f"./{quote(_last(visit))}/{query}"})
    cursor = visit.query.get("cursor", "")
    page = await on_disk(list_page, visit.here.root, path, cursor=cursor, limit=PAGE, follow=False)
    return listing_reply(visit, page)


def _last(visit: Visit) -> str:
    return visit.request.path.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class _Archive:
    name: str
    size: int
    blocks: Iterator[bytes]


async def _archive(visit: Visit, path: str, kind: str) -> Reply:
    if kind not in ARCHIVES:
        raise UserError("An archive is a zip or a tar.", code="bad_archive", field="archive")
    await visit.need(Operation.READ, Operation.LIST)
    made = await on_disk(_make, visit, path, kind)
    told = {"Content-Type": ARCHIVES[kind], "Content-Length": str(made.size), "Cache-Control": "private, no-store"}
    attachment(told, made.name)
    if visit.request.method == "HEAD":
        return Reply(status=200, headers=told)
    await visit.spend(made.size)
    visit.files_out = 1
    return Reply(status=200, headers=told, stream=_sent(visit, made.blocks, made.size))


def _make(visit: Visit, path: str, kind: str) -> _Archive:
    root, name = visit.here.root, visit.here.link.folder.project.name
    plain = "".join(c if c.isalnum() or c in " -_" else "_" for c in name).strip() or "project"
    if kind == "zip":
        found = archive.zip_of(root, [path], fallback_name=plain)
    else:
        found = archive.tar_of(root, path, fallback_name=plain)
    return _Archive(name=found[0], size=found[1], blocks=found[2])
