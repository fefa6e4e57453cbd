"""What is in a folder: pages of entries, one entry, patterns. No question of who asks.

A page costs what the page costs. Up to ``SORTED_LIMIT`` entries a directory is read whole and sorted: folders
first, then names as people count ("movie 2" before "movie 10"); its cursor is the last entry's sort key, so that
entries that come and go between two pages shift nothing. A larger directory (the disk's own size of it tells, or
the reading itself) is shown in the disk's order: the kernel goes on from the position (``d_off``) of the last entry
shown. An entry that exists from the first page to the last is shown once in both orders.

Another order and a part of the names are those of the whole directory too, not of the page: up to ``READ_LIMIT``
names are read for a part of them, and up to ``SORTED_LIMIT`` that fit are sorted.
"""

from __future__ import annotations

import ctypes
import os
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import translate
from itertools import islice
from pathlib import Path

from common.errors import NotFound, UserError
from storage.models import Folder
from storage.ordering import USUAL, Key, Order, bad_cursor, natural, read_cursor, write_cursor
from storage.paths import (
    DIRECTORY,
    Inner,
    clean,
    is_hidden,
    is_plain,
    open_beneath,
    open_unlinked,
    plain_errors,
    stat_beneath,
)

SORTED_LIMIT = 10_000
READ_LIMIT = 100_000
SURELY_LARGE_BYTES = 512 * 1024  # a directory file of this size held more than 10,000 names of usual length
MAX_PAGE = 1000
MAX_MATCHES = 100_000
_HEAD = struct.Struct("=QqHB")  # struct linux_dirent64: d_ino, d_off, d_reclen, d_type
_SYS_GETDENTS64 = {"x86_64": 217, "aarch64": 61, "riscv64": 61, "ppc64le": 202, "s390x": 220}.get(os.uname().machine)
_DT_DIR, _DT_LNK, _DT_REG, _DT_UNKNOWN = 4, 10, 8, 0
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One name in a folder. ``path`` is empty where the name can't be addressed through the portal.

    ``kind`` is file, folder, link (never followed here) or other; ``size`` in bytes, 0 but for files.
    """

    name: str
    path: str
    kind: str
    size: int
    modified: datetime


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One page; ``next_cursor`` is empty on the last; ``ordered`` is False where the disk's order is shown."""

    entries: list[Entry]
    next_cursor: str
    ordered: bool = True


@dataclass(frozen=True)
class _Raw:
    name: str
    is_dir: bool
    offset: int


def list_page(
    root: Path, path: str = "", *, cursor: str = "", limit: int = 100, follow: bool = True, order: Order = USUAL
) -> Listing:
    """The page of ``path`` after ``cursor``, at most ``limit`` (1 to 1000) entries; the hidden area is never in it.

    Without ``follow`` no link on the way to ``path`` is followed, not even one that stays inside. With a part of the
    names asked for, a page of a folder with more than ``READ_LIMIT`` may hold fewer and still have a next one.
    """
    path = clean(path)
    limit = max(1, min(limit, MAX_PAGE))
    mark = read_cursor(cursor, order)
    fd = open_beneath(root, path, DIRECTORY) if follow else open_unlinked(root, path, directory=True)
    try:
        with plain_errors(path):
            surely_large = _SYS_GETDENTS64 is not None and os.fstat(fd).st_size > SURELY_LARGE_BYTES
            if isinstance(mark, int) or (mark is None and surely_large and not order.match):
                return _disk_order(fd, path, mark or 0, limit, order)
            return _sorted_or_not(fd, path, mark, limit, order)
    finally:
        os.close(fd)


def _sorted_or_not(fd: int, path: str, mark: Key | None, limit: int, order: Order) -> Listing:
    names, fitting, large = _names(fd), [], False
    for number, item in enumerate(names):
        if order.fits(item.name):
            fitting.append(item)
        large = number >= READ_LIMIT or len(fitting) > SORTED_LIMIT
        if large:
            break
    if large and mark is None and _SYS_GETDENTS64 is not None:
        return _disk_order(fd, path, 0, limit, order)
    # Where it is large it grew between two pages, or there are no positions to go on from.
    fitting += [item for item in names if order.fits(item.name)]
    return _sorted_page(fd, path, fitting, mark, limit, order)


def _sorted_page(fd: int, path: str, raw: list[_Raw], mark: Key | None, limit: int, order: Order) -> Listing:
    keyed = sorted(
        ((key, item.name) for item in raw if (key := _key(fd, item, order)) is not None), reverse=order.backwards
    )
    rest = [pair for pair in keyed if mark is None or (pair[0] < mark if order.backwards else pair[0] > mark)]
    entries = [entry for _, name in rest[:limit] if (entry := _entry(fd, path, name))]
    more = len(rest) > limit
    return Listing(entries=entries, next_cursor=write_cursor(rest[limit - 1][0], order) if more else "")


def _key(fd: int, item: _Raw, order: Order) -> Key | None:
    """The place of the name in the order; None when it went away while we looked."""
    if order.by == "name":
        return order.key(item.name, is_dir=item.is_dir)
    try:
        status = os.stat(item.name, dir_fd=fd, follow_symlinks=False)
    except OSError:
        return None
    size = status.st_size if stat.S_ISREG(status.st_mode) else 0
    return order.key(item.name, is_dir=item.is_dir, value=size if order.by == "size" else status.st_mtime_ns)


def _disk_order(fd: int, path: str, offset: int, limit: int, order: Order) -> Listing:
    with bad_cursor():
        os.lseek(fd, offset, os.SEEK_SET)
    found: list[_Raw] = []
    more: int | None = None
    for number, item in enumerate(_names(fd)):
        if number >= READ_LIMIT or (len(found) == limit and order.fits(item.name)):
            break
        more = item.offset
        if order.fits(item.name):
            found.append(item)
    else:
        more = None
    entries = [entry for item in found if (entry := _entry(fd, path, item.name))]
    return Listing(entries=entries, next_cursor="" if more is None else write_cursor(more, order), ordered=False)


def _names(fd: int) -> Iterator[_Raw]:
    """The names from the handle's position on, but ``.``, ``..`` and the hidden area."""
    if _SYS_GETDENTS64 is None:  # another processor: the whole directory, without positions
        with os.scandir(fd) as found:
            for item in found:
                if not is_hidden(item.name):
                    yield _Raw(item.name, item.is_dir(follow_symlinks=False), 0)
        return
    buffer = ctypes.create_string_buffer(32 * 1024)
    while True:
        length = _libc.syscall(_SYS_GETDENTS64, fd, buffer, ctypes.sizeof(buffer))
        if length < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        if length == 0:
            return
        yield from _records(fd, buffer.raw[:length])


def _records(fd: int, block: bytes) -> Iterator[_Raw]:
    at = 0
    while at < len(block):
        _, offset, size, kind = _HEAD.unpack_from(block, at)
        raw = block[at + _HEAD.size : at + size].split(b"\0", 1)[0]
        at += size
        if raw in (b".", b".."):
            continue
        name = os.fsdecode(raw)
        if raw.lower().find(b"portolan") >= 0 and is_hidden(name):
            continue
        if kind == _DT_UNKNOWN:
            kind = _DT_DIR if _is_dir(fd, name) else _DT_REG
        yield _Raw(name, kind == _DT_DIR, offset)


def _is_dir(fd: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _entry(fd: int, above: str, name: str) -> Entry | None:
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except OSError:  # it went away while we looked
        return None
    return entry_from(f"{above}/{name}" if above else name, status)


def entry_from(path: str, status: os.stat_result) -> Entry:
    """The entry of ``path`` with this status."""
    name = path.rpartition("/")[2]
    plain = not path or is_plain(name)
    shown = name if plain else name.encode("unicode_escape", "backslashreplace").decode("ascii")
    return Entry(
        name=shown,
        path=path if plain else "",
        kind=_kind(status.st_mode) if plain else "other",
        size=status.st_size if stat.S_ISREG(status.st_mode) else 0,
        modified=datetime.fromtimestamp(status.st_mtime, tz=UTC),
    )


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


# --- for jobs


def stat_path(root: Path, path: str) -> Entry:
    """The entry of ``path``; NotFound when it is not there."""
    path = clean(path)
    return entry_from(path, stat_beneath(root, path))


def stat_file(folder: Folder, path: str) -> Entry:
    """The entry of a regular file or folder of ``folder``; NotFound ``file_not_found`` when it is not there."""
    return stat_path(root_of(folder), path)


def root_of(folder: Folder) -> Path:
    """The directory of ``folder``: ``<site root>/<project id>``."""
    return Path(folder.site.root) / str(folder.project_id)


def resolve_pattern(folder: Folder, pattern: str) -> list[str]:
    """Paths of the regular files that ``pattern`` names, sorted as people count; an empty list when none does.

    A pattern is a path whose components may hold ``*``, ``?`` and ``[…]``; ``**`` is any number of folders. A plain
    path is itself, or the files directly in it where it is a folder. ``*`` does not match names that begin with a dot.
    No link is followed. UserError ``too_many_matches`` above 100,000 files.
    """
    root, pattern = root_of(folder), clean(pattern)
    try:
        kind = stat_path(root, pattern).kind
    except NotFound:
        kind = ""
    if kind == "file":
        return [pattern]
    parts = pattern.split("/") if pattern else []
    if kind == "folder":
        parts = [*(part.replace("[", "[[]") for part in parts), "*"]
    found = list(islice(_matches(root, "", parts), MAX_MATCHES + 1))
    if len(found) > MAX_MATCHES:
        raise UserError(f"More than {MAX_MATCHES} files match.", code="too_many_matches", hint="Narrow the pattern.")
    return sorted(set(found), key=lambda path: [natural(part) for part in path.split("/")])


def _matches(root: Path, above: str, parts: list[str]) -> Iterator[str]:
    if not parts:
        return
    first, rest = parts[0], parts[1:]
    if first == "**":
        yield from _matches(root, above, rest or ["*"])
    match = re.compile(translate("*" if first == "**" else first)).match
    dotted = first.startswith(".")
    for entry in scan(root, above):
        if not match(entry.name) or (entry.name.startswith(".") and not dotted):
            continue
        if entry.kind == "folder" and (first == "**" or rest):
            yield from _matches(root, entry.path, parts if first == "**" else rest)
        elif entry.kind == "file" and not rest and first != "**":
            yield entry.path


def scan(root: Path, path: str) -> Iterator[Entry]:
    """All addressable entries of the directory ``path``, in the disk's order; nothing when it is no directory."""
    try:
        fd = open_unlinked(root, path, directory=True)
    except NotFound:
        return
    try:
        for raw in _names(fd):
            entry = _entry(fd, path, raw.name)
            if entry is not None and (entry.path or isinstance(path, Inner)):
                yield entry
    finally:
        os.close(fd)


def walk(root: Path, path: str) -> Iterator[Entry]:
    """Everything below the directory ``path``, folders before what is in them; links are entries, not ways."""
    for entry in scan(root, path):
        yield entry
        if entry.kind == "folder":
            yield from walk(root, entry.path)
