"""What a user may command about uploads; the bytes themselves go through the door."""

from __future__ import annotations

import re
import secrets
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from common.errors import NotFound, StateConflict, UserError
from projects.models import Project
from projects.permissions import get_project
from projects.roles import Action
from storage import quota
from storage.listing import root_of
from storage.models import Folder, FolderState, Upload, UploadKind, UploadState
from storage.paths import clean_new, name_taken, refuse_locked, stat_beneath
from storage.services.folders import folder_of
from storage.uploads import lifecycle, parts

LARGEST = 2**63 - 1
MOST_PARTS = 64
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class UploadTicket:
    """Where to send the bytes (tus 1.0.0). The address holds the secret: it is told only here, once."""

    upload_id: UUID
    url: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class OpenUpload:
    """How an open upload stands; ``received`` bytes of ``size`` are here."""

    upload_id: UUID
    path: str
    size: int
    received: int
    created_by: str
    created_at: datetime
    expires_at: datetime


def begin_upload(
    user: User, project_id: UUID | str, *, path: str, size: int | None, sha256: str = "", overwrite: bool = False
) -> UploadTicket:
    """An upload of ``size`` bytes to ``path`` is open and its room is kept; all that can be refused is refused here.

    With ``size`` None the length is told later, and room is kept for the bytes as they come. Asked again by the same
    person for the same path, size and SHA-256, it is the same upload with its bytes so far and a new address.
    UserError ``bad_path``/``bad_size``/``bad_sha256``, StateConflict ``name_taken``/``upload_open``/
    ``folder_preparing``, QuotaExceeded, Unavailable ``disk_full``.
    """
    folder = _writable(user, project_id)
    path, sha256 = clean_new(path), sha256.strip().lower()
    _check_numbers(size, sha256)
    root = root_of(folder)
    _check_name(root, path, overwrite=overwrite)
    secret = secrets.token_urlsafe(32)
    again = _continued(user, folder, path=path, size=size, sha256=sha256, secret=secret)
    if again is not None:
        return _ticket(again, secret)
    wanted = Upload(folder=folder, path=path, size=size or 0, deferred=size is None, sha256=sha256, created_by=user)
    upload = _reserve(wanted, secret)
    try:
        parts.create_part(root, upload.pk, parts.PartInfo(path=path, size=upload.size, overwrite=overwrite))
    except BaseException:
        upload.delete()
        raise
    if size == 0:
        _place(lifecycle.Found(upload=upload, root=root))
    return _ticket(upload, secret)


def begin_part(user: User, project_id: UUID | str, *, size: int) -> UploadTicket:
    """A part of ``size`` bytes that ``join_parts`` will make into a file with others; its room is kept."""
    folder = _writable(user, project_id)
    _check_numbers(size, "")
    secret = secrets.token_urlsafe(32)
    upload = _reserve(Upload(folder=folder, kind=UploadKind.PART, size=size, created_by=user), secret)
    try:
        parts.create_part(root_of(folder), upload.pk, parts.PartInfo(path="", size=size, overwrite=False))
    except BaseException:
        upload.delete()
        raise
    return _ticket(upload, secret)


def join_parts(
    user: User,
    project_id: UUID | str,
    *,
    path: str,
    secrets_of_parts: list[str],
    sha256: str = "",
    overwrite: bool = False,
) -> UploadTicket:
    """The file ``path`` is there, made of the parts in this order; the parts are no more, and no room was added.

    The first part becomes the file and the others' blocks are shared or moved by the kernel. StateConflict
    ``upload_unfinished`` when a part is not whole, NotFound when one is not the user's own in this project.
    """
    folder = _writable(user, project_id)
    path, sha256 = clean_new(path), sha256.strip().lower()
    _check_numbers(0, sha256)
    root = root_of(folder)
    _check_name(root, path, overwrite=overwrite)
    rows = _parts(user, folder, secrets_of_parts)
    size, secret = sum(row.size for row in rows), secrets.token_urlsafe(32)
    joins = [str(row.pk) for row in rows]
    upload = Upload(folder=folder, path=path, size=size, joins=joins, sha256=sha256, created_by=user)
    parts.create_part(root, upload.pk, parts.PartInfo(path=path, size=size, overwrite=overwrite))
    try:
        with transaction.atomic():
            open_ones = Upload.objects.filter(pk__in=joins, state=UploadState.OPEN)
            if open_ones.update(state=UploadState.JOINED, finished_at=timezone.now()) != len(joins):
                raise StateConflict("These parts were joined already.", code="upload_ended")
            _save(upload, secret)
    except BaseException:
        parts.drop_part(root, upload.pk)
        raise
    _place(lifecycle.Found(upload=upload, root=root))
    return _ticket(upload, secret)


def _parts(user: User, folder: Folder, secrets_of_parts: list[str]) -> list[Upload]:
    if not 1 <= len(secrets_of_parts) <= MOST_PARTS:
        raise UserError(f"A file is joined from 1 to {MOST_PARTS} parts.", code="bad_part")
    digests = [lifecycle.digest(secret) for secret in secrets_of_parts]
    found = {
        row.token_digest: row
        for row in Upload.objects.filter(
            folder=folder, created_by=user, kind=UploadKind.PART, state=UploadState.OPEN, token_digest__in=digests
        ).select_related("folder__site")
    }
    if len(set(digests)) != len(digests) or len(found) != len(digests):
        raise NotFound("Not all of these are open parts of yours in this project.", code="upload_not_found")
    rows = [found[digest] for digest in digests]
    if any(row.deferred or lifecycle.received(row) != row.size for row in rows):
        raise StateConflict("Not every part is whole yet.", code="upload_unfinished")
    return rows


def cancel_upload(user: User, upload_id: UUID | str) -> None:
    """The upload has ended, its bytes are gone and its room is free; StateConflict when it had ended before."""
    upload = _own_upload(user, upload_id)
    if not lifecycle.end(upload, UploadState.CANCELLED):
        raise StateConflict("This upload has ended already.", code="upload_ended")


def finish_as(user: User, upload_id: UUID | str, *, path: str, overwrite: bool = False) -> str:
    """A whole upload whose name was taken meanwhile is now the file ``path``, which is returned."""
    upload = _own_upload(user, upload_id)
    found = lifecycle.Found(upload=upload, root=root_of(upload.folder))
    path = clean_new(path)
    _check_name(found.root, path, overwrite=overwrite)
    if upload.state != UploadState.OPEN:
        raise StateConflict("This upload has ended already.", code="upload_ended")
    if lifecycle.received(upload) < upload.size:
        raise StateConflict("This upload is not whole yet.", code="upload_unfinished")
    try:
        with transaction.atomic():
            Upload.objects.filter(pk=upload.pk, state=UploadState.OPEN).update(path=path)
    except IntegrityError as error:
        raise _already_open(path) from error
    upload.path = path
    parts.change_info(found.root, upload.pk, path=path, overwrite=overwrite)
    _place(found)
    return upload.path


def open_uploads(user: User, project_id: UUID | str) -> list[OpenUpload]:
    """The project's unfinished uploads, newest first."""
    project = get_project(user, Action.VIEW, project_id)
    rows = Upload.objects.filter(folder__project=project, state=UploadState.OPEN, kind=UploadKind.WHOLE)
    return [
        OpenUpload(
            upload_id=row.pk,
            path=row.path,
            size=row.size,
            received=lifecycle.received(row),
            created_by=row.created_by.display_name,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
        for row in rows.select_related("folder__site", "created_by")
    ]


def _writable(user: User, project_id: UUID | str) -> Folder:
    folder = folder_of(get_project(user, Action.WRITE, project_id))
    if folder.state == FolderState.PREPARING:
        raise StateConflict("The folder is still being filled.", code="folder_preparing", hint="Wait a moment.")
    return folder


def _check_numbers(size: int | None, sha256: str) -> None:
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= LARGEST):
        raise UserError("The size must be the file's number of bytes.", code="bad_size", field="size")
    if sha256 and not SHA256.fullmatch(sha256):
        raise UserError("A SHA-256 has 64 hexadecimal digits.", code="bad_sha256", field="sha256")


def _check_name(root: Path, path: str, *, overwrite: bool) -> None:
    """Nothing happens when ``path`` can become a file: folders above it, and itself free or to be replaced."""
    refuse_locked(root, path)
    names = path.split("/")
    for depth in range(1, len(names) + 1):
        here = "/".join(names[:depth])
        try:
            kind = stat_beneath(root, here).st_mode
        except NotFound:
            return
        if depth < len(names) and not stat.S_ISDIR(kind):
            raise name_taken(here)
    if stat.S_ISDIR(kind) or not overwrite:
        raise name_taken(path)


def _continued(user: User, folder: Folder, *, path: str, size: int | None, sha256: str, secret: str) -> Upload | None:
    upload = Upload.objects.filter(folder=folder, path=path, state=UploadState.OPEN, kind=UploadKind.WHOLE).first()
    if upload is None:
        return None
    # Without a checksum nobody knows whether it is the same file, and two files must never be mixed.
    if not sha256 or (upload.created_by_id, upload.size, upload.sha256) != (user.pk, size, sha256):
        raise _already_open(path)
    upload.token_digest, upload.expires_at = lifecycle.digest(secret), lifecycle.new_end()
    upload.save(update_fields=["token_digest", "expires_at"])
    return upload


def _reserve(upload: Upload, secret: str) -> Upload:
    """The row is there and room for it is kept; else QuotaExceeded, or StateConflict ``upload_open``."""
    with transaction.atomic():
        quota.check_room(upload.folder, upload.size, files=1 if upload.kind == UploadKind.WHOLE else 0)
        return _save(upload, secret)


def _save(upload: Upload, secret: str) -> Upload:
    upload.token_digest, upload.expires_at = lifecycle.digest(secret), lifecycle.new_end()
    try:
        with transaction.atomic():
            upload.save(force_insert=True)
    except IntegrityError as error:
        raise _already_open(upload.path) from error
    return upload


def _already_open(path: str) -> StateConflict:
    return StateConflict(
        f"“{path}” is being uploaded already.",
        code="upload_open",
        hint="Continue or cancel that upload; the project's files page lists it.",
        field="path",
    )


def _place(found: lifecycle.Found) -> None:
    part = lifecycle.lock(found)
    if part is None and found.done:
        return
    if part is None:
        raise StateConflict("This upload is in use.", code="upload_locked", hint="Try again in a moment.")
    try:
        lifecycle.finish(found, part)
    finally:
        part.close()


def _own_upload(user: User, upload_id: UUID | str) -> Upload:
    """The upload, when ``user`` made it and may still write, or manages the project; else as for any object."""
    upload = (
        Upload.objects.select_related("folder__site", "folder__project", "created_by")
        .filter(pk=upload_id, folder__project__in=Project.objects.visible_to(user))
        .first()
    )
    if upload is None:
        raise NotFound("There is no such upload.", code="upload_not_found")
    mine = upload.created_by_id == user.pk
    get_project(user, Action.WRITE if mine else Action.MANAGE, upload.folder.project_id)
    return upload


def _ticket(upload: Upload, secret: str) -> UploadTicket:
    return UploadTicket(upload_id=upload.pk, url=f"{settings.DOOR_URL}/uploads/{secret}", expires_at=upload.expires_at)
