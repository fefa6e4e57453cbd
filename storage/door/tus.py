"""tus 1.0.0 (https://tus.io/protocols/resumable-upload): headers in, headers out. What is done is in ``sessions``.

Core, creation, creation-with-upload, expiration, checksum and termination. An upload is usually made by the portal
(``POST /api/v1/projects/{id}/uploads/``), whose answer is an upload's address here; a client that knows only tus makes
it here, with a personal token (``Authorization: Bearer``) and the metadata ``project`` and ``path``.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from email.utils import format_datetime

from django.http import HttpRequest
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request as ApiRequest

from accounts.authentication import TokenAuthentication
from accounts.models import User
from common.errors import PortolanError, UserError
from storage.door import sessions
from storage.door.http import Reply, Request
from storage.door.pouring import ALGORITHMS, Checksum, Cut
from storage.door.threads import finishing, on_rows
from storage.services.uploads import LARGEST, UploadTicket, begin_upload

VERSION = "1.0.0"
CONTENT = "application/offset+octet-stream"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
COLLECTION = "/uploads/"
ASKS = ("Authorization", "Content-Type", "Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Offset")
ALLOW_HEADERS = ", ".join((*ASKS, "Upload-Checksum", "X-HTTP-Method-Override", "X-Requested-With"))
EXPOSE_HEADERS = (
    "Location, Tus-Checksum-Algorithm, Tus-Extension, Tus-Resumable, Tus-Version,"
    " Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset"
)
_LENGTHS = {"sha1": 20, "sha256": 32, "xxh128": 16}


async def answer(request: Request) -> Reply:
    """The reply to a request below ``/uploads/``; errors of ``common.errors`` and Cut leave as they are."""
    method = request.method
    if method == "POST" and request.headers.get("x-http-method-override", "").upper() in ("HEAD", "PATCH", "DELETE"):
        method = request.headers["x-http-method-override"].upper()
    secret = request.path.removeprefix(COLLECTION).rstrip("/") if request.path != COLLECTION.rstrip("/") else ""
    allowed = ("HEAD", "PATCH", "DELETE") if secret else ("POST",)
    if method not in allowed:
        raise UserError("This method has no meaning here.", code="method_not_allowed")
    if request.headers.get("tus-resumable") != VERSION:
        raise UserError(f"Send “Tus-Resumable: {VERSION}”.", code="tus_version")
    if method == "POST":
        return await _create(request)
    if method == "HEAD":
        return _state(await sessions.status(secret))
    if method == "PATCH":
        return await _patch(request, secret)
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


async def _patch(request: Request, secret: str) -> Reply:
    _check_content_type(request)
    progress = await sessions.append(
        secret,
        request.body.chunks(),
        offset=_number(request, "upload-offset"),
        length=_content_length(request),
        checksum=_checksum(request),
    )
    return _reply(204, _progress_headers(progress))


async def _create(request: Request) -> Reply:
    with_bytes = request.has_body
    if with_bytes:
        _check_content_type(request)
    if "upload-concat" in request.headers or "upload-defer-length" in request.headers:
        raise UserError("Concatenation and deferred lengths are not offered here.", code="tus_extension")
    size, checksum = _number(request, "upload-length"), _checksum(request)
    metadata = _metadata(request)
    user = await on_rows(_user, request.headers.get("authorization", ""))
    ticket = await finishing(_begin, user, size, metadata)
    headers = {"Location": ticket.url, "Upload-Expires": _http_date(ticket.expires_at), "Upload-Offset": "0"}
    if with_bytes:
        headers.update(_progress_headers(await _first_bytes(request, ticket, checksum)))
    return _reply(201, headers)


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


def _begin(user: User, size: int, metadata: dict[str, str]) -> UploadTicket:
    project, path = metadata.get("project", ""), metadata.get("path") or metadata.get("filename", "")
    if not project or not path:
        raise UserError("Upload-Metadata must name “project” and “path”.", code="bad_metadata")
    return begin_upload(
        user,
        project,
        path=path,
        size=size,
        sha256=metadata.get("sha256", ""),
        overwrite=metadata.get("overwrite", "") in ("1", "true", "yes"),
    )


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
    extra = {"Upload-Length": str(progress.size), "Upload-Metadata": f"path {name}"}
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
