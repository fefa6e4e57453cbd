"""Requests and replies of the door, without a network."""

import asyncio
import threading

import pytest

from storage.door import http
from storage.door.http import Body, request_of
from storage.door.pouring import LEAST_BYTES, Cut, Pour, RunningHashes


def messages(*told: dict):
    """A ``receive`` that tells these messages, then nothing more for ever."""
    left = list(told)

    async def receive() -> dict:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


async def all_of(body: Body) -> list[bytes]:
    return [chunk async for chunk in body.chunks()]


def part(content: bytes, more: bool = True) -> dict:
    return {"type": "http.request", "body": content, "more_body": more}


@pytest.mark.parametrize(
    ("prefix", "path"), [("", "/uploads/x"), ("/door", "/door/uploads/x"), ("/door", "/uploads/x")]
)
def test_prefix_of_the_public_address_may_be_there_or_taken_off_before(prefix, path):
    scope = {"path": path, "method": "HEAD", "headers": [(b"Tus-Resumable", b"1.0.0")]}
    request = request_of(scope, messages(), prefix)
    assert (request.path, request.headers) == ("/uploads/x", {"tus-resumable": "1.0.0"})


def test_body_ends_with_its_last_chunk():
    body = Body(receive=messages(part(b"ab"), part(b""), part(b"c", more=False)))
    assert asyncio.run(all_of(body)) == [b"ab", b"c"]
    assert body.ended


def test_client_that_leaves_cuts_the_body():
    with pytest.raises(Cut) as raised:
        asyncio.run(all_of(Body(receive=messages(part(b"ab"), {"type": "http.disconnect"}))))
    assert not raised.value.silent


def test_client_that_falls_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(http, "SILENCE_SECONDS", 0.05)
    with pytest.raises(Cut) as raised:
        asyncio.run(all_of(Body(receive=messages(part(b"ab")))))
    assert raised.value.silent


def test_drain_reads_a_rest_but_not_without_end():
    rest = [part(bytes(1024**2)) for _ in range(9)]
    body = Body(receive=messages(*rest))
    asyncio.run(body.drain())
    assert not body.ended
    short = Body(receive=messages(part(b"a"), part(b"b", more=False)))
    asyncio.run(short.drain())
    assert short.ended


def test_running_hash_is_known_only_at_its_own_offset_and_forgotten_when_too_many():
    kept = RunningHashes(most=2)
    for name in ("a", "b", "c"):
        found = kept.take(name, 0, 1)
        found.update(b"xyz")
        kept.put(name, 3, 1, found)
    assert kept.take("a", 3, 1) is None
    assert kept.take("b", 2, 1) is None
    assert kept.take("c", 3, 1) is not None
    assert kept.take("c", 3, 1) is None


def test_running_hash_is_of_no_use_when_another_process_has_written_meanwhile():
    kept = RunningHashes()
    kept.put("a", 3, 1, kept.take("a", 0, 1))
    assert kept.take("a", 3, 2) is None


def test_disk_that_stalls_is_no_silence_of_the_client(monkeypatch):
    monkeypatch.setattr(http, "SILENCE_SECONDS", 0.05)
    goes_on, written = threading.Event(), []

    class Stalled:
        offset = 0

        def append(self, chunks, *, durable):
            assert goes_on.wait(30)
            written.extend(bytes(chunk) for chunk in chunks)

    async def pour() -> None:
        body = Body(receive=messages(*[part(bytes([n]) * LEAST_BYTES) for n in range(3)], part(b"end", more=False)))
        monkeypatch.setattr("storage.door.pouring.WRITE_BYTES", LEAST_BYTES)
        # The clock of a silent client would have rung twice before the disk takes its first byte.
        asyncio.get_running_loop().call_later(2 * http.SILENCE_SECONDS, goes_on.set)
        await Pour(Stalled(), size=10**6, running=None, checksum=None).take(body.chunks())

    asyncio.run(pour())
    assert b"".join(written) == b"".join(bytes([n]) * LEAST_BYTES for n in range(3)) + b"end"
