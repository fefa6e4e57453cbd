"""Uploads that a link begins: those of the portal, in its issuer's name, that the same link can go on with."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.utils import timezone

from common.errors import StateConflict
from storage.models import LinkUpload, TransferLink, Upload, UploadState
from storage.services.uploads import begin_upload
from storage.uploads import lifecycle

KEPT_AFTER_CUT = timedelta(days=2)
WORTH_KEEPING = 1024**2


def begin(link: TransferLink, path: str, *, size: int, overwrite: bool) -> str:
    """The secret of a new upload to ``path``; what the link had begun there before is dropped."""
    old = find(link, path)
    if old is not None:
        lifecycle.end(old, UploadState.CANCELLED)
    ticket = begin_upload(link.created_by, link.folder.project_id, path=path, size=size, overwrite=overwrite)
    LinkUpload.objects.create(upload_id=ticket.upload_id, link=link)
    return ticket.url.rpartition("/")[2]


def go_on(link: TransferLink, path: str, *, size: int) -> str:
    """A new secret of the upload to ``path`` that this link began; StateConflict ``nothing_begun`` without one."""
    upload = find(link, path)
    if upload is None or upload.size != size:
        raise StateConflict(
            "Nothing of this file with this length was begun by this link.",
            code="nothing_begun",
            hint="Send it from its first byte, without Content-Range.",
        )
    secret = secrets.token_urlsafe(32)
    upload.token_digest, upload.expires_at = lifecycle.digest(secret), lifecycle.new_end()
    upload.save(update_fields=["token_digest", "expires_at"])
    return secret


def find(link: TransferLink, path: str) -> Upload | None:
    """The open upload to ``path`` that this link began."""
    mine = Upload.objects.filter(of_link__link=link, path=path, state=UploadState.OPEN)
    return mine.select_related("folder__site", "folder__project", "created_by").first()


def received(link: TransferLink, path: str) -> tuple[int, int] | None:
    """(bytes that are here, bytes in all) of what the link began to send to ``path``."""
    upload = find(link, path)
    return None if upload is None else (lifecycle.received(upload), upload.size)


def was_cut(link: TransferLink, path: str) -> None:
    """What came of the file is kept for two days, where that saves something; else it is gone."""
    upload = find(link, path)
    if upload is None:
        return
    if lifecycle.received(upload) < WORTH_KEEPING:
        lifecycle.end(upload, UploadState.CANCELLED)
        return
    Upload.objects.filter(pk=upload.pk, state=UploadState.OPEN).update(expires_at=timezone.now() + KEPT_AFTER_CUT)


def drop(link: TransferLink, path: str) -> None:
    """Nothing is left of what the link began to send to ``path``."""
    upload = find(link, path)
    if upload is not None:
        lifecycle.end(upload, UploadState.CANCELLED)
