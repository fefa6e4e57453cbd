"""Folders of projects: made, filled from a source, found on disk."""

import logging
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from accounts.models import User
from common.errors import NotFound, PortolanError, QuotaExceeded, StateConflict, UserError
from projects.audit import record
from projects.models import Project
from projects.permissions import get_project
from projects.roles import Action
from projects.services import create_project
from storage import filling, quota
from storage.listing import root_of
from storage.models import Folder, FolderState, StorageSite
from storage.tasks import fill_folder

logger = logging.getLogger(__name__)
EMPTY = "empty"


def ensure_default_site() -> StorageSite:
    """The site on which new folders are made; a first one is made in ``STORAGE_ROOT`` where there is none."""
    site = StorageSite.objects.filter(is_default=True).first()
    if site is None:
        root = Path(settings.STORAGE_ROOT)
        root.mkdir(mode=0o770, parents=True, exist_ok=True)
        site, _ = StorageSite.objects.get_or_create(name="main", defaults={"root": str(root), "is_default": True})
    return site


def open_project(user: User, *, name: str, description: str = "", source: str = EMPTY) -> Project:
    """A project with its folder; ``source`` is ``empty``, ``sample``, or the id of a project to copy the files of.

    An empty folder is ready at once. Others are ``preparing`` while a task copies; they can be looked at meanwhile.
    """
    original, size = _source(user, source)
    site = ensure_default_site()
    limit = site.default_quota_bytes if site.default_quota_bytes is not None else settings.DEFAULT_QUOTA_BYTES
    if limit is not None and size > limit:
        raise QuotaExceeded(
            f"The files to copy are {quota.in_words(size)}, but a new project has {quota.in_words(limit)}."
        )
    with transaction.atomic():
        project = create_project(user, name=name, description=description)
        if original is not None:
            project.cloned_from = original
            project.save(update_fields=["cloned_from"])
            record(project, user, "project.cloned", original.name, original=str(original.pk))
        named = str(original.pk) if original else "" if source == EMPTY else source
        folder = Folder.objects.create(project=project, site=site, source=named, state=FolderState.PREPARING)
    if source == EMPTY:
        filling.fill(folder)
    else:
        # It is looked at from now on; that a storage does not answer is told by the task.
        with suppress(PortolanError):
            filling.make_root(folder)
        _ring(folder)
    return project


def retry_filling(user: User, project_id: UUID | str) -> Folder:
    """A folder whose first filling failed is preparing again; StateConflict when it had not failed."""
    folder = folder_of(get_project(user, Action.WRITE, project_id))
    changed = Folder.objects.filter(pk=folder.pk, state=FolderState.FAILED).update(
        state=FolderState.PREPARING, problem=""
    )
    if not changed:
        raise StateConflict("The copying of this project's first files has not failed.", code="not_failed")
    folder.refresh_from_db()
    _ring(folder)
    return folder


def _source(user: User, source: str) -> tuple[Project | None, int]:
    """(the project to copy, or None; bytes to copy). UserError ``no_sample`` or ``bad_source``."""
    if source == EMPTY:
        return None, 0
    if source == filling.SAMPLE:
        sample = Path(settings.SAMPLE_DIR)
        if not sample.is_dir() or not any(sample.iterdir()):
            hint = "Ask the operator to generate it, or begin with an empty project."
            raise UserError("This portal has no sample data yet.", code="no_sample", field="source", hint=hint)
        return None, quota.measured_below(sample)[0]
    try:
        project_id = UUID(source)
    except ValueError as error:
        message = "A project begins as “empty”, as “sample”, or with the id of a project."
        raise UserError(message, code="bad_source", field="source") from error
    original = get_project(user, Action.DOWNLOAD, project_id)
    return original, folder_of(original).used_bytes


def _ring(folder: Folder) -> None:
    """A worker is told; where the broker does not answer, the periodic task finds the folder later."""
    try:
        fill_folder.delay(str(folder.pk))
    except (OperationalError, OSError):
        logger.warning("The broker does not answer; folder %s will be filled by the periodic task.", folder.pk)


def folder_of(project: Project) -> Folder:
    """The folder of ``project``; NotFound when it has none."""
    folder = Folder.objects.select_related("site", "project").filter(project=project).first()
    if folder is None:
        raise NotFound("This project has no folder yet.", code="no_folder")
    return folder


def folder_root(folder: Folder) -> Path:
    """The directory of ``folder``."""
    return root_of(folder)


def writable_folder(user: User, project_id: UUID | str) -> Folder:
    """The folder, when ``user`` may change it now; StateConflict ``folder_preparing`` while it is being filled."""
    folder = folder_of(get_project(user, Action.WRITE, project_id))
    if folder.state == FolderState.PREPARING:
        raise StateConflict(
            "The first files of this project are still being copied.", code="folder_preparing", hint="Try again soon."
        )
    return folder
