"""Bodies that are too large end before they are read into memory or onto the disk."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.errors import API_PREFIX, PROBLEM_TYPE, problem_document, too_large

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[None]]

# A client that is still sending sees the answer only if we let it finish; beyond this it is cut off.
DRAINED_BYTES = 32 * 1024 * 1024


class BodyLimit:
    """An ASGI application whose requests have bodies of at most ``limit`` bytes; others are answered 413.

    A length that is announced is refused at once; one that is not, when the limit is passed.
    """

    def __init__(self, application: Application, limit: int) -> None:
        self.application = application
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
        elif _announced(scope) > self.limit:
            await self._refuse(scope, receive, send)
        else:
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen, over, answered, more = 0, False, False, True

        async def counting() -> Message:
            nonlocal seen, over, more
            message = await receive()
            more = message.get("more_body", False)
            seen += len(message.get("body", b""))
            if seen > self.limit:
                over = True
                return {"type": "http.disconnect"}
            return message

        async def noting(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        await self.application(scope, counting, noting)
        if over and not answered:
            await self._refuse(scope, receive, send, more=more)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, *, more: bool = True) -> None:
        error = too_large(self.limit)
        body = json.dumps(problem_document(error, 413, scope["path"])).encode()
        kind = PROBLEM_TYPE if scope["path"].startswith(API_PREFIX) else "text/plain; charset=utf-8"
        if kind != PROBLEM_TYPE:
            body = error.message.encode()
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 413, "headers": [*headers, (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await _drain(receive, more=more)
        await send({"type": "http.response.body", "body": b""})


def _announced(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


async def _drain(receive: Receive, *, more: bool) -> None:
    left = DRAINED_BYTES
    while more and left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        more = message.get("more_body", False)
