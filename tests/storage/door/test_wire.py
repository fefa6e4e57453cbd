"""The door's server under an application of its own: long bodies in blocks, files by the kernel, strange clients."""

import asyncio
import contextlib
import ctypes
import hashlib
import random
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from storage.door import wire
from storage.door.blocks import LARGE_BYTES, SMALL_BYTES, Blocks
from storage.door.wire import EXTENSION, HEAD_BYTES, Wire
from storage.uploads.direct import PAGE_BYTES
from tests.live import free_ports, wait_until

BODY = random.Random(9).randbytes(5 * 1024**2 + 17)


@dataclass
class Echo:
    """Answers with the number of bytes that came and their SHA-256, or with the file."""

    file: Path
    bodies: list[bytes] = field(default_factory=list)
    largest: int = 0
    ends: list[str] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)  # of large messages: in memory, and in the body

    async def __call__(self, scope, receive, send):
        if scope["path"] == "/file":
            await self.give(send)
            return
        body, more = bytearray(), scope["path"] != "/rude"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.bodies.append(bytes(body))
                self.ends.append("cut")
                return
            if len(message["body"]) > SMALL_BYTES:
                address = ctypes.addressof(ctypes.c_char.from_buffer(message["body"]))
                self.places.append((address, len(body)))
            body += message["body"]
            self.largest = max(self.largest, len(message["body"]))
            more = message["more_body"]
        answer = f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]}
        )
        await send({"type": "http.response.body", "body": answer})

    async def give(self, send):
        size = self.file.stat().st_size
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        with self.file.open("rb") as file:
            for at in range(0, size, LARGE_BYTES):
                told = {"file": file.fileno(), "offset": at, "count": min(LARGE_BYTES, size - at), "more_body": True}
                await send({"type": EXTENSION, **told})
        await send({"type": "http.response.body", "body": b""})
        self.ends.append("given")


@dataclass
class Server:
    port: int
    app: Echo

    def plug(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


@contextlib.contextmanager
def serving(app: Any, port: int) -> Iterator[None]:
    """``app`` answers at the port, behind the door's own wire."""
    config = uvicorn.Config(app, port=port, http=Wire, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    wait_until(lambda: server.started, what="the server")
    yield
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("wire") / "file"
    file.write_bytes(BODY)
    made = Server(port=free_ports(1)[0], app=Echo(file=file))
    with serving(made.app, made.port):
        yield made


@pytest.fixture
def server(running) -> Server:
    running.app.bodies.clear()
    running.app.ends.clear()
    running.app.places.clear()
    running.app.largest = 0
    return running


def post(body: bytes, *more: str, path: str = "/", length: int | None = None) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body) if length is None else length}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def answer(plug: socket.socket) -> tuple[int, bytes]:
    """The next answer on this connection: its status and body."""
    text = b""
    while b"\r\n\r\n" not in text:
        more = plug.recv(1)
        assert more, text
        text += more
    status = int(text.split()[1])
    if status == 100:
        return status, b""
    length = next(
        int(line.split(b":")[1]) for line in text.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    body = b""
    while len(body) < length and (more := plug.recv(length - len(body))):
        body += more
    return status, body


def told(body: bytes) -> bytes:
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()


def test_long_and_short_bodies_follow_each_other_on_one_connection(server):
    with server.plug() as plug:
        plug.sendall(post(BODY) + post(b"short") + post(BODY[:LARGE_BYTES]) + post(b"") + post(BODY[::-1]))
        answers = [answer(plug) for _ in range(5)]
    assert answers == [(200, told(body)) for body in (BODY, b"short", BODY[:LARGE_BYTES], b"", BODY[::-1])]
    assert server.app.largest <= LARGE_BYTES


def test_body_of_unknown_length_comes_in_as_well(server):
    chunks = [BODY[at : at + 300_000] for at in range(0, len(BODY), 300_000)]
    with server.plug() as plug:
        plug.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in chunks:
            plug.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        plug.sendall(b"0\r\nX-Trailer: 1\r\n\r\n" + post(b"next"))
        assert [answer(plug), answer(plug)] == [(200, told(BODY)), (200, told(b"next"))]


@pytest.mark.parametrize("sent", [1, 70_000, LARGE_BYTES, LARGE_BYTES + 100_000])
def test_what_came_before_a_cut_is_given_and_then_the_end(server, sent):
    with server.plug() as plug:
        plug.sendall(post(BODY[:sent], length=len(BODY)))
    wait_until(lambda: server.app.ends, what="the end of the body")
    assert server.app.bodies == [BODY[:sent]]


def test_bytes_of_a_slow_client_do_not_wait_for_a_full_block(server):
    with server.plug() as plug:
        plug.sendall(post(BODY[:10], length=len(BODY)))
        wait_until(lambda: server.app.largest == 10, what="the first bytes")
        plug.sendall(BODY[10:100])
        wait_until(lambda: server.app.largest == 90, what="the next bytes")
        plug.sendall(BODY[100:])
        assert answer(plug) == (200, told(BODY))


@pytest.mark.parametrize(
    ("header", "offset"),
    [
        ("X-Nothing: 1", 0),
        ("Upload-Offset: 5", 5),
        ("Upload-Offset: 1048577", 1048577),
        ("Content-Range: bytes 4095-9/10", 4095),
        ("Upload-Offset: x", 0),
    ],
)
def test_in_its_page_of_memory_a_byte_lies_where_it_will_lie_in_the_file(server, header, offset, monkeypatch):
    monkeypatch.setattr(wire, "LINGER_SECONDS", 60)  # a slow machine is no slow client
    with server.plug() as plug:
        plug.sendall(post(BODY, header))
        assert answer(plug) == (200, told(BODY))
    assert len(server.app.places) >= 5
    assert {(address - offset - at) % PAGE_BYTES for address, at in server.app.places} == {0}


def test_client_that_waits_to_be_asked_is_asked(server):
    with server.plug() as plug:
        plug.sendall(post(b"", "Expect: 100-continue", length=len(BODY)))
        assert answer(plug) == (100, b"")
        plug.sendall(BODY)
        assert answer(plug) == (200, told(BODY))


def test_answer_that_comes_before_the_body_leaves_the_connection_in_order(server):
    with server.plug() as plug:
        plug.sendall(post(BODY, path="/rude") + post(b"next"))
        assert [answer(plug), answer(plug)] == [(200, told(b"")), (200, told(b"next"))]


def test_headers_without_end_are_refused(server):
    with server.plug() as plug:
        with contextlib.suppress(OSError):
            plug.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n" + b"X-More: more\r\n" * (HEAD_BYTES // 7))
        assert answer(plug)[0] == 400


def test_two_lengths_or_a_length_and_chunks_are_refused(server):
    for more in (f"Content-Length: {len(BODY) + 1}", "Transfer-Encoding: chunked"):
        with server.plug() as plug:
            plug.sendall(post(b"", more, length=len(BODY)))
            assert answer(plug)[0] == 400


def test_file_is_sent_whole_and_the_connection_goes_on(server):
    with server.plug() as plug:
        plug.sendall(b"GET /file HTTP/1.1\r\nHost: here\r\n\r\n")
        assert answer(plug) == (200, BODY)
        plug.sendall(post(b"next"))
        assert answer(plug) == (200, told(b"next"))


def test_client_that_leaves_in_the_middle_of_a_file_keeps_nobody(server):
    for _ in range(5):
        with server.plug() as plug:
            plug.sendall(b"GET /file HTTP/1.1\r\nHost: here\r\n\r\n")
            plug.recv(1000)
    wait_until(lambda: len(server.app.ends) == 5, what="the end of all answers")
    with server.plug() as plug:
        plug.sendall(b"GET /file HTTP/1.1\r\nHost: here\r\n\r\n")
        assert answer(plug) == (200, BODY)


def test_there_are_never_more_large_blocks_than_agreed():
    blocks = Blocks(most=2)
    views = [blocks.take(large=True) for _ in range(3)]
    assert [len(view) for view in views] == [LARGE_BYTES, LARGE_BYTES, SMALL_BYTES]
    part = views[0][5:10]
    del views[0]
    assert len(blocks.take(large=True)) == SMALL_BYTES  # a part of it is still looked at
    del part
    assert len(blocks.take(large=True)) == LARGE_BYTES
