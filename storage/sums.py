"""Checksums of files: noted when they arrive, shown while the file is as it was, computed again by reading.

A row of ``FileSum`` belongs to the file of its path, size and time of change. A file that is another by now has no
checksum here until it is read again. A row without a SHA-256 is one that a worker still has to compute (parallel parts
arrive in no order); ``compute_missing`` does.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q, Value
from django.db.models.functions import Concat, Substr
from django.utils import timezone

from common.errors import NotFound, PortolanError, StateConflict
from storage.listing import root_of, walk
from storage.models import FileSum, Folder
from storage.paths import open_regular, plain_errors, stat_beneath

READ_BYTES = 4 * 1024**2
NAMES_AT_ONCE = 500
UPLOADED, READ = "upload", "reading"


@dataclass(frozen=True, kw_only=True)
class Read:
    """A file read to its end."""

    sha256: str
    size: int
    mtime_ns: int


def note(
    folder: Folder,
    path: str,
    *,
    size: int,
    mtime_ns: int,
    sha256: str,
    source: str,
    parts: Sequence[tuple[int, int, str]] = (),
) -> None:
    """The checksum of ``path`` is this one."""
    values = {"size": size, "mtime_ns": mtime_ns, "sha256": sha256, "source": source, "parts": list(parts)}
    values["checked_at"] = timezone.now()
    # One statement: many small files are noted at once.
    FileSum.objects.bulk_create(
        [FileSum(folder=folder, path=path, **values)],
        update_conflicts=True,
        unique_fields=["folder", "path"],
        update_fields=list(values),
    )


def note_placed(
    folder: Folder, path: str, *, sha256: str, source: str = UPLOADED, parts: Sequence[tuple[int, int, str]] = ()
) -> None:
    """The checksum of a file that has just got its name; nothing where it is gone again."""
    try:
        status = stat_beneath(root_of(folder), path)
    except PortolanError:
        return
    note(folder, path, size=status.st_size, mtime_ns=status.st_mtime_ns, sha256=sha256, source=source, parts=parts)


def of_file(folder: Folder, path: str) -> FileSum | None:
    """The checksum of the file as it is now; None where it is not known."""
    row = FileSum.objects.filter(folder=folder, path=path).first()
    return row if row is not None and is_current(folder, row) else None


def known(folder: Folder, paths: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of those of the files that have not changed since it was noted, by path."""
    found: dict[str, str] = {}
    for start in range(0, len(paths), NAMES_AT_ONCE):
        names = paths[start : start + NAMES_AT_ONCE]
        rows = FileSum.objects.filter(folder=folder, path__in=names).exclude(sha256="")
        found |= {row.path: row.sha256 for row in rows.iterator() if is_current(folder, row)}
    return found


def is_current(folder: Folder, row: FileSum) -> bool:
    """True when the file has not changed since its checksum was noted."""
    try:
        status = stat_beneath(root_of(folder), row.path)
    except NotFound:
        return False
    return (status.st_size, status.st_mtime_ns) == (row.size, row.mtime_ns)


def moved(folder: Folder, source: str, target: str) -> None:
    """The checksums go with a file or folder that was moved."""
    # What had the target's name before is gone, but its rows may not be.
    FileSum.objects.filter(Q(path=target) | Q(path__startswith=f"{target}/"), folder=folder).delete()
    FileSum.objects.filter(folder=folder, path=source).update(path=target)
    below = FileSum.objects.filter(folder=folder, path__startswith=f"{source}/")
    below.update(path=Concat(Value(target), Substr("path", len(source) + 1)))


def read(folder: Folder, path: str) -> Read:
    """The file read to its end; StateConflict ``source_changed`` when it was written meanwhile."""
    fd = open_regular(root_of(folder), path)
    try:
        with plain_errors(path):
            before = os.fstat(fd)
            found, buffer, size = hashlib.sha256(), bytearray(READ_BYTES), 0
            while count := os.readv(fd, [buffer]):
                found.update(memoryview(buffer)[:count])
                size += count
            after = os.fstat(fd)
    finally:
        os.close(fd)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or size != after.st_size:
        raise StateConflict(f"“{path}” was changed while it was read.", code="source_changed", hint="Try again.")
    return Read(sha256=found.hexdigest(), size=size, mtime_ns=after.st_mtime_ns)


def compute(row: FileSum) -> bool:
    """The row tells the SHA-256 of its file; False where the file is another or gone, and the row is dropped."""
    try:
        found = read(row.folder, row.path)
    except StateConflict:
        return False
    except NotFound:
        row.delete()
        return False
    values = {"sha256": found.sha256, "size": found.size, "mtime_ns": found.mtime_ns, "checked_at": timezone.now()}
    return bool(FileSum.objects.filter(pk=row.pk, sha256="").update(**values))


def missing(limit: int = 100) -> Iterable[FileSum]:
    """Rows whose SHA-256 is still to be computed, oldest first."""
    return FileSum.objects.filter(sha256="").select_related("folder__site").order_by("created_at")[:limit]


def manifest(folder: Folder, path: str) -> list[tuple[str, str]]:
    """(SHA-256, path below ``path``) of every file below it, by path.

    StateConflict ``sums_missing`` when a file has none, because a manifest that leaves files out proves nothing.
    """
    root, prefix = root_of(folder), f"{path}/" if path else ""
    known = {row.path: row for row in FileSum.objects.filter(folder=folder, path__startswith=prefix)}
    found, without = [], []
    for entry in walk(root, path):
        if entry.kind != "file":
            continue
        row = known.get(entry.path)
        if row is None or not row.sha256 or not is_current(folder, row):
            without.append(entry.path)
        else:
            found.append((row.sha256, entry.path.removeprefix(prefix)))
    if without:
        raise StateConflict(
            f"{len(without)} files have no checksum yet, “{without[0]}” for one.",
            code="sums_missing",
            hint="Have this folder checked first; that computes what is missing.",
        )
    return sorted(found, key=lambda pair: pair[1])


def as_text(rows: Iterable[tuple[str, str]]) -> str:
    """What ``sha256sum --check`` reads; BagIt's ``manifest-sha256.txt`` has the same lines."""
    return "".join(f"{digest}  {path}\n" for digest, path in rows)
