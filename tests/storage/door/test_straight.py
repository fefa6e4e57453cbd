"""From the socket to the disk: the whole pages of a large body get there past the page cache, wherever it begins."""

import random
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.door import wire
from storage.door.http import Body
from storage.door.pouring import Pour
from storage.uploads import parts, slots
from storage.uploads.direct import PAGE_BYTES
from tests.live import free_ports
from tests.storage.door.test_wire import answer, post, serving
from tests.storage.uploads.test_direct import takes_them, writes

BODY = random.Random(10).randbytes(5 * 1024**2 + 17)


class Door:
    """Pours each body into ``part``."""

    def __init__(self) -> None:
        self.port = free_ports(1)[0]
        self.part: parts.Part | slots.Slot | None = None

    async def __call__(self, scope, receive, send):
        pour = Pour(self.part, size=self.part.offset + len(BODY), running=None, checksum=None)
        await pour.take(Body(receive=receive).chunks())
        await pour.settle(whole=True)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def door(monkeypatch, settings) -> Iterator[Door]:
    settings.UPLOAD_DURABILITY = "disk"
    monkeypatch.setattr(wire, "LINGER_SECONDS", 60)  # a slow machine is no slow client
    made = Door()
    with serving(made, made.port):
        yield made


@pytest.fixture
def cached(monkeypatch) -> list[int]:
    """The lengths of the writes to parts that went through the page cache."""
    return writes(monkeypatch, past_cache=False)


def send(door: Door, offset: int) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=60) as plug:
        plug.sendall(post(BODY, f"Upload-Offset: {offset}"))
        assert answer(plug) == (200, b"")


def content(tmp_path: Path) -> bytes:
    (part,) = tmp_path.glob(".portolan/uploads/*.part")
    return part.read_bytes()


@pytest.fixture
def upload(tmp_path: Path) -> tuple[Path, uuid.UUID]:
    upload_id = uuid.uuid4()
    parts.create_part(tmp_path, upload_id, parts.PartInfo(path="a", size=2 * len(BODY), overwrite=False))
    return tmp_path, upload_id


@pytest.mark.parametrize("offset", [0, 5, PAGE_BYTES, 3 * PAGE_BYTES - 1])
def test_upload_that_goes_on_at_any_byte_fills_its_pages_past_the_cache(door, upload, cached, offset):
    door.part = parts.lock_part(*upload)
    before = b"." * offset
    door.part.append([before])
    cached.clear()
    send(door, offset)
    door.part.close()
    assert content(upload[0]) == before + BODY
    assert sum(cached) < 2 * PAGE_BYTES or not takes_them(upload[0])


@pytest.mark.parametrize(("start", "past"), [(0, True), (3 * PAGE_BYTES, True), (5, False)])
def test_parallel_part_that_begins_at_a_page_fills_its_pages_past_the_cache(door, upload, cached, start, past):
    slots.make_slot(*upload, start=start, length=len(BODY), size=2 * len(BODY))
    door.part = slots.lock_slot(*upload, start)
    send(door, 0)
    door.part.close()
    assert content(upload[0])[start:] == BODY
    if past:
        assert sum(cached) < 2 * PAGE_BYTES or not takes_them(upload[0])
    else:
        assert sum(cached) == len(BODY)
