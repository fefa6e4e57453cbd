"""An upload's bytes on disk: offset, lock, unverified bytes, placing."""

import ctypes
import errno
import hashlib
import os
import types
import uuid
from pathlib import Path

import pytest

from common.errors import NotFound, StateConflict, Unavailable
from storage.uploads import parts, slots


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, uuid.UUID]:
    upload_id = uuid.uuid4()
    parts.create_part(tmp_path, upload_id, parts.PartInfo(path="a/b.txt", size=10, overwrite=False))
    return tmp_path, upload_id


def test_offset_is_the_size_on_disk(made):
    part = parts.lock_part(*made)
    part.append([b"abc", b"", b"de"])
    assert (part.offset, parts.size_now(*made)) == (5, 5)
    part.close()
    assert parts.lock_part(*made).offset == 5


def test_many_small_chunks_are_one_after_the_other(made):
    part = parts.lock_part(*made)
    part.append([bytes([i % 256]) for i in range(5000)])
    assert part.sha256() == hashlib.sha256(bytes(i % 256 for i in range(5000))).hexdigest()


def test_short_write_is_gone_on_with(made, monkeypatch):
    real = os.pwritev
    monkeypatch.setattr(os, "pwritev", lambda fd, views, at: real(fd, [views[0][:3]], at))
    part = parts.lock_part(*made)
    part.append([b"abcdefgh", b"ijkl"])
    part.close()
    assert (made[0] / f".portolan/uploads/{made[1]}.part").read_bytes() == b"abcdefghijkl"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_full_disk_is_unavailable_and_the_offset_says_what_is_there(made, monkeypatch, number):
    real = os.pwritev
    calls = []

    def writes_three_then_fails(fd, views, at):
        calls.append(1)
        if len(calls) > 1:
            raise OSError(number, os.strerror(number))
        return real(fd, [views[0][:3]], at)

    monkeypatch.setattr(os, "pwritev", writes_three_then_fails)
    part = parts.lock_part(*made)
    with pytest.raises(Unavailable) as raised:
        part.append([b"abcdefgh"])
    assert (raised.value.code, part.offset, parts.size_now(*made)) == ("disk_full", 3, 3)


def test_second_lock_is_none_until_the_first_ends(made):
    first = parts.lock_part(*made)
    assert parts.lock_part(*made) is None
    first.close()
    first.close()
    assert parts.lock_part(*made) is not None


def test_write_after_the_end_is_refused(made):
    part = parts.lock_part(*made)
    part.close()
    with pytest.raises(Unavailable):
        part.append([b"a"])


def test_bytes_that_were_not_verified_are_gone_for_the_next(made):
    part = parts.lock_part(*made)
    part.append([b"abc"])
    part.begin_unverified()
    part.append([b"defgh"])
    part.close()
    assert parts.lock_part(*made).offset == 3


def test_place_makes_the_folders_and_leaves_the_rest_to_drop(made):
    part = parts.lock_part(*made)
    part.append([b"abc"])
    assert part.place("x/y/b.txt", replace=False) == "x/y/b.txt"
    parts.drop_part(*made)
    assert (made[0] / "x/y/b.txt").read_bytes() == b"abc"
    assert list((made[0] / ".portolan/uploads").iterdir()) == []


def test_place_never_replaces_unless_told(made):
    (made[0] / "b.txt").write_text("other")
    part = parts.lock_part(*made)
    part.append([b"abc"])
    with pytest.raises(StateConflict):
        part.place("b.txt", replace=False)
    assert (made[0] / "b.txt").read_text() == "other"
    part.place("b.txt", replace=True)
    assert (made[0] / "b.txt").read_text() == "abc"


def test_placed_part_is_known_by_its_inode(made):
    root, upload_id = made
    info = parts.read_info(*made)
    assert not parts.is_placed(root, info, "b.txt")
    (root / "b.txt").write_bytes(b"0123456789")
    assert not parts.is_placed(root, info, "b.txt")
    part = root / f".portolan/uploads/{upload_id}.part"
    part.write_bytes(b"0123456789")
    part.replace(root / "b.txt")
    assert parts.is_placed(root, info, "b.txt")


def test_dropped_part_can_not_be_locked(made):
    parts.drop_part(*made)
    with pytest.raises(NotFound):
        parts.lock_part(*made)


def test_broken_notes_are_unavailable_not_a_crash(made):
    (made[0] / f".portolan/uploads/{made[1]}.json").write_text("{")
    with pytest.raises(Unavailable):
        parts.read_info(*made)


def test_disk_is_never_far_behind_an_upload_and_what_it_has_takes_no_memory(made, monkeypatch):
    waited, dropped = [], []
    monkeypatch.setattr(parts, "BEHIND_BYTES", 10)
    monkeypatch.setattr(parts, "_sync_range", lambda fd, begin, end, flags: waited.append((begin, end, flags)))
    monkeypatch.setattr(parts.os, "posix_fadvise", lambda fd, at, count, advice: dropped.append((at, at + count)))
    part = parts.lock_part(*made)
    for _ in range(8):
        part.append([b"12345"], durable=True)
    assert [(begin, end) for begin, end, flags in waited if flags == parts._WAIT] == [(0, 10), (10, 20), (20, 30)]
    assert dropped == [(0, 10), (10, 20), (20, 30)]
    part.append([b"12345" * 3])
    assert len(dropped) == 3
    part.close()


@pytest.mark.parametrize(("number", "code"), [(errno.EIO, "storage_error"), (errno.ENOSPC, "disk_full")])
def test_what_the_disk_says_of_bytes_it_could_not_take_is_told(made, monkeypatch, number, code):
    def refuse(fd, at, count, flags) -> int:
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(parts, "_libc", types.SimpleNamespace(sync_file_range=refuse))
    part = parts.lock_part(*made)
    with pytest.raises(Unavailable) as raised:
        part.append([b"12345"])
    assert raised.value.code == code
    part.close()


def whole_part(made):
    return parts.lock_part(*made)


def parallel_part(made):
    slots.make_slot(*made, start=0, length=10, size=10)
    return slots.lock_slot(*made, 0)


@pytest.mark.parametrize("open_again", [whole_part, parallel_part])
def test_bytes_that_the_disk_lost_are_sent_again(made, monkeypatch, open_again):
    """It says so once, at any of its calls, and then that all is well."""
    part = open_again(made)
    part.append([b"01234"])
    part.keep(durable=True)
    part.append([b"567"])

    def lose(fd):
        monkeypatch.undo()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", lose)
    with pytest.raises(Unavailable):
        part.keep(durable=True)
    part.keep(durable=True)
    assert part.offset == 5
    part.close()
    part = open_again(made)
    assert part.offset == 5
    part.append([b"56789"])
    part.keep(durable=True)
    part.close()
    assert (made[0] / f".portolan/uploads/{made[1]}.part").read_bytes() == b"0123456789"


@pytest.mark.parametrize("open_again", [whole_part, parallel_part])
def test_bytes_that_the_disk_lost_while_they_were_written_are_sent_again(made, monkeypatch, open_again):
    part = open_again(made)
    part.append([b"01234"])
    part.keep(durable=True)

    def lose(*_args, **_more):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        for module in (parts, slots):
            patch.setattr(module, "write_back", lose)
        with pytest.raises(Unavailable):
            part.append([b"567"])
    part.keep(durable=True)
    part.close()
    assert open_again(made).offset == 5
