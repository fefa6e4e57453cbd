"""How the door listens: uvicorn's HTTP/1.1, but long bodies come in without a copy and files go out without one.

The body of a request that tells its length (``LONG_BYTES`` or more) is read from the socket straight into ``blocks``;
``receive`` gives a block when it is full, when the body has ended, or ``LINGER_SECONDS`` after its first byte. While
the application does not ask, one connection fills one block and no more. In its page of memory a byte lies where it
will lie in the file, if the request tells its offset: the disk can then take whole pages from there. Files are sent by
the kernel, in a thread, as ``http.response.zerocopysend`` of ASGI asks for it. Everything else is uvicorn's.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import BufferedProtocol, TimerHandle
from collections.abc import Coroutine
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from storage.door.blocks import LARGE_BYTES, Blocks
from storage.door.threads import on_disk
from storage.uploads.direct import PAGE_BYTES

LONG_BYTES = 256 * 1024
LINGER_SECONDS = 0.2
HEAD_BYTES, HEAD_SECONDS = 64 * 1024, 30.0
LANDING_BYTES = 16 * 1024
EXTENSION = "http.response.zerocopysend"

# The loop handles what it read before it reads anything else, so one place is enough for all connections.
_landing = memoryview(bytearray(LANDING_BYTES))
_blocks = Blocks()


class Wire(HttpToolsProtocol, BufferedProtocol):
    """One connection."""

    _inflow: Inflow | None = None
    _starting = _in_head = False
    _head = 0
    _limit: TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False  # an address holds a secret

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection is open; its first headers have to come soon."""
        super().connection_made(transport)
        self._limit = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; what came of a body is still given to the application."""
        super().connection_lost(exc)
        self._in_time()
        if self._inflow is not None:
            self._inflow.gone()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes are to be read to."""
        return _landing if self._inflow is None else self._inflow.room()

    def buffer_updated(self, nbytes: int) -> None:
        """``nbytes`` have been read."""
        if self._inflow is None:
            self.data_received(bytes(_landing[:nbytes]))
        else:
            self._inflow.came(nbytes)

    def data_received(self, data: bytes) -> None:
        """Headers, or (a part of) a short body or of one whose length is not told."""
        super().data_received(data)
        if not self._in_head:
            return
        self._head += len(data)
        if self._head > HEAD_BYTES:
            self.send_400_response("The headers are too large.")
        elif self._limit is None:
            self._limit = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._head = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; what comes after a body is of no interest."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The application is asked."""
        self._in_time()
        self._in_head, self._starting = False, True
        super().on_headers_complete()
        self._starting = False

    def on_body(self, body: bytes) -> None:
        """Bytes of a body that came through the parser."""
        if self._inflow is None:
            super().on_body(body)
        else:
            self._inflow.put(body)

    def body_is_in(self) -> None:
        """The last byte of a long body has come: what follows is the next request."""
        self._inflow = None
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _in_time(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        length = _told_length(cycle) if self._starting and not self.parser.should_upgrade() else 0
        if length >= LONG_BYTES:
            self._inflow = Inflow(self, cycle, length, _told_offset(cycle))
        exchange: Any = Exchange(self, cycle, self._inflow, app)
        super()._start_asgi_task(cycle, exchange)


class Inflow:
    """One long body on its way from the socket to the application."""

    def __init__(self, wire: Wire, cycle: RequestResponseCycle, length: int, offset: int) -> None:
        self.wire, self.cycle, self.left, self._offset = wire, cycle, length, offset
        self._block: memoryview | None = None
        self._begin = self._filled = 0
        self._quick = True
        self._timer: TimerHandle | None = None
        self._news = asyncio.Event()

    def room(self) -> memoryview:
        """Where the next bytes go."""
        if self.cycle.response_complete:  # nobody will ask for them
            return _landing[: self.left]
        if self._block is None:
            self._block = _blocks.take(large=self._quick)
            self._begin = self._filled = self._offset % PAGE_BYTES
        return self._block[self._filled : self._filled + self.left]

    def put(self, data: bytes) -> None:
        """``data``, which came together with the headers, is the beginning of the body."""
        self.room()[: len(data)] = data
        self.came(len(data))

    def came(self, count: int) -> None:
        """``count`` bytes are in what ``room`` gave."""
        self.left -= count
        self._offset += count
        if not self.cycle.response_complete and self._block is not None:
            self._filled += count
            if self._filled == len(self._block) or not self.left:
                self._quick = self._quick or len(self._block) < LARGE_BYTES
                self._give()
            elif self._timer is None:
                self._timer = self.wire.loop.call_later(LINGER_SECONDS, self._linger_is_over)
        if not self.left:
            self.wire.body_is_in()

    def gone(self) -> None:
        """The client is gone: what is here can be taken, then the end."""
        self._give()

    async def receive(self) -> dict[str, Any]:
        """The next message of ASGI about this body."""
        if self.cycle.waiting_for_100_continue and not self.wire.transport.is_closing():
            self.wire.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.cycle.waiting_for_100_continue = False
        if not self._news.is_set():
            self.wire.flow.resume_reading()
            await self._news.wait()
        block, self._block = self._block, None
        if block is None or self._filled == self._begin:
            return {"type": "http.disconnect"}
        if not self.cycle.disconnected:
            self._news.clear()
        return {"type": "http.request", "body": block[self._begin : self._filled], "more_body": self.left > 0}

    def _give(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._news.set()
        self.wire.flow.pause_reading()

    def _linger_is_over(self) -> None:
        self._quick = False
        self._give()


class Exchange:
    """The application with what this connection can do beside plain ASGI."""

    def __init__(self, wire: Wire, cycle: RequestResponseCycle, inflow: Inflow | None, app: Any) -> None:
        self.wire, self.cycle, self.inflow, self.app = wire, cycle, inflow, app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One request is answered; an answer that breaks off ends the connection."""
        scope["extensions"] = {EXTENSION: {}}
        await self.app(scope, self._receive, self._send)
        if self.cycle.response_started and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.wire.transport.close()

    async def _receive(self) -> Any:
        if self.inflow is None:
            return await self.cycle.receive()
        message = await self.inflow.receive()
        if not message.get("more_body"):
            self.cycle.more_body, self.inflow = False, None
        return message

    async def _send(self, message: Any) -> None:
        if message["type"] == EXTENSION:
            await self._send_file(message["file"], message["offset"], message["count"])
        else:
            await self.cycle.send(message)

    async def _send_file(self, file: int, at: int, count: int) -> None:
        """``count`` bytes of the open file from ``at`` on are on their way; when they can't be, the connection ends."""
        if count > self.cycle.expected_content_length:
            raise RuntimeError("Response content longer than Content-Length")
        self.cycle.expected_content_length -= count
        transport = self.wire.transport
        while transport.get_write_buffer_size():  # the headers
            await asyncio.sleep(0.01)
        if self.cycle.disconnected or transport.is_closing():
            return
        plug = _Plug(transport.get_extra_info("socket").fileno())
        try:
            while count:
                sent = await _to_its_end(on_disk(plug.send, file, at, count))
                at, count = at + sent, count - sent
                if count:
                    await plug.writable()
        except OSError:
            self.cycle.disconnected = True
            transport.abort()


class _Plug:
    """The socket under a number of its own: a thread that still sends can't meet another connection's."""

    def __init__(self, number: int) -> None:
        self.number = os.dup(number)

    def __del__(self) -> None:
        os.close(self.number)

    def send(self, file: int, at: int, count: int) -> int:
        """So many bytes of ``file`` were taken by the kernel, until it takes no more for now."""
        sent = 0
        while sent < count:
            try:
                taken = os.sendfile(self.number, file, at + sent, count - sent)
            except BlockingIOError:
                break
            if not taken:
                raise OSError("the file became shorter while it was sent")
            sent += taken
        return sent

    async def writable(self) -> None:
        """The kernel takes more (or says why not)."""
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_writer(self.number, _done, ready)
        try:
            await ready
        finally:
            loop.remove_writer(self.number)


def _done(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _to_its_end(work: Coroutine[Any, Any, int]) -> int:
    """What ``work`` returned; who is cancelled meanwhile still waits for it, so that the file it reads stays open."""
    running = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


def _told_length(cycle: RequestResponseCycle) -> int:
    headers = dict(cycle.scope["headers"])
    text = headers.get(b"content-length", b"")
    return int(text) if text.isdigit() and b"transfer-encoding" not in headers else 0


def _told_offset(cycle: RequestResponseCycle) -> int:
    """Where in the file the body begins, as far as the headers tell; what it is believed to be does no harm."""
    headers = dict(cycle.scope["headers"])
    first, _, _ = headers.get(b"content-range", b"").removeprefix(b"bytes ").partition(b"-")
    text = headers.get(b"upload-offset", first)
    return int(text) if text.isdigit() else 0
