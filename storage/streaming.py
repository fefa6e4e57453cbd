"""Bytes of files to browsers and scripts: one open file, whole or in part, in an HTTP answer (RFC 9110).

A file is opened once and served from that handle, so what the permission and the path check saw is what is sent.
Nothing a user or a job wrote may run in the portal's name: everything is an attachment in a sandbox, but for a few
types that a browser only shows.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import http_date, parse_etags, parse_http_date_safe

from storage.paths import open_regular, open_unlinked

CHUNK = 1024 * 1024
SHOWN_INLINE = {"image/png", "image/jpeg", "image/gif", "image/webp", "text/plain", "application/json"}
FRAMED = {
    "text/html": "sandbox; default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'self'",
    "application/pdf": "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'",
}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
mimetypes.add_type("application/x-mrc", ".mrc")
mimetypes.add_type("application/x-mrc", ".mrcs")
mimetypes.add_type("text/plain", ".star")
mimetypes.add_type("text/plain", ".log")


@dataclass(frozen=True, kw_only=True)
class OpenFile:
    """A regular file, open for reading; the handle closes with the answer, or when it is forgotten."""

    handle: FileIO
    name: str
    size: int
    modified: datetime
    etag: str


def open_for_reading(root: Path, path: str, *, follow: bool = True) -> OpenFile:
    """The regular file ``path`` beneath ``root``, opened safely; without ``follow`` also past no link inside."""
    handle = FileIO(open_regular(root, path) if follow else open_unlinked(root, path), closefd=True)
    status = os.fstat(handle.fileno())
    return OpenFile(
        handle=handle,
        name=path.rstrip("/").rpartition("/")[2],
        size=status.st_size,
        modified=datetime.fromtimestamp(status.st_mtime, tz=UTC),
        etag=f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"',
    )


def file_response(opened: OpenFile, request: HttpRequest, *, inline: bool = False) -> HttpResponseBase:
    """The answer with the file, the part that ``Range`` asks for (206), 304 or 416; HEAD gets no body."""
    if not_modified(opened, request.headers):
        opened.handle.close()
        return _with_headers(HttpResponseNotModified(), opened, inline=inline)
    part = wanted_part(opened, request.headers)
    if part is None:
        opened.handle.close()
        refused = HttpResponse(status=416)
        refused["Content-Range"] = f"bytes */{opened.size}"
        return refused
    start, end = part
    whole = (start, end) == (0, opened.size)
    if request.method == "HEAD":
        opened.handle.close()
        response: HttpResponseBase = HttpResponse()
    else:
        response = stream(request, _blocks(opened.handle, start, end))
    response["Content-Length"] = str(end - start)
    if not whole:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{end - 1}/{opened.size}"
    return _with_headers(response, opened, inline=inline)


def framed_response(opened: OpenFile, request: HttpRequest) -> HttpResponseBase:
    """The answer with a PDF or HTML page that a page of ours shows in a frame, and nobody else's.

    HTML is in a sandbox without scripts, forms, this site's origin and anything from elsewhere. A PDF can't be: the
    browsers' own viewers don't open one there, and keep it apart themselves. Another file is an attachment.
    """
    kind = mimetypes.guess_type(opened.name)[0] or ""
    response = file_response(opened, request)
    if kind in FRAMED:
        kept_apart = response["Content-Disposition"].replace("attachment", "inline", 1)
        response["Content-Disposition"] = kept_apart
        response["Content-Security-Policy"] = FRAMED[kind]
    return response


def content_response(
    request: HttpRequest, *, content: bytes, content_type: str, etag: str, name: str = "preview"
) -> HttpResponseBase:
    """The answer with something made from a file (a preview): shown in place, 304 when the client has it already."""
    asked = parse_etags(request.headers.get("If-None-Match", ""))
    known = etag in [tag.removeprefix("W/") for tag in asked]
    response = HttpResponseNotModified() if known else HttpResponse(content, content_type=content_type)
    attachment(response, name, inline=True)
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


def zip_response(request: HttpRequest, *, name: str, size: int | None, blocks: Iterator[bytes]) -> HttpResponseBase:
    """The answer that sends a zip while it is made; with ``size`` the client sees how far it is."""
    response = stream(request, blocks)
    attachment(response, name)
    response["Content-Type"] = "application/zip"
    response["Cache-Control"] = "private, no-store"
    if size is not None:
        response["Content-Length"] = str(size)
    return response


def stream(request: HttpRequest, blocks: Iterator[bytes]) -> StreamingHttpResponse:
    """An answer that sends ``blocks`` as they come. Under ASGI each is read in a thread: Django would gather a
    plain iterator whole into memory there."""
    plain = getattr(request, "_request", request)  # the one inside a request of the API
    if isinstance(plain, ASGIRequest):
        return StreamingHttpResponse(_in_threads(blocks))
    return StreamingHttpResponse(blocks)


async def _in_threads(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (block := await asyncio.to_thread(next, blocks, None)) is not None:
        yield block


def _blocks(handle: FileIO, start: int, end: int) -> Iterator[bytes]:
    with handle:
        while start < end:
            block = os.pread(handle.fileno(), min(CHUNK, end - start), start)
            if not block:
                raise OSError("the file became shorter while it was sent")  # ends the connection: no silent loss
            start += len(block)
            yield block


class Headers(Protocol):
    """What has headers that can be set by name: an answer of Django, or a plain dictionary."""

    def __setitem__(self, name: str, value: str, /) -> None: ...


def attachment(response: Headers, name: str, *, inline: bool = False) -> None:
    """``response`` names its file ``name`` (RFC 6266), and nothing in it can run as a page of the portal."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^\w .()+,=@-]", "_", plain).strip() or "download"
    kind = "inline" if inline else "attachment"
    response["Content-Disposition"] = f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"
    response["X-Content-Type-Options"] = "nosniff"


def _with_headers(response: HttpResponseBase, opened: OpenFile, *, inline: bool) -> HttpResponseBase:
    describe(response, opened, inline=inline)
    return response


def describe(response: Headers, opened: OpenFile, *, inline: bool = False) -> None:
    """``response`` has the headers that tell what file it is."""
    kind, encoding = mimetypes.guess_type(opened.name)
    kind = "application/octet-stream" if kind is None or encoding else kind
    attachment(response, opened.name, inline=inline and kind in SHOWN_INLINE)
    response["Content-Type"] = f"{kind}; charset=utf-8" if kind == "text/plain" else kind
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = opened.etag
    response["Last-Modified"] = http_date(opened.modified.timestamp())
    response["Cache-Control"] = "private, no-cache"


def not_modified(opened: OpenFile, headers: Mapping[str, str]) -> bool:
    """True when the client has the file already (``headers`` are found in any case of their letters)."""
    tags = headers.get("If-None-Match")
    if tags is not None:
        return "*" in parse_etags(tags) or opened.etag in [tag.removeprefix("W/") for tag in parse_etags(tags)]
    since = parse_http_date_safe(headers.get("If-Modified-Since", ""))
    return since is not None and int(opened.modified.timestamp()) <= since


def wanted_part(opened: OpenFile, headers: Mapping[str, str]) -> tuple[int, int] | None:
    """(first byte, byte after the last) to send; None for a range outside. Several ranges get the whole file."""
    everything = (0, opened.size)
    match = _RANGE.fullmatch(headers.get("Range", "").replace(" ", ""))
    if match is None or not any(match.groups()) or not _still_the_same(opened, headers):
        return everything
    first, last = match.groups()
    if not first:
        start, end = max(0, opened.size - int(last)), opened.size
    else:
        start, end = int(first), min(int(last or opened.size) + (1 if last else 0), opened.size)
        if last and int(last) < int(first):
            return everything
    return (start, end) if start < end else None


def _still_the_same(opened: OpenFile, headers: Mapping[str, str]) -> bool:
    asked = headers.get("If-Range")
    if asked is None:
        return True
    return asked.strip() in (opened.etag, http_date(opened.modified.timestamp()))
