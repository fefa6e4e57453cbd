"""What users may command about trust in bytes: checksums, manifests, checks, datasets, room."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.models import User
from common.errors import NotFound, StateConflict, UserError
from projects.audit import record
from projects.permissions import get_project
from projects.roles import Action
from storage import checks, locks, quota, sums
from storage.imports.lifecycle import UNFINISHED
from storage.listing import root_of, stat_path
from storage.models import Check, CheckState, Dataset, Folder, Import, Upload, UploadState
from storage.paths import clean, locked_by
from storage.services.folders import folder_of, writable_folder
from storage.tasks import run_check

logger = logging.getLogger(__name__)
REASON_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class FileDetails:
    """What is known of a file; ``sha256`` is empty where it is not known of the file as it is now."""

    path: str
    name: str
    kind: str
    size: int
    modified: datetime
    sha256: str
    checked_at: datetime | None
    source: str
    parts: list[tuple[int, int, str]]
    dataset: str
    job_number: int | None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Room of a project, and in how many days it is used up at the rate of the last two weeks (None: not at all)."""

    used_bytes: int
    used_files: int
    reserved_bytes: int
    reserved_files: int
    quota_bytes: int | None
    quota_files: int | None
    left_bytes: int | None
    left_files: int | None
    percent: float | None
    level: str
    days_left: float | None
    measured_at: datetime | None


def usage(user: User, project_id: UUID | str) -> Usage:
    """The project's room now."""
    folder = folder_of(get_project(user, Action.VIEW, project_id))
    now = quota.room(folder)
    return Usage(
        used_bytes=now.used,
        used_files=now.used_files,
        reserved_bytes=now.reserved,
        reserved_files=now.reserved_files,
        quota_bytes=now.limit,
        quota_files=now.limit_files,
        left_bytes=now.left,
        left_files=now.left_files,
        percent=now.percent,
        level=now.level,
        days_left=quota.days_left(folder, now),
        measured_at=folder.measured_at,
    )


def details(user: User, project_id: UUID | str, path: str) -> FileDetails:
    """All that is known of a file or folder; NotFound when it is not there."""
    folder = folder_of(get_project(user, Action.VIEW, project_id))
    entry = stat_path(root_of(folder), path)
    row = sums.of_file(folder, entry.path) if entry.kind == "file" else None
    return FileDetails(
        path=entry.path,
        name=entry.name,
        kind=entry.kind,
        size=entry.size,
        modified=entry.modified,
        sha256=row.sha256 if row else "",
        checked_at=row.checked_at if row and row.sha256 else None,
        source=row.source if row and row.sha256 else "",
        parts=[(start, length, digest) for start, length, digest in row.parts] if row else [],
        dataset=locked_by(root_of(folder), entry.path),
        job_number=_job_number(entry.path),
    )


def manifest(user: User, project_id: UUID | str, path: str = "") -> str:
    """The checksums of all files below ``path``, as ``sha256sum --check`` reads them; a dataset's own as it was made.

    StateConflict ``sums_missing`` when a file has no checksum yet.
    """
    folder = folder_of(get_project(user, Action.DOWNLOAD, project_id))
    path = clean(path)
    sealed = Dataset.objects.filter(folder=folder, path=path, unlocked_at=None).exclude(sealed_at=None).first()
    if sealed is not None:
        return locks.read_manifest(sealed)
    if path and stat_path(root_of(folder), path).kind != "folder":
        raise UserError("A manifest is made of a folder.", code="not_a_folder", field="path")
    return sums.as_text(sums.manifest(folder, path))


def start_check(user: User, project_id: UUID | str, path: str = "") -> Check:
    """Everything at ``path`` is being read again; asked twice, it is the same check. One at a time in a project."""
    folder = folder_of(get_project(user, Action.DOWNLOAD, project_id))
    path = clean(path)
    stat_path(root_of(folder), path)
    with transaction.atomic():
        Folder.objects.select_for_update().get(pk=folder.pk)
        going = Check.objects.filter(folder=folder, state__in=checks.UNFINISHED).first()
        if going is not None and going.path == path:
            return going
        if going is not None:
            raise StateConflict("Another check is running in this project.", code="check_running", hint="Wait for it.")
        made = Check.objects.create(folder=folder, path=path, asked_by=user)
    _ring(made)
    return made


def check_list(user: User, project_id: UUID | str, *, limit: int = 20) -> list[Check]:
    """The newest checks of the project."""
    folder = folder_of(get_project(user, Action.VIEW, project_id))
    return list(folder.checks.select_related("asked_by")[:limit])


def get_check(user: User, project_id: UUID | str, check_id: UUID | str) -> Check:
    """How a check stands."""
    folder = folder_of(get_project(user, Action.VIEW, project_id))
    found = folder.checks.select_related("asked_by").filter(pk=check_id).first()
    if found is None:
        raise NotFound("There is no such check.", code="check_not_found")
    return found


def datasets(user: User, project_id: UUID | str) -> list[Dataset]:
    """The folders that were marked complete, newest first; those that were unlocked again, too."""
    folder = folder_of(get_project(user, Action.VIEW, project_id))
    return list(folder.datasets.select_related("marked_by", "unlocked_by", "check_run", "folder__site")[:200])


def mark_complete(user: User, project_id: UUID | str, path: str) -> Dataset:
    """The folder is a dataset: from now on nothing in it changes; its manifest is made by a worker.

    StateConflict ``dataset_locked`` when it is in, or holds, another one; ``uploads_open`` when files are on their way.
    """
    folder = writable_folder(user, project_id)
    path, root = clean(path), root_of(folder)
    if not path or stat_path(root, path).kind != "folder":
        raise UserError("Only a folder in the project can be marked complete.", code="not_a_folder", field="path")
    if Upload.objects.filter(folder=folder, state=UploadState.OPEN, path__startswith=f"{path}/").exists():
        raise StateConflict(
            "Files are still being uploaded into this folder.", code="uploads_open", hint="Finish or cancel them first."
        )
    coming = Import.objects.filter(folder=folder, state__in=UNFINISHED)
    if any(f"{run.target}/".startswith(f"{path}/") for run in coming if run.target):
        hint = "Wait for the import's end, or cancel it."
        raise StateConflict("Files are still being imported into this folder.", code="imports_open", hint=hint)
    made = _lock(user, folder, path)
    locks.write_list(folder)
    _ring(made.check_run)
    return made


def _lock(user: User, folder: Folder, path: str) -> Dataset:
    try:
        with transaction.atomic():
            Folder.objects.select_for_update().get(pk=folder.pk)
            for other in Dataset.objects.filter(folder=folder, unlocked_at=None):
                if f"{path}/".startswith(f"{other.path}/") or f"{other.path}/".startswith(f"{path}/"):
                    raise StateConflict(f"“{other.path}” is a dataset already.", code="dataset_locked")
            check = Check.objects.create(folder=folder, path=path, asked_by=user)
            record(folder.project, user, "dataset.marked", path, check=str(check.pk))
            return Dataset.objects.create(folder=folder, path=path, marked_by=user, check_run=check)
    except IntegrityError as error:
        raise StateConflict(f"“{path}” is a dataset already.", code="dataset_locked") from error


def unlock(user: User, project_id: UUID | str, dataset_id: UUID | str, *, reason: str) -> Dataset:
    """The folder can be changed again; who decided and why is in the audit trail. Its old manifest is kept."""
    folder = folder_of(get_project(user, Action.MANAGE, project_id))
    found = folder.datasets.select_related("folder__site", "marked_by", "check_run").filter(pk=dataset_id).first()
    if found is None:
        raise NotFound("There is no such dataset.", code="dataset_not_found")
    if not reason.strip():
        raise UserError("Say why it is unlocked.", code="no_reason", field="reason")
    with transaction.atomic():
        values = {"unlocked_at": timezone.now(), "unlocked_by": user, "reason": reason.strip()[:REASON_LENGTH]}
        if not Dataset.objects.filter(pk=found.pk, unlocked_at=None).update(**values):
            raise StateConflict("This dataset was unlocked before.", code="dataset_unlocked")
        Check.objects.filter(datasets=found, state__in=checks.UNFINISHED).update(
            state=CheckState.FAILED, problem="The dataset was unlocked.", finished_at=timezone.now()
        )
        record(folder.project, user, "dataset.unlocked", found.path, reason=values["reason"])
    locks.write_list(folder)
    found.refresh_from_db()
    return found


def dataset_at(user: User, project_id: UUID | str, path: str) -> Dataset | None:
    """The locked dataset that ``path`` is in, or is; None when there is none."""
    folder = folder_of(get_project(user, Action.VIEW, project_id))
    rows = folder.datasets.filter(unlocked_at=None).select_related("check_run", "marked_by")
    return next((row for row in rows if f"{path}/".startswith(f"{row.path}/")), None)


def last_check(user: User, project_id: UUID | str, path: str) -> Check | None:
    """The newest check that looked at ``path``."""
    folder = folder_of(get_project(user, Action.VIEW, project_id))
    above = [path.rsplit("/", number)[0] for number in range(path.count("/") + 1)] if path else []
    return folder.checks.filter(Q(path__in=["", *above])).first()


def _ring(check: Check | None) -> None:
    if check is None:
        return
    try:
        run_check.delay(str(check.pk))
    except (OperationalError, OSError):
        logger.warning("The broker does not answer; check %s will be run by the periodic task.", check.pk)


def _job_number(path: str) -> int | None:
    """The number of the job that made the file; a job's folder is ``jobs/<number>-<tool>/``."""
    parts = path.split("/")
    number = parts[1].partition("-")[0] if len(parts) > 2 and parts[0] == "jobs" else ""
    return int(number) if number.isascii() and number.isdigit() else None
