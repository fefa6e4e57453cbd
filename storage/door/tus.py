"""tus 1.0.0 (https://tus.io/protocols/resumable-upload): headers in, headers out. What is done is in ``sessions``.

Core, creation, creation-with-upload, creation-defer-length, expiration, checksum, termination and concatenation. An
upload is usually made by the portal (``POST /api/v1/projects/{id}/uploads/``), whose answer is an upload's address
here; a client that knows only tus makes it here, with a personal token (``Authorization: Bearer``) and the metadata
``project`` and ``path``.

Parallel parts, two ways: as the protocol has it, parts are uploads of their own with the metadata ``project``, joined
by a last POST. Below an upload that is open (``<its address>/parts/``) a part is a place in that very file (metadata
``start``), needs no token, moves no byte when it is joined, and its address is known before: ``…/parts/<start>``.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request as ApiRequest

from accounts.authentication import TokenAuthentication
from accounts.models import User
from common.errors import PortolanError, StateConflict, UserError
from storage.door import sessions
from storage.door.http import Reply, Request, json_reply
from storage.door.pouring import ALGORITHMS, Checksum, Cut
from storage.door.threads import finishing, on_rows
from storage.services.uploads import LARGEST, UploadTicket, begin_part, begin_upload, join_parts

VERSION = "1.0.0"
CONTENT = "application/offset+octet-stream"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation"
COLLECTION = "/uploads/"
ASKS = ("Authorization", "Content-Type", "Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Offset")
MORE = ("Upload-Checksum", "Upload-Concat", "Upload-Defer-Length", "X-HTTP-Method-Override", "X-Requested-With")
ALLOW_HEADERS = ", ".join((*ASKS, *MORE))
EXPOSE_HEADERS = (
    "Location, Tus-Checksum-Algorithm, Tus-Extension, Tus-Resumable, Tus-Version,"
    " Upload-Concat, Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset"
)
PARTS = "/parts/"
_LENGTHS = {"sha1": 20, "sha256": 32, "xxh128": 16, "blake3": 32}


async def answer(request: Request) -> Reply:
    """The reply to a request below ``/uploads/``; errors of ``common.errors`` and Cut leave as they are."""
    method = request.method
    if method == "POST" and request.headers.get("x-http-method-override", "").upper() in ("HEAD", "PATCH", "DELETE"):
        method = request.headers["x-http-method-override"].upper()
    rest = request.path.removeprefix(COLLECTION) if request.path != COLLECTION.rstrip("/") else ""
    secret, below, start = rest.partition(PARTS)
    secret = secret.rstrip("/")
    allowed = ("GET", "POST") if below and not start else ("HEAD", "PATCH", "DELETE") if secret else ("POST",)
    if method not in allowed:
        raise UserError("This method has no meaning here.", code="method_not_allowed")
    if request.headers.get("tus-resumable") != VERSION and method != "GET":
        raise UserError(f"Send “Tus-Resumable: {VERSION}”.", code="tus_version")
    if below and not start:
        return await (_parts(secret) if method == "GET" else _create_below(request, secret))
    slot = _start(start) if below else None
    if method == "POST":
        return await _create(request)
    if method == "HEAD":
        return _state(await sessions.status(secret, slot=slot))
    if method == "PATCH":
        return await _patch(request, secret, slot)
    await sessions.end(secret)
    return _reply(204)


def options() -> Reply:
    """What this server can do."""
    algorithms = ",".join(ALGORITHMS)
    return _reply(
        204,
        {
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": algorithms,
            "Tus-Max-Size": str(LARGEST),
        },
    )


async def _patch(request: Request, secret: str, slot: int | None) -> Reply:
    _check_content_type(request)
    progress = await sessions.append(
        secret,
        request.body.chunks(),
        offset=_number(request, "upload-offset"),
        length=_content_length(request),
        checksum=_checksum(request),
        total=_number(request, "upload-length") if "upload-length" in request.headers else None,
        slot=slot,
    )
    return _reply(204, _progress_headers(progress))


async def _create(request: Request) -> Reply:
    with_bytes = request.has_body
    if with_bytes:
        _check_content_type(request)
    concat = request.headers.get("upload-concat", "")
    if concat and concat != "partial" and (not concat.startswith("final;") or with_bytes):
        raise UserError("Upload-Concat is “partial”, or “final;” and the parts' addresses.", code="bad_header")
    checksum, metadata = _checksum(request), _metadata(request)
    size = None if concat.startswith("final;") else _size(request)
    user = await on_rows(_user, request.headers.get("authorization", ""))
    ticket = await finishing(_begin, user, size, metadata, concat)
    headers = {"Location": ticket.url, "Upload-Expires": _http_date(ticket.expires_at)}
    if not concat.startswith("final;"):
        headers["Upload-Offset"] = "0"
    if with_bytes:
        headers.update(_progress_headers(await _first_bytes(request, ticket, checksum)))
    return _reply(201, headers)


async def _create_below(request: Request, secret: str) -> Reply:
    """A place in the open upload ``secret``; or, with “final;…”, what has become of that upload."""
    concat = request.headers.get("upload-concat", "")
    where = f"{settings.DOOR_URL}{COLLECTION}{secret}"
    if concat.startswith("final;"):
        progress = await sessions.status(secret)
        if progress.offset != progress.size:
            raise StateConflict("Not every part is whole yet.", code="upload_unfinished")
        return _reply(201, {"Location": where})
    if concat != "partial" or request.has_body:
        raise UserError("Send “Upload-Concat: partial”, and the bytes by PATCH.", code="bad_header")
    start = _start(_metadata(request).get("start", ""))
    made = await sessions.make_part(secret, start=start, length=_number(request, "upload-length"))
    return _reply(201, {"Location": f"{where}{PARTS}{start}"} | _progress_headers(made))


async def _parts(secret: str) -> Reply:
    progress, slots = await sessions.parts_of(secret)
    told = [{"start": slot.start, "length": slot.length, "offset": slot.offset} for slot in slots]
    document = {"path": progress.path, "size": progress.size, "received": progress.offset, "parts": told}
    return json_reply(200, document, {"Tus-Resumable": VERSION})


async def _first_bytes(request: Request, ticket: UploadTicket, checksum: Checksum | None) -> sessions.Progress:
    """The bytes that came with the creation are in the upload; else it is ended, because its address is not known."""
    secret = ticket.url.rpartition("/")[2]
    try:
        return await sessions.append(
            secret, request.body.chunks(), offset=0, length=_content_length(request), checksum=checksum
        )
    except (PortolanError, Cut):
        await sessions.end(secret)
        raise


def _begin(user: User, size: int | None, metadata: dict[str, str], concat: str) -> UploadTicket:
    project, path = metadata.get("project", ""), metadata.get("path") or metadata.get("filename", "")
    if not project or not (path or concat == "partial"):
        raise UserError("Upload-Metadata must name “project” and “path”.", code="bad_metadata")
    if concat == "partial":
        if size is None:
            raise UserError("A part's length must be told at its beginning.", code="bad_header")
        return begin_part(user, project, size=size)
    more: dict[str, Any] = {
        "path": path,
        "sha256": metadata.get("sha256", ""),
        "overwrite": metadata.get("overwrite", "") in ("1", "true", "yes"),
    }
    if concat:
        addresses = concat.removeprefix("final;").split()
        return join_parts(user, project, secrets_of_parts=[url.rpartition("/")[2] for url in addresses], **more)
    return begin_upload(user, project, size=size, **more)


def _user(authorization: str) -> User:
    """Whose personal token this is; AuthenticationFailed when it is nobody's (any more)."""
    plain = HttpRequest()
    plain.META["HTTP_AUTHORIZATION"] = authorization
    found = TokenAuthentication().authenticate(ApiRequest(plain))
    if found is None:
        raise AuthenticationFailed("Send a personal token: “Authorization: Bearer <token>”.")
    return found[0]


def _state(progress: sessions.Progress) -> Reply:
    name = base64.b64encode(progress.path.encode()).decode()
    extra = {"Upload-Metadata": f"path {name}"} if name else {}
    extra |= {"Upload-Length": str(progress.size)} if progress.size is not None else {"Upload-Defer-Length": "1"}
    if progress.part:
        extra["Upload-Concat"] = "partial"
    return _reply(200, _progress_headers(progress) | extra)


def _progress_headers(progress: sessions.Progress) -> dict[str, str]:
    headers = {"Upload-Offset": str(progress.offset)}
    if progress.expires_at is not None:
        headers["Upload-Expires"] = _http_date(progress.expires_at)
    return headers


def _http_date(when: datetime) -> str:
    return format_datetime(when.astimezone(UTC), usegmt=True)


def _reply(status: int, headers: dict[str, str] | None = None) -> Reply:
    return Reply(status=status, headers={"Tus-Resumable": VERSION, **(headers or {})})


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= LARGEST):
        raise UserError(f"{name.title()} must be a number from 0 to {LARGEST}.", code="bad_header", field=name)
    return int(text)


def _size(request: Request) -> int | None:
    """The length of a new upload; None where “Upload-Defer-Length: 1” says that it comes later."""
    if "upload-defer-length" not in request.headers:
        return _number(request, "upload-length")
    if request.headers["upload-defer-length"] != "1" or "upload-length" in request.headers:
        raise UserError("Send either Upload-Length or “Upload-Defer-Length: 1”.", code="bad_header")
    return None


def _start(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= LARGEST):
        raise UserError("A part is named by the number of its first byte in the file.", code="bad_part")
    return int(text)


def _content_length(request: Request) -> int | None:
    return None if "content-length" not in request.headers else _number(request, "content-length")


def _check_content_type(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != CONTENT:
        raise UserError(f"Send the bytes as “Content-Type: {CONTENT}”.", code="content_type")


def _checksum(request: Request) -> Checksum | None:
    if "upload-checksum" not in request.headers:
        return None
    algorithm, _, text = request.headers["upload-checksum"].strip().partition(" ")
    try:
        digest = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != _LENGTHS.get(algorithm):
        raise UserError(
            "Upload-Checksum must be an algorithm and the checksum in base64.",
            code="bad_checksum",
            hint=f"Algorithms: {', '.join(ALGORITHMS)}.",
        )
    return Checksum(algorithm=algorithm, digest=digest)


def _metadata(request: Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in request.headers.get("upload-metadata", "").split(","))):
        key, _, text = pair.partition(" ")
        try:
            value = base64.b64decode(text.strip(), validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise UserError(f"The value of “{key}” is not UTF-8 text in base64.", code="bad_metadata") from error
        if key in found:
            raise UserError(f"“{key}” is there twice.", code="bad_metadata")
        found[key] = value
    return found
