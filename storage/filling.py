"""Making a project's directory and filling it for the first time. Repeatable, and safe to be killed at any line.

Files are copied by reflink where the file system can, else byte by byte; never shared writable, so never by hard
link. A copy grows under ``.portolan/filling/`` and gets its name when it is whole and on disk; a large one goes on
where it was cut. One worker at a time fills a folder: a lock on a file, which the kernel lifts when the worker dies.

A clone gets the files, not the jobs: the folder ``jobs/`` of the original stays where its job records are.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from common.errors import PortolanError, StateConflict, Unavailable
from projects.models import Project
from storage.listing import Entry, root_of, walk
from storage.models import Folder, FolderState
from storage.paths import (
    DIR_MODE,
    as_found,
    ensure_dir,
    exists_beneath,
    inner,
    open_beneath,
    open_regular,
    plain_errors,
    remove_beneath,
    rename_beneath,
)
from storage.quota import measure

SAMPLE = "sample"
JOBS = "jobs"
_FICLONE = 0x40049409
_CHUNK = 32 * 1024**2


class _TimeIsUp(Exception):
    pass


def make_root(folder: Folder) -> Path:
    """The directory of ``folder`` exists and is returned."""
    root = root_of(folder)
    with plain_errors(""):
        Path(folder.site.root).mkdir(mode=DIR_MODE, parents=True, exist_ok=True)
        root.mkdir(mode=DIR_MODE, exist_ok=True)
    return root


def fill(folder: Folder, *, seconds: float = 120) -> bool:
    """True when the caller should call again (time was up); else the folder is ready, failed, or in other hands.

    A storage that does not answer leaves the folder ``preparing``, with the problem in words, for a later call.
    """
    deadline = time.monotonic() + seconds
    try:
        root = make_root(folder)
        with _alone(root) as mine:
            folder.refresh_from_db()
            if mine and folder.state == FolderState.PREPARING:
                left_out = _copy_all(folder, root, deadline)
                remove_beneath(root, inner("filling"))
                measure(folder)
                _settle(folder, FolderState.READY, left_out)
    except _TimeIsUp:
        return True
    except (PortolanError, OSError) as error:
        try_again = isinstance(error, Unavailable) and error.code == "storage_error"
        _settle(folder, FolderState.PREPARING if try_again else FolderState.FAILED, str(error))
    return False


def _settle(folder: Folder, state: FolderState, problem: str) -> None:
    folder.state, folder.problem = state, problem
    folder.save(update_fields=["state", "problem"])


@contextmanager
def _alone(root: Path) -> Iterator[bool]:
    ensure_dir(root, inner("filling"))
    fd = open_beneath(root, inner("filling.lock"), os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)


def source_root(source: str) -> Path | None:
    """The directory that ``Folder.source`` names; None for an empty folder."""
    if not source:
        return None
    if source == SAMPLE:
        return Path(settings.SAMPLE_DIR)
    return root_of(Folder.objects.select_related("site").get(project=Project.objects.get(pk=source)))


def _copy_all(folder: Folder, root: Path, deadline: float) -> str:
    """Everything of the source is in ``root``; what was left out is named in the returned words."""
    source = source_root(folder.source)
    left_out: list[str] = []
    progress = False
    for entry in _to_copy(source, folder.source) if source else ():
        if entry.kind == "folder":
            ensure_dir(root, as_found(entry.path))
        elif entry.kind == "file":
            progress |= _copy_file(source or root, root, entry.path, deadline)
        else:
            left_out.append(entry.path)
        if progress and time.monotonic() > deadline:
            raise _TimeIsUp
    if not left_out:
        return ""
    more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""
    return f"Links and special files were not copied: {', '.join(left_out[:5])}{more}."


def _to_copy(source: Path, kind: str) -> Iterator[Entry]:
    for entry in walk(source, ""):
        if kind == SAMPLE or not (entry.path == JOBS or entry.path.startswith(f"{JOBS}/")):
            yield entry


def _copy_file(source: Path, target: Path, path: str, deadline: float) -> bool:
    """``path`` is in ``target`` as in ``source``; False when it was already: an earlier call copied it."""
    if exists_beneath(target, as_found(path)):
        return False
    source_fd = open_regular(source, path)
    try:
        before = os.fstat(source_fd)
        mark = f"{path}:{before.st_size}:{before.st_mtime_ns}".encode()
        part = inner("filling", hashlib.sha256(mark).hexdigest())
        part_fd = open_beneath(target, part, os.O_RDWR | os.O_CREAT)
        try:
            with plain_errors(path):
                _copy_bytes(source_fd, part_fd, before.st_size, deadline)
                os.fchmod(part_fd, 0o660 | (before.st_mode & 0o110))
                os.utime(part_fd, ns=(before.st_mtime_ns, before.st_mtime_ns))
                os.fsync(part_fd)
                after = os.fstat(source_fd)
        finally:
            os.close(part_fd)
    finally:
        os.close(source_fd)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise StateConflict(f"“{path}” was changed while it was copied.", code="source_changed", hint="Try again.")
    try:
        rename_beneath(target, part, as_found(path))
    except StateConflict:  # a file of this name was uploaded meanwhile: it stays
        remove_beneath(target, part)
    return True


def _copy_bytes(source_fd: int, part_fd: int, size: int, deadline: float) -> None:
    """``part_fd`` holds the same ``size`` bytes; what an earlier call copied is used, but for its last chunk."""
    try:
        fcntl.ioctl(part_fd, _FICLONE, source_fd)
        return
    except OSError:
        start = at = max(0, os.fstat(part_fd).st_size - _CHUNK) // _CHUNK * _CHUNK
    while at < size:
        block = os.pread(source_fd, min(_CHUNK, size - at), at)
        if not block:
            break
        done = 0
        while done < len(block):
            done += os.pwrite(part_fd, memoryview(block)[done:], at + done)
        at += len(block)
        # Two chunks at least: one is copied again next time, so every call comes further.
        if time.monotonic() > deadline and at < size and at - start >= 2 * _CHUNK:
            raise _TimeIsUp
    os.ftruncate(part_fd, at)
