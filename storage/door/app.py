"""The door's ASGI application: routes, whose pages may call it, and every error as a problem document.

An upload's address holds its secret, so no path is ever logged or told back here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from rest_framework.exceptions import AuthenticationFailed

from common.errors import PortolanError, Unavailable
from storage.door import tus
from storage.door.http import Message, Receive, Reply, Request, Send, json_reply, request_of, send_reply
from storage.door.links import front as links
from storage.door.pouring import Cut

log = logging.getLogger("portolan.door")

CHECKSUM_MISMATCH = 460
# Where the protocol knows a better status than the error's family.
STATUS_OF_CODE = {
    "method_not_allowed": 405,
    "upload_ended": 410,
    "tus_version": 412,
    "too_long": 413,
    "content_type": 415,
    "upload_locked": 423,
    "checksum_mismatch": CHECKSUM_MISMATCH,
    "disk_full": 507,
    "storage_quota": 507,
    **links.STATUS_OF_CODE,
}
SAFE = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Door:
    """``door_url`` is the public address, ``origins`` are the pages that may call from a browser."""

    def __init__(
        self,
        *,
        door_url: str,
        origins: frozenset[str],
        status_of: Callable[[PortolanError], int],
        document_of: Callable[[PortolanError, int, str], dict[str, Any]],
    ) -> None:
        self.prefix = urlsplit(door_url).path.rstrip("/")
        self.origins = origins
        self.status_of, self.document_of = status_of, document_of

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request is answered (or its client is gone), or the server's start and end are taken note of."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        request = request_of(scope, receive, self.prefix)
        try:
            reply = await self._answer(request)
        except Cut as cut:
            if not cut.silent:
                return
            reply = self._problem(PortolanError("No byte came for half a minute.", code="silence"), 408)
        if request.has_body and not request.body.ended and (request.body.begun or "expect" not in request.headers):
            await request.body.drain()
        close = request.http1 and request.has_body and (reply.status >= 400 or not request.body.ended)
        await send_reply(send, self._dressed(request, reply), close=close, body=request.body)

    async def _answer(self, request: Request) -> Reply:
        try:
            return await self._routed(request)
        except AuthenticationFailed as error:
            reply = self._problem(PortolanError(str(error.detail), code="authentication_failed"), 401)
            return replace(reply, headers=reply.headers | {"WWW-Authenticate": 'Bearer realm="portolan"'})
        except PortolanError as error:
            return self._problem(error, STATUS_OF_CODE.get(error.code) or self.status_of(error))
        except Cut:
            raise
        except Exception:
            log.exception("a request of the door failed")
            return self._problem(Unavailable("The door could not do this. Nothing is lost; try again."), 500)

    async def _routed(self, request: Request) -> Reply:
        if request.path == "/healthz" and request.method in ("GET", "HEAD"):
            return json_reply(200, {"status": "ok"})
        if request.path.startswith(links.COLLECTION):
            return await links.answer(request, self.prefix)
        if request.path.startswith(tus.COLLECTION) or request.path == tus.COLLECTION.rstrip("/"):
            if request.method == "OPTIONS":
                return tus.options()
            return await tus.answer(request)
        return self._problem(PortolanError("There is nothing here.", code="not_found"), 404)

    def _problem(self, error: PortolanError, status: int) -> Reply:
        headers = {"Tus-Resumable": tus.VERSION}
        if status == 412:
            headers["Tus-Version"] = tus.VERSION
        if status == 405:
            headers["Allow"] = "OPTIONS, GET, HEAD, PATCH, POST, DELETE"
        if status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="Transfer link", charset="UTF-8"'
        if status in (423, 503, 507):
            headers["Retry-After"] = "10"
        return json_reply(status, self._document(error, status), headers)

    def _document(self, error: PortolanError, status: int) -> dict[str, Any]:
        if status != CHECKSUM_MISMATCH:
            return self.document_of(error, status, tus.COLLECTION)
        # tus invented this status, so no table of HTTP has a title for it.
        known = self.document_of(error, 400, tus.COLLECTION)
        return known | {"status": status, "title": "Checksum Mismatch"}

    def _dressed(self, request: Request, reply: Reply) -> Reply:
        headers = SAFE | {"Vary": "Origin"} | reply.headers
        origin = request.headers.get("origin", "")
        if origin in self.origins:
            headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": tus.EXPOSE_HEADERS}
            if request.method == "OPTIONS":
                headers |= {
                    "Access-Control-Allow-Methods": "GET, POST, HEAD, PATCH, DELETE, OPTIONS",
                    "Access-Control-Allow-Headers": tus.ALLOW_HEADERS,
                    "Access-Control-Max-Age": "600",
                }
        if request.method == "HEAD" and reply.status not in (204, 304):
            headers.setdefault("Content-Length", str(len(reply.body)))
        body = b"" if request.method == "HEAD" else reply.body
        return replace(reply, headers=headers, body=body)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await links.settle()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
