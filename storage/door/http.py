"""Requests and replies of the door, as little of HTTP as it needs; ASGI underneath."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from storage.door.pouring import Chunk, Cut

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SILENCE_SECONDS = 30.0
DRAIN_BYTES, DRAIN_SECONDS = 4 * 1024**2, 1.0
PROBLEM_TYPE = "application/problem+json"


@dataclass(kw_only=True)
class Body:
    """The body of a request as it comes in; ``begun`` once it was asked for, ``ended`` once its last byte was read."""

    receive: Receive
    ended: bool = False
    begun: bool = False

    async def chunks(self) -> AsyncIterator[Chunk]:
        """The chunks in order; Cut when the client is gone, or silent for half a minute while it is waited for."""
        while not self.ended:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    chunk = await self._next()
            except TimeoutError as error:
                raise Cut(silent=True) from error
            if chunk:
                yield chunk

    async def drain(self) -> None:
        """A small rest of the body was read and dropped, so that the client gets to read the answer."""
        left = DRAIN_BYTES
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self.ended and left > 0:
                    left -= len(await self._next())
        except (TimeoutError, Cut):
            self.ended = True

    async def gone(self) -> None:
        """Returns when the client has gone away; to be asked when the body is of no interest any more."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _next(self) -> Chunk:
        self.begun = True
        message = await self.receive()
        if message["type"] != "http.request":
            self.ended = True
            raise Cut
        self.ended = not message.get("more_body", False)
        chunk: Chunk = message.get("body", b"")
        return chunk


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked. ``headers`` have lower-case names; ``path`` is without the door's own prefix."""

    method: str
    path: str
    headers: dict[str, str]
    body: Body
    http1: bool = True
    query: str = ""
    peer: str = ""

    @property
    def has_body(self) -> bool:
        """True when bytes follow (a length above 0, or a length that is not told)."""
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0") != "0"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Bytes of an open file that the kernel sends from there to the client."""

    file: int
    start: int
    size: int

    def __len__(self) -> int:
        return self.size


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is answered: ``body``, or ``stream`` while it is made (then with its own ``Content-Length``)."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: AsyncGenerator[bytes | Piece] | None = None


def json_reply(status: int, document: dict[str, Any], headers: dict[str, str] | None = None) -> Reply:
    """A JSON document; a problem (RFC 9457) from status 400 on."""
    kind = PROBLEM_TYPE if status >= 400 else "application/json"
    return Reply(status=status, headers={"Content-Type": kind, **(headers or {})}, body=json.dumps(document).encode())


def request_of(scope: Message, receive: Receive, prefix: str) -> Request:
    """The request of an ASGI scope; ``prefix`` (the path of the door's public address) is taken off where it is."""
    path = scope["path"]
    if prefix and path.startswith(prefix + "/"):
        path = path[len(prefix) :]
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    http1 = scope.get("http_version", "1.1").startswith("1")
    return Request(
        method=scope["method"],
        path=path,
        headers=headers,
        body=Body(receive=receive),
        http1=http1,
        query=scope.get("query_string", b"").decode("latin-1"),
        peer=(scope.get("client") or ("",))[0],
    )


class Broken(Exception):
    """The rest of a streamed answer can't be sent; the connection has to end so that nobody takes it for whole."""


async def send_reply(send: Send, reply: Reply, *, close: bool, body: Body) -> None:
    """The reply is on its way; with ``close`` the connection ends after it.

    A stream ends early when the client (whose request's ``body`` tells) is gone, and where it breaks.
    """
    headers = dict(reply.headers)
    if reply.status not in (204, 304) and reply.stream is None:
        headers.setdefault("Content-Length", str(len(reply.body)))
    if close:
        headers["Connection"] = "close"
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    if reply.stream is not None and not await _streamed(send, reply.stream, body):
        return  # fewer bytes than Content-Length: the server ends the connection
    await send({"type": "http.response.body", "body": reply.body})


async def _streamed(send: Send, stream: AsyncGenerator[bytes | Piece], body: Body) -> bool:
    """True when all of ``stream`` was sent."""
    gone = asyncio.ensure_future(body.gone())
    try:
        async with aclosing(stream) as blocks:
            async for block in blocks:
                if gone.done():
                    return False
                if isinstance(block, Piece):
                    told = {"file": block.file, "offset": block.start, "count": block.size, "more_body": True}
                    await send({"type": "http.response.zerocopysend", **told})
                else:
                    await send({"type": "http.response.body", "body": block, "more_body": True})
    except Broken:
        return False
    finally:
        gone.cancel()
    return True
