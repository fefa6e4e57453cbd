"""A whole partial file gets its name in the project, once: repeatable at whatever line a worker was killed."""

from __future__ import annotations

from pathlib import PurePosixPath

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from common.errors import NotFound, StateConflict
from storage import quota, sums
from storage.imports.fetching import Fetched, part_of
from storage.listing import root_of
from storage.models import Conflict, Import, ImportFile, ImportFileState
from storage.paths import ensure_dir, exists_beneath, remove_beneath, rename_beneath, stat_beneath

MOST_NAMES = 1000
IMPORTED = "import"


def place(run: Import, item: ImportFile, fetched: Fetched) -> None:
    """The file has its name, or was left out because that was taken; counters and checksums say so.

    QuotaExceeded where its size was not known before and there is no room, StateConflict ``dataset_locked``, and what
    the disk refuses.
    """
    root, part = root_of(run.folder), part_of(str(run.pk), item.pk)
    if item.size is None:
        with transaction.atomic():
            quota.check_room(run.folder, fetched.size)
            Import.objects.filter(pk=run.pk).update(
                size=F("size") + fetched.size, reserved_size=F("reserved_size") + fetched.size
            )
            ImportFile.objects.filter(pk=item.pk).update(size=fetched.size)
        item.size = fetched.size
    item.sha256, item.verified, item.inode = fetched.sha256, fetched.verified, fetched.inode
    above, slash, name = item.path.rpartition("/")
    item.path = ensure_dir(root, above) + slash + name
    for path in _names(item.path, run.conflict):
        item.path = path
        # What is about to happen is written down first, so that a killed worker's rename is known as ours.
        item.save(update_fields=["path", "sha256", "verified", "inode"])
        replaced = _size_at(run, path) if run.conflict == Conflict.REPLACE else None
        try:
            rename_beneath(root, part, path, replace=run.conflict == Conflict.REPLACE)
        except StateConflict as error:
            if error.code != "name_taken" or run.conflict == Conflict.REPLACE:
                raise
            continue
        _note_done(run, item, replaced=replaced)
        return
    leave_out(run, item)


def was_placed(run: Import, item: ImportFile) -> bool:
    """True when a worker gave the file its name and was killed before it could say so; then it is said now."""
    if item.inode is None:
        return False
    root = root_of(run.folder)
    try:
        found = stat_beneath(root, item.path)
    except NotFound:
        return False
    if found.st_ino != item.inode or found.st_size != item.size:
        return False
    _note_done(run, item, replaced=None)
    return True


def leave_out(run: Import, item: ImportFile) -> None:
    """The file is left out, because its name is taken; its room is free again."""
    remove_beneath(root_of(run.folder), part_of(str(run.pk), item.pk))
    size = item.size or 0
    with transaction.atomic():
        _end_item(item, ImportFileState.LEFT_OUT, problem="It is there already.")
        values = {"left_out": F("left_out") + 1, "size": Greatest(F("size") - size, 0), **_given_back(size)}
        Import.objects.filter(pk=run.pk).update(**values)


def fail(run: Import, item: ImportFile, code: str, problem: str) -> None:
    """The file is given up, for now; its room is free again."""
    size = item.size or 0
    with transaction.atomic():
        _end_item(item, ImportFileState.FAILED, code=code, problem=problem)
        values = {"failed_files": F("failed_files") + 1, "size": Greatest(F("size") - size, 0), **_given_back(size)}
        Import.objects.filter(pk=run.pk).update(**values)


def _note_done(run: Import, item: ImportFile, *, replaced: int | None) -> None:
    """The row of the checksum is also the file's arrival, as at the other doors."""
    size = item.size or 0
    with transaction.atomic():
        _end_item(item, ImportFileState.DONE, received=size)
        values = {"done_files": F("done_files") + 1, "done_size": F("done_size") + size, **_given_back(size)}
        Import.objects.filter(pk=run.pk).update(**values)
        quota.note_change(run.folder, size=size - (replaced or 0), files=1 if replaced is None else 0)
        sums.note_placed(run.folder, item.path, sha256=item.sha256, source=IMPORTED)


def _end_item(item: ImportFile, state: ImportFileState, **values: object) -> None:
    item.state = state
    defaults = {"code": "", "problem": "", "inode": None, "retry_at": None}
    ImportFile.objects.filter(pk=item.pk).update(state=state, **(defaults | values))  # type: ignore[arg-type]


def _given_back(size: int) -> dict[str, object]:
    return {
        "reserved_size": Greatest(F("reserved_size") - size, 0),
        "reserved_files": Greatest(F("reserved_files") - 1, 0),
    }


def _size_at(run: Import, path: str) -> int | None:
    root = root_of(run.folder)
    return stat_beneath(root, path).st_size if exists_beneath(root, path) else None


def _names(path: str, conflict: str) -> list[str]:
    """The names to try, one after the other."""
    if conflict != Conflict.RENAME:
        return [path]
    pure = PurePosixPath(path)
    others = (str(pure.with_name(f"{pure.stem} ({number}){pure.suffix}")) for number in range(2, MOST_NAMES))
    return [path, *others]
