"""The way of an import: one short turn after the other, by whichever worker comes, until all is here.

One worker at a time works on an import (a lock on a file in the project, which the kernel lifts when the worker dies),
and on one machine only ``IMPORTS_AT_ONCE`` of them at a time, so that polls and other short tasks have workers left.
Whose last turn is longest ago comes first.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from common.errors import PortolanError, QuotaExceeded, Unavailable
from projects.audit import record
from storage.imports import entry, moving, planning, rights
from storage.imports.fetching import AREA
from storage.listing import root_of
from storage.models import Import, ImportFile, ImportFileState, ImportState
from storage.paths import ensure_dir, inner, open_beneath, remove_beneath

TURN_SECONDS = 20.0
MOST_FAILURES = 8
TENDED = timedelta(seconds=8)
LISTING, RUNNING = ImportState.LISTING, ImportState.RUNNING
UNFINISHED = (LISTING, ImportState.LISTED, RUNNING, ImportState.PAUSED)
log = logging.getLogger("portolan.imports")


def take_turn(*, seconds: float = TURN_SECONDS) -> bool:
    """True when an import had a turn, so that the caller should call again; False when none is due, or all slots are in
    use."""
    with _slot() as mine:
        if not mine:
            return False
        for pk in _due():
            run = Import.objects.select_related("folder__site", "folder__project").get(pk=pk)
            if work(run, seconds=seconds):
                return True
    return False


def _due() -> list[UUID]:
    """The imports that a worker can do something about now, the one that waits longest first."""
    now = timezone.now()
    ready = ImportFile.objects.filter(
        Q(retry_at=None) | Q(retry_at__lte=now), run=OuterRef("pk"), state=ImportFileState.WAITING
    )
    some = ImportFile.objects.filter(run=OuterRef("pk"), state=ImportFileState.WAITING)
    runs = Q(state=RUNNING) & (Exists(ready) | ~Exists(some))
    found = Import.objects.filter(Q(state=LISTING) | runs, turn_at__lte=now)
    return list(found.order_by("turn_at").values_list("pk", flat=True))


def is_tended() -> bool:
    """True when somebody worked on an import a moment ago, and so will go on."""
    now = timezone.now()
    return Import.objects.filter(state__in=(LISTING, RUNNING), turn_at__range=(now - TENDED, now)).exists()


@contextmanager
def _slot() -> Iterator[bool]:
    """True inside when this process may work on an import."""
    area = Path(settings.PORTOLAN_HOME) / "run"
    area.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number in range(max(1, settings.IMPORTS_AT_ONCE)):
        fd = os.open(area / f"imports-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _locked(fd):
                yield True
                return
        finally:
            os.close(fd)
    yield False


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _alone(run: Import) -> Iterator[bool]:
    root = root_of(run.folder)
    ensure_dir(root, inner(AREA))
    fd = open_beneath(root, inner(AREA, f"{run.pk}.lock"), os.O_RDWR | os.O_CREAT)
    try:
        yield _locked(fd)
    finally:
        os.close(fd)


def work(run: Import, *, seconds: float = TURN_SECONDS) -> bool:
    """True when the import had its turn; False when it is in other hands, or its storage does not answer."""
    try:
        with _alone(run) as mine:
            run.refresh_from_db()
            if not mine or run.state not in (LISTING, RUNNING):
                return False
            Import.objects.filter(pk=run.pk).update(turn_at=timezone.now())
            _work(run, time.monotonic() + seconds)
            run.refresh_from_db()
            if run.state == ImportState.CANCELLED:  # while a stream was still writing
                forget_files(run)
    except PortolanError as error:
        if error.code == "storage_error" or not root_of(run.folder).is_dir():
            log.warning("import %s waits: its storage does not answer", run.pk)
            return False  # the periodic task rings again
        raise
    return True


def _work(run: Import, deadline: float) -> None:
    try:
        rights.check_right(run)
        if run.state == LISTING:
            if planning.look_further(run, deadline):
                _listed(run)
            return
        moving.move(run, deadline)
        if not moving.waiting(run):
            end(run, ImportState.DONE)
    except PortolanError as error:
        if error.code == "storage_error":
            raise
        if run.state == LISTING and isinstance(error, Unavailable):
            _look_later(run, error)
        else:
            end(run, ImportState.FAILED, error)


def _look_later(run: Import, error: Unavailable) -> None:
    """The source is asked again after a while; given up in the end."""
    failures = run.tries + 1
    if failures >= MOST_FAILURES:
        end(run, ImportState.FAILED, error)
        return
    wait = timedelta(seconds=max(error.wait, min(moving.LONGEST_WAIT, moving.FIRST_WAIT * 2 ** (failures - 1))))
    Import.objects.filter(pk=run.pk, state=LISTING).update(
        tries=failures, problem=error.message, code=error.code, turn_at=timezone.now() + wait
    )


def _listed(run: Import) -> None:
    """What comes is known; it begins where that was asked for and there is room."""
    Import.objects.filter(pk=run.pk, state=LISTING).update(state=ImportState.LISTED, problem="", code="", tries=0)
    run.refresh_from_db()
    if run.starts_itself and run.state == ImportState.LISTED:
        try:
            begin(run)
        except QuotaExceeded as error:
            tell(run, error)


def tell(run: Import, error: PortolanError) -> None:
    """The import's page says what is wrong."""
    Import.objects.filter(pk=run.pk).update(problem=f"{error.message} {error.hint}".strip(), code=error.code)


def needed(run: Import) -> tuple[int, int]:
    """(bytes, files) that are still to come, as far as their size is known."""
    rows = ImportFile.objects.filter(run=run, state=ImportFileState.WAITING).values_list("size", flat=True)
    sizes = list(rows)
    return sum(size or 0 for size in sizes), len(sizes)


def begin(run: Import) -> bool:
    """Room for all that comes is kept and the import runs; QuotaExceeded, before the first byte, when it does not fit.

    False when it runs already, or has ended.
    """
    with transaction.atomic():
        before = Import.objects.select_for_update().get(pk=run.pk)
        if before.state not in (ImportState.LISTED, ImportState.FAILED, ImportState.DONE):
            return False
        size, files = needed(run)
        rights.reserve(run, size, files)
        now = timezone.now()
        values = {"state": RUNNING, "problem": "", "code": "", "finished_at": None, "turn_at": now, "rate": 0}
        Import.objects.filter(pk=run.pk).update(**values, started_at=before.started_at or now)
    planning.count_again(run)
    run.refresh_from_db()
    return True


def end(run: Import, state: ImportState, error: PortolanError | None = None) -> bool:
    """The import has ended: its password is forgotten and its room free; False when it had ended before.

    Partial files are kept for a while where it stopped, so that it can go on; else they are gone.
    """
    problem = f"{error.message} {error.hint}".strip() if error is not None else ""
    values = {"state": state, "problem": problem, "code": error.code if error else "", "rate": 0}
    free = {"reserved_size": 0, "reserved_files": 0, "todo": []}
    with transaction.atomic():
        ended = Import.objects.filter(pk=run.pk, state__in=UNFINISHED)
        if not ended.update(**values, **entry.forget(run), **free, finished_at=timezone.now()):
            return False
        run.refresh_from_db()
        if state != ImportState.CANCELLED:
            facts = {"files": run.done_files, "bytes": run.done_size, "failed": run.failed_files, "how": run.code}
            record(run.folder.project, None, "import.ended", run.target or "/", run=str(run.pk), state=state, **facts)
    ImportFile.objects.filter(run=run, address__startswith=entry.SEALED).update(address="")
    if state != ImportState.FAILED:
        forget_files(run)
    log.info("import %s ended: %s", run.pk, state)
    return True


def forget_files(run: Import) -> None:
    """No partial file is left."""
    remove_beneath(root_of(run.folder), inner(AREA, str(run.pk)))
    remove_beneath(root_of(run.folder), inner(AREA, f"{run.pk}.lock"))
    Import.objects.filter(pk=run.pk).update(moving=0)
    ImportFile.objects.filter(run=run).exclude(state=ImportFileState.DONE).update(received=0, inode=None)


def end_idle() -> int:
    """Imports that nobody went on with for ``UPLOAD_IDLE_DAYS`` have ended, with what they kept; how many."""
    late = timezone.now() - timedelta(days=settings.UPLOAD_IDLE_DAYS)
    resting = Q(state__in=(ImportState.LISTED, ImportState.PAUSED)) | Q(state=ImportState.FAILED, moving__gt=0)
    ended = 0
    for run in Import.objects.filter(resting, turn_at__lt=late).select_related("folder__site", "folder__project"):
        try:
            with _alone(run) as mine:
                if mine and run.state == ImportState.FAILED:
                    forget_files(run)
                elif mine:
                    ended += end(run, ImportState.CANCELLED)
        except PortolanError as error:
            log.warning("import %s could not be ended: %s", run.pk, error.code)
    return ended
