"""The bytes of an upload on their way: on disk beside the data, in the folder's hidden area.

``.portolan/uploads/<id>.part`` holds the bytes; its size is the offset, so there is nothing that could disagree with
it after a crash. ``<id>.json`` says what the part will become. ``<id>.from`` exists while bytes that carry a checksum
are being received: it names the offset before them, and whoever takes the lock next goes back to it. One ``flock`` on
the part keeps a second writer out, also from another process; it ends with the process that holds it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from common.errors import NotFound, Unavailable
from storage.paths import (
    DIRECTORY,
    Inner,
    ensure_dir,
    inner,
    open_beneath,
    plain_errors,
    remove_beneath,
    rename_beneath,
    stat_beneath,
)
from storage.uploads import direct

AREA = "uploads"
MOST_VECTORS = 1000  # IOV_MAX is 1024 on Linux
READ_BYTES, COPY_BYTES = 1024**2, 256 * 1024**2
# How far the disk may be behind what was written: the last and the last but one step of this size.
BEHIND_BYTES = 16 * 1024**2
_START, _WAIT = 2, 7  # flags of sync_file_range(2)
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class PartInfo:
    """What the part becomes. ``inode`` finds it again under its final name when a crash came after the rename."""

    path: str
    size: int
    overwrite: bool
    inode: int = 0


def create_part(root: Path, upload_id: UUID, info: PartInfo) -> None:
    """An empty part and its info are on disk."""
    area = ensure_dir(root, inner(AREA))
    fd = open_beneath(root, _name(upload_id, "part"), os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    try:
        _write_info(root, upload_id, PartInfo(**(asdict(info) | {"inode": os.fstat(fd).st_ino})))
    except BaseException:
        drop_part(root, upload_id)
        raise
    finally:
        os.close(fd)
    sync_dir(root, area)


def change_info(root: Path, upload_id: UUID, **changes: Any) -> None:
    """The part will become something else: ``path``, ``size``, ``overwrite`` as in ``PartInfo``."""
    _write_info(root, upload_id, replace(read_info(root, upload_id), **changes))


def read_info(root: Path, upload_id: UUID) -> PartInfo:
    """What the part becomes; NotFound when the part's info is gone, Unavailable when it can't be read."""
    fd = open_beneath(root, _name(upload_id, "json"), os.O_RDONLY)
    try:
        with os.fdopen(fd, "rb") as file:
            return PartInfo(**json.load(file))
    except (ValueError, TypeError) as error:
        raise Unavailable("The notes of this upload can't be read.", code="storage_error") from error


def drop_part(root: Path, upload_id: UUID) -> None:
    """Nothing of the upload is left in the hidden area."""
    for kind in ("part", "slots", "json", "from", "new"):
        remove_beneath(root, _name(upload_id, kind))


def area_is_there(root: Path) -> bool:
    """True when the hidden area can be seen, so that a missing part is really gone (and not the whole mount)."""
    try:
        os.close(open_beneath(root, inner(AREA), DIRECTORY))
    except (NotFound, Unavailable):
        return False
    return True


def is_placed(root: Path, info: PartInfo, path: str) -> bool:
    """True when the file ``path`` is this very part, renamed before a crash."""
    try:
        found = stat_beneath(root, path)
    except NotFound:
        return False
    return found.st_ino == info.inode and found.st_size == info.size


def lock_part(root: Path, upload_id: UUID) -> Part | None:
    """The part, held by nobody else until ``close``; None while another holds it; NotFound when it is gone."""
    name = _name(upload_id, "part")
    fd = open_beneath(root, name, os.O_RDWR)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        # It may have been renamed to its final name between our open and our lock.
        if stat_beneath(root, name).st_ino != os.fstat(fd).st_ino:
            raise NotFound("This upload has just ended.", code="upload_ended")
        part = Part(root, upload_id, fd)
        part.go_back_if_unverified()
    except BaseException:
        with suppress(OSError):
            os.close(fd)
        raise
    return part


class Part:
    """An upload's bytes, open and locked. Its methods may be called from any thread."""

    def __init__(self, root: Path, upload_id: UUID, fd: int) -> None:
        self.root, self.upload_id = root, upload_id
        self._fd = fd
        # A write that still runs in a thread must never meet a closed (or reused) descriptor.
        self._guard = threading.Lock()
        self.offset = self._kept = os.fstat(fd).st_size

    def append(self, chunks: Sequence[bytes | memoryview], *, durable: bool = False) -> None:
        """``chunks`` are at the end of the part; on an error the offset says how many of them are.

        ``durable``: see ``write_all`` and ``write_back``.
        """
        with self._guard, plain_errors("the upload"):
            fd, begin = self._open_fd(), self.offset
            for written in write_all(fd, chunks, begin, straight=durable):
                self.offset += written
            with self._or_lost():
                write_back(fd, begin, self.offset, durable=durable)

    def take_from(self, other: int, at: int) -> None:
        """The bytes of the open file ``other`` from ``at`` on follow; the kernel moves them, or shares their blocks."""
        with self._guard, plain_errors("the upload"):
            fd = self._open_fd()
            while count := _copy_range(other, fd, at, self.offset):
                self.offset, at = self.offset + count, at + count

    def become(self, other: Part) -> None:
        """This part is now the file that ``other`` was, locked as before; ``other`` is no more."""
        rename_beneath(self.root, _name(other.upload_id, "part"), _name(self.upload_id, "part"), replace=True)
        with self._guard, other._guard, plain_errors("the upload"):
            os.close(self._fd)
            self._fd, other._fd = other._fd, -1
            self.offset, self._kept = other.offset, other._kept

    def note_inode(self) -> None:
        """The info tells the part's inode as it is now."""
        kept, inode = read_info(self.root, self.upload_id), os.fstat(self._open_fd()).st_ino
        if kept.inode != inode:
            _write_info(self.root, self.upload_id, replace(kept, inode=inode))

    def fileno(self) -> int:
        """The open file."""
        return self._open_fd()

    def mark(self) -> int:
        """Another number whenever somebody else has written this part meanwhile."""
        return os.fstat(self._open_fd()).st_mtime_ns

    def sync(self) -> None:
        """The bytes up to the offset outlive a power cut."""
        with self._guard, plain_errors("the upload"), self._or_lost():
            os.fdatasync(self._open_fd())
            self._kept = self.offset

    @contextmanager
    def _or_lost(self) -> Iterator[None]:
        """What the disk could not take is gone from the part, too: the disk says so only once, then all seems well."""
        try:
            yield
        except OSError:
            os.ftruncate(self._open_fd(), self._kept)
            self.offset = self._kept
            raise

    def keep(self, *, durable: bool) -> None:
        """The bytes up to the offset may be acknowledged: they outlive this process, and with ``durable`` the power."""
        if durable:
            self.sync()

    def go_back(self, offset: int) -> None:
        """The bytes from ``offset`` on are gone."""
        with self._guard, plain_errors("the upload"):
            os.ftruncate(self._open_fd(), offset)
            self.offset, self._kept = offset, min(offset, self._kept)

    def begin_unverified(self) -> None:
        """Bytes from here on count only after ``end_unverified``, even when this process is killed before."""
        name = _name(self.upload_id, "from")
        fd = open_beneath(self.root, name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        with os.fdopen(fd, "w") as file:
            file.write(str(self.offset))
            file.flush()
            os.fsync(file.fileno())
        sync_dir(self.root, inner(AREA))

    def end_unverified(self) -> None:
        """All bytes up to the offset count."""
        remove_beneath(self.root, _name(self.upload_id, "from"))

    def go_back_if_unverified(self) -> None:
        """Bytes that a killed process received and had not verified are gone."""
        try:
            fd = open_beneath(self.root, _name(self.upload_id, "from"), os.O_RDONLY)
        except NotFound:
            return
        with os.fdopen(fd) as file:
            noted = file.read()
        if noted.isdigit() and int(noted) < self.offset:
            self.go_back(int(noted))
        self.end_unverified()

    def sha256(self) -> str:
        """SHA-256 of the part, read again from the disk, in constant memory."""
        found, at = hashlib.sha256(), 0
        buffer = bytearray(READ_BYTES)
        with plain_errors("the upload"):
            while count := os.preadv(self._open_fd(), [buffer], at):
                found.update(memoryview(buffer)[:count])
                at += count
        return found.hexdigest()

    def place(self, path: str, *, replace: bool) -> str:
        """The part is the file ``path`` (as returned: in the spelling on disk), for good, and appeared at once.

        StateConflict ``name_taken`` when the name is in use and not to be replaced; the part is then as before.
        """
        self.sync()
        above, slash, name = path.rpartition("/")
        above = ensure_dir(self.root, above)
        path = above + slash + name
        rename_beneath(self.root, _name(self.upload_id, "part"), path, replace=replace)
        while above:
            sync_dir(self.root, above)
            above = above.rpartition("/")[0]
        sync_dir(self.root, "")
        return path

    def close(self) -> None:
        """The lock is free."""
        with self._guard:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _open_fd(self) -> int:
        if self._fd < 0:
            raise Unavailable("This upload was closed while it was written.", code="storage_error")
        return self._fd


def sync_dir(root: Path, relative: str) -> None:
    """The names in the directory outlive a power cut."""
    fd = open_beneath(root, relative, DIRECTORY)
    try:
        with plain_errors(relative):
            os.fsync(fd)
    finally:
        os.close(fd)


def _name(upload_id: UUID, kind: str) -> Inner:
    return inner(AREA, f"{upload_id}.{kind}")


def _write_info(root: Path, upload_id: UUID, info: PartInfo) -> None:
    new = _name(upload_id, "new")
    fd = open_beneath(root, new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    with plain_errors("the upload"), os.fdopen(fd, "w") as file:
        json.dump(asdict(info), file)
        file.flush()
        os.fsync(file.fileno())
    rename_beneath(root, new, _name(upload_id, "json"), replace=True)


def open_part(root: Path, upload_id: UUID) -> int:
    """A file descriptor of the part for writing, without its lock (for those who write a place of their own in it)."""
    return open_beneath(root, _name(upload_id, "part"), os.O_RDWR)


def write_all(fd: int, chunks: Sequence[bytes | memoryview], at: int, *, straight: bool = False) -> Iterator[int]:
    """``chunks`` are written from ``at`` on; the length of each write, as it is done.

    With ``straight`` whole pages go to the disk past the page cache, where that is possible.
    """
    whole = [(False, [memoryview(chunk) for chunk in chunks if chunk])]
    for can_go, views in direct.runs(chunks, at) if straight else whole:
        while views:
            written = _write(fd, views[:MOST_VECTORS], at, straight=can_go)
            yield written
            at += written
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if views:
                views[0] = views[0][written:]


def _write(fd: int, views: list[memoryview], at: int, *, straight: bool) -> int:
    try:
        written = direct.write(fd, views, at) if straight else None
        return os.pwritev(fd, views, at) if written is None else written
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise Unavailable(
            "The storage of this project takes no file as large as this.",
            code="disk_full",
            hint="Ask the operator for room; what was sent is kept.",
        ) from error


def write_back(fd: int, begin: int, end: int, *, durable: bool) -> None:
    """The kernel begins to bring [begin, end) to the disk, so that the fsync that comes later finds little to do.

    With ``durable`` the disk is also never far behind: what lies before the last two steps of ``BEHIND_BYTES`` is there
    and no longer takes memory, so that a large file does not push everything else out of it.
    """
    _sync_range(fd, begin, end, _START)
    behind = (end // BEHIND_BYTES - 2) * BEHIND_BYTES
    if durable and behind >= 0 and end // BEHIND_BYTES > begin // BEHIND_BYTES:
        _sync_range(fd, behind, behind + BEHIND_BYTES, _WAIT)
        os.posix_fadvise(fd, behind, BEHIND_BYTES, os.POSIX_FADV_DONTNEED)


def _sync_range(fd: int, begin: int, end: int, flags: int) -> None:
    """Raises what the disk said, because it says it only once: a later fsync would be told that all is well."""
    if _libc.sync_file_range(fd, ctypes.c_int64(begin), ctypes.c_int64(end - begin), flags):
        number = ctypes.get_errno()
        if number in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
            raise OSError(number, os.strerror(number))


def _copy_range(source: int, target: int, at: int, to: int) -> int:
    try:
        return os.copy_file_range(source, target, COPY_BYTES, at, to)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    block = os.pread(source, READ_BYTES, at)
    return os.pwrite(target, block, to)


def size_now(root: Path, upload_id: UUID) -> int:
    """Bytes in the part at this moment; 0 when there is none."""
    try:
        return stat_beneath(root, _name(upload_id, "part")).st_size
    except NotFound:
        return 0
