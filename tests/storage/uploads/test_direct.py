"""Writes past the page cache: used where they can be, and without a difference to what is written where not."""

import errno
import fcntl
import hashlib
import mmap
import os
import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import PortolanError
from storage.uploads import parts, slots
from storage.uploads.direct import LEAST_BYTES, PAGE_BYTES, runs

ROOM = LEAST_BYTES + 8 * PAGE_BYTES
DATA = random.Random(4).randbytes(ROOM)


@pytest.fixture
def block() -> memoryview:
    """Memory that begins at a page, full of data."""
    made = memoryview(mmap.mmap(-1, ROOM))
    made[:] = DATA
    return made


@pytest.fixture
def opened(tmp_path: Path, request) -> Iterator[parts.Part | slots.Slot]:
    """A whole or a parallel part of an upload; ``begins`` is where in the file it is."""
    begins = getattr(request, "param", None)
    upload_id = uuid.uuid4()
    parts.create_part(tmp_path, upload_id, parts.PartInfo(path="a", size=2 * ROOM, overwrite=False))
    if begins is None:
        found = parts.lock_part(tmp_path, upload_id)
    else:
        slots.make_slot(tmp_path, upload_id, start=begins, length=ROOM, size=begins + ROOM)
        found = slots.lock_slot(tmp_path, upload_id, begins)
    yield found
    found.close()


def writes(monkeypatch, *, past_cache: bool) -> list[int]:
    """The lengths of the writes from now on that go past the cache, or of those that go through it."""
    found: list[int] = []
    real = os.pwritev

    def watched(fd, views, at):
        written = real(fd, views, at)
        if bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT) is past_cache:
            found.append(written)
        return written

    monkeypatch.setattr(os, "pwritev", watched)
    return found


@pytest.fixture
def straight(monkeypatch) -> list[int]:
    """The lengths of the writes that went past the cache."""
    return writes(monkeypatch, past_cache=True)


def takes_them(folder: Path) -> bool:
    """True where the file system takes such writes at all."""
    try:
        os.close(os.open(folder / "probe", os.O_CREAT | os.O_WRONLY | os.O_DIRECT))
    except OSError:
        return False
    return True


def content(tmp_path: Path) -> bytes:
    (part,) = tmp_path.glob(".portolan/uploads/*.part")
    return part.read_bytes()


@pytest.mark.parametrize("opened", [None, 0, 3 * PAGE_BYTES], indirect=True)
def test_whole_pages_go_straight_to_the_disk_and_the_rest_through_the_cache(opened, block, straight, tmp_path):
    opened.append([block[:-100]], durable=True)
    opened.append([block[-100:]], durable=True)
    opened.keep(durable=True)
    assert straight == ([ROOM - PAGE_BYTES] if takes_them(tmp_path) else [])
    assert opened.offset == ROOM
    assert content(tmp_path)[-ROOM:] == DATA


def test_what_goes_on_at_any_byte_is_put_there(opened, block, straight, tmp_path):
    opened.append([DATA[:5]], durable=True)
    opened.append([block[5:]], durable=True)
    assert straight == ([ROOM - PAGE_BYTES] if takes_them(tmp_path) else [])
    assert content(tmp_path) == DATA


@pytest.mark.parametrize("opened", [None, 0], indirect=True)
def test_bytes_that_only_have_to_outlive_the_process_go_through_the_cache(opened, block, straight, tmp_path):
    opened.append([block])
    assert straight == []
    assert content(tmp_path) == DATA


def test_file_system_that_refuses_gets_them_through_the_cache(opened, block, straight, tmp_path, monkeypatch):
    real = fcntl.fcntl

    def refuses(fd, command, value=0):
        if command == fcntl.F_SETFL and value & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(fd, command, value)

    monkeypatch.setattr(fcntl, "fcntl", refuses)
    opened.append([block], durable=True)
    assert straight == []
    assert content(tmp_path) == DATA


def test_write_that_ends_within_a_page_is_gone_on_with(opened, block, tmp_path, monkeypatch):
    real = os.pwritev
    cuts = iter([3 * PAGE_BYTES, 512])
    monkeypatch.setattr(os, "pwritev", lambda fd, views, at: real(fd, [views[0][: next(cuts, None)]], at))
    opened.append([block], durable=True)
    assert opened.offset == ROOM
    assert content(tmp_path) == DATA


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_disk_that_takes_no_more_is_told_and_the_offset_says_what_is_there(opened, block, monkeypatch, number):
    real = os.pwritev
    calls = []

    def fills_up(fd, views, at):
        calls.append(at)
        if len(calls) > 1:
            raise OSError(number, os.strerror(number))
        return real(fd, [views[0][: 4 * PAGE_BYTES]], at)

    monkeypatch.setattr(os, "pwritev", fills_up)
    with pytest.raises(PortolanError):
        opened.append([block], durable=True)
    assert opened.offset == 4 * PAGE_BYTES
    monkeypatch.undo()
    opened.append([block[4 * PAGE_BYTES :]], durable=True)
    assert opened.sha256() == hashlib.sha256(DATA).hexdigest()


def test_runs_hold_every_byte_once_and_in_order():
    source = random.Random(7)
    for _ in range(200):
        memory = memoryview(mmap.mmap(-1, 2**21))
        begin, at, chunks = source.randrange(3 * PAGE_BYTES), source.randrange(3 * PAGE_BYTES), []
        for _ in range(source.randrange(1, 4)):
            end = min(begin + source.randrange(1, 2**20), len(memory))
            memory[begin:end] = source.randbytes(end - begin)
            chunks.append(memory[begin:end])
            begin = end + source.choice([0, 0, PAGE_BYTES, 1])
        found = b""
        for can_go, views in runs(chunks, at):
            for view in views:
                assert not can_go or (at + len(found)) % PAGE_BYTES == len(view) % PAGE_BYTES == 0
                found += view
        assert found == b"".join(chunks)
