"""Checks: files read again in short slices, each going on where the last one ended, also after a crash.

The list of files is made once (``.portolan/checks/<id>.todo``, one JSON text a line); ``Check.position`` is the byte in
it where the next slice begins. A file whose checksum was known must give the same one again; where none was known, or
the file is another by now, the new one is noted. In a dataset every change is a problem.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import IO

from django.db.models import F, Q
from django.utils import timezone

from common.errors import NotFound, PortolanError, Unavailable
from storage import locks, sums
from storage.listing import Entry, root_of, stat_path, walk
from storage.models import Check, CheckState, Dataset, FileSum
from storage.paths import ensure_dir, inner, open_beneath, remove_beneath

AREA = "checks"
SLICE_SECONDS, BATCH = 30.0, 100
MOST_PROBLEMS = 100
UNFINISHED = (CheckState.WAITING, CheckState.RUNNING)


def run_slice(check: Check, *, seconds: float = SLICE_SECONDS) -> bool:
    """True when the caller should call again; False when the check has ended, or is in other hands."""
    deadline = time.monotonic() + seconds
    try:
        with _alone(check) as todo:
            check.refresh_from_db()
            if todo is None or check.state not in UNFINISHED:
                return False
            locks.write_list(check.folder)
            if check.state == CheckState.WAITING:
                _plan(check, todo)
            if _go_on(check, todo, deadline):
                return True
            _end(check)
    except PortolanError as error:
        if error.code == "storage_error" or not root_of(check.folder).is_dir():
            return False  # the periodic task rings again
        _settle(check, CheckState.FAILED, error.message)
    return False


def unfinished() -> list[str]:
    """The checks that somebody should go on with."""
    return [str(pk) for pk in Check.objects.filter(state__in=UNFINISHED).values_list("pk", flat=True)]


@contextmanager
def _alone(check: Check) -> Iterator[IO[bytes] | None]:
    root = root_of(check.folder)
    ensure_dir(root, inner(AREA))
    fd = open_beneath(root, inner(AREA, f"{check.pk}.todo"), os.O_RDWR | os.O_CREAT)
    with os.fdopen(fd, "r+b") as file:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file


def _plan(check: Check, todo: IO[bytes]) -> None:
    root, files, size = root_of(check.folder), 0, 0
    todo.truncate(0)
    entry = stat_path(root, check.path)
    found: Iterator[Entry] = iter([entry]) if entry.kind == "file" else walk(root, check.path)
    for entry in found:
        if entry.kind == "file":
            todo.write(json.dumps(entry.path).encode() + b"\n")
            files, size = files + 1, size + entry.size
    todo.flush()
    os.fsync(todo.fileno())
    check.state, check.files, check.size = CheckState.RUNNING, files, size
    check.save(update_fields=["state", "files", "size"])


def _go_on(check: Check, todo: IO[bytes], deadline: float) -> bool:
    """True when time is up and there is more to read."""
    strict = _dataset_of(check) is not None
    todo.seek(check.position)
    while lines := list(islice(todo, BATCH)):
        paths = [json.loads(line) for line in lines]
        known = {row.path: row for row in FileSum.objects.filter(folder=check.folder, path__in=paths)}
        for line, path in zip(lines, paths, strict=True):
            size = _look(check, path, known.get(path), strict=strict)
            check.position += len(line)
            check.done_files, check.done_size = check.done_files + 1, check.done_size + size
            if time.monotonic() > deadline:
                _save(check)
                return True
        _save(check)
    return False


def _look(check: Check, path: str, row: FileSum | None, *, strict: bool) -> int:
    """One file is read and its checksum compared or noted; its size."""
    try:
        found = sums.read(check.folder, path)
    except NotFound as error:
        if not root_of(check.folder).is_dir():
            raise Unavailable("The storage of this project does not answer.", code="storage_error") from error
        _tell(check, path, "missing", "The file went away while this was running.")
        return 0
    except PortolanError as error:
        _tell(check, path, error.code, error.message)
        return 0
    same_file = row is not None and (row.size, row.mtime_ns) == (found.size, found.mtime_ns)
    if row is not None and row.sha256 and row.sha256 != found.sha256 and (same_file or strict):
        word = "damaged" if same_file else "changed"
        _tell(check, path, word, f"SHA-256 is {found.sha256}, but {row.sha256} was noted.")
        return found.size
    if row is not None and same_file and row.sha256:
        FileSum.objects.filter(pk=row.pk).update(checked_at=timezone.now())
    else:
        sums.note(check.folder, path, size=found.size, mtime_ns=found.mtime_ns, sha256=found.sha256, source=sums.READ)
    return found.size


def _tell(check: Check, path: str, kind: str, message: str) -> None:
    check.problem_count += 1
    if len(check.problems) < MOST_PROBLEMS:
        check.problems.append({"path": path, "kind": kind, "message": message})


def _save(check: Check) -> None:
    check.save(update_fields=["position", "done_files", "done_size", "problems", "problem_count"])


def _end(check: Check) -> None:
    """Files that are noted but gone are told (in a dataset) or forgotten; a dataset that was being made is sealed."""
    dataset = _dataset_of(check)
    root, below = root_of(check.folder), Q(path=check.path) | Q(path__startswith=f"{check.path}/" if check.path else "")
    for row in FileSum.objects.filter(below, folder=check.folder).iterator():
        try:
            stat_path(root, row.path)
        except NotFound:
            if dataset is None or dataset.sealed_at is None:
                row.delete()
            else:
                _tell(check, row.path, "missing", "The file is in the manifest but not in the folder.")
    _save(check)
    if dataset is not None and dataset.sealed_at is None:
        _seal(dataset)
    _settle(check, CheckState.DONE, "")


def _seal(dataset: Dataset) -> None:
    rows = sums.manifest(dataset.folder, dataset.path)
    locks.write_manifest(dataset, sums.as_text(rows))
    files = FileSum.objects.filter(folder=dataset.folder, path__startswith=f"{dataset.path}/")
    dataset.files, dataset.size = len(rows), sum(files.values_list("size", flat=True))
    dataset.sealed_at = timezone.now()
    dataset.save(update_fields=["files", "size", "sealed_at"])


def _dataset_of(check: Check) -> Dataset | None:
    """The locked dataset that holds all that is checked, or is it; None when there is none."""
    rows = Dataset.objects.filter(folder=check.folder, unlocked_at=None).select_related("folder__site")
    return next((row for row in rows if f"{check.path}/".startswith(f"{row.path}/")), None)


def _settle(check: Check, state: CheckState, problem: str) -> None:
    Check.objects.filter(pk=check.pk).update(
        state=state, problem=problem, finished_at=timezone.now(), done_files=F("done_files")
    )
    remove_beneath(root_of(check.folder), inner(AREA, f"{check.pk}.todo"))
