"""What was deleted a short while ago: ``.portolan/trash/<id>/<name>``, moved there by a rename, so at once.

The row is written before the rename: after a crash between the two there is a row without a file, which
``drop_empty`` removes; never a file that nobody can find.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common.errors import NotFound, PortolanError, StateConflict
from projects.audit import record
from storage.listing import root_of, stat_path
from storage.models import Folder, TrashItem
from storage.paths import Inner, as_found, ensure_dir, exists_beneath, inner, remove_beneath, rename_beneath
from storage.quota import measured_below, note_change

logger = logging.getLogger(__name__)
_SETTLED_AFTER = timedelta(minutes=10)


def place_of(item: TrashItem) -> Inner:
    """Where the deleted thing lies now."""
    return inner("trash", str(item.pk), item.path.rpartition("/")[2])


def put_away(folder: Folder, path: str, user: User) -> TrashItem:
    """``path`` is in the trash until the day that ``TRASH_DAYS`` says, and the audit trail knows."""
    root = root_of(folder)
    is_dir = stat_path(root, path).kind == "folder"
    with transaction.atomic():
        expires = timezone.now() + timedelta(days=settings.TRASH_DAYS)
        item = TrashItem.objects.create(folder=folder, path=path, is_dir=is_dir, deleted_by=user, expires_at=expires)
        record(folder.project, user, "files.deleted", path, trash=str(item.pk))
    try:
        ensure_dir(root, inner("trash", str(item.pk)))
        rename_beneath(root, path, place_of(item))
    except PortolanError as error:
        remove_beneath(root, inner("trash", str(item.pk)))
        with transaction.atomic():
            record(folder.project, user, "files.delete_failed", path, trash=str(item.pk), problem=error.message)
            item.delete()
        raise
    return item


def take_back(item: TrashItem, user: User) -> TrashItem:
    """What was deleted is where it was; StateConflict ``name_taken`` when something else is there by now."""
    if item.restored_at is not None:
        return item
    if item.purged_at is not None:
        raise NotFound(f"“{item.path}” is no longer in the trash.", code="trash_emptied")
    root = root_of(item.folder)
    above = item.path.rpartition("/")[0]
    ensure_dir(root, as_found(above))
    try:
        rename_beneath(root, place_of(item), as_found(item.path))
    except NotFound as error:
        raise NotFound(f"“{item.path}” is no longer in the trash.", code="trash_emptied") from error
    except StateConflict as error:
        hint = "Rename what is there now, then restore again."
        raise StateConflict(error.message, code="name_taken", hint=hint) from error
    with transaction.atomic():
        item.restored_at = timezone.now()
        item.save(update_fields=["restored_at"])
        record(item.folder.project, user, "files.restored", item.path, trash=str(item.pk))
    remove_beneath(root, inner("trash", str(item.pk)))
    return item


def due(limit: int = 1000) -> list[UUID]:
    """The items whose time in the trash is over, oldest first."""
    items = TrashItem.objects.filter(expires_at__lte=timezone.now(), restored_at=None, purged_at=None)
    return list(items.order_by("expires_at").values_list("pk", flat=True)[:limit])


def purge(item_id: UUID, *, by: User | None = None) -> None:
    """The item is gone for good, its room is given back, and the audit trail says who decided (None: the rule)."""
    item = TrashItem.objects.select_related("folder__site", "folder__project").get(pk=item_id)
    if item.purged_at is not None or item.restored_at is not None:
        return
    root = root_of(item.folder)
    going = inner("purging", str(item.pk))
    with suppress(NotFound):  # an earlier call may have come this far
        ensure_dir(root, inner("purging"))
        rename_beneath(root, inner("trash", str(item.pk)), going)  # from here on nobody can take it back
    size, files = measured_below(root / going)
    remove_beneath(root, going)
    with transaction.atomic():
        if TrashItem.objects.filter(pk=item.pk, purged_at=None).update(purged_at=timezone.now()):
            note_change(item.folder, size=-size, files=-files)
            record(item.folder.project, by, "files.purged", item.path, trash=str(item.pk), bytes=size)


def purge_due() -> None:
    """All due items are purged; one whose storage does not answer waits for the next time."""
    for item_id in due():
        try:
            purge(item_id)
        except (PortolanError, OSError):
            logger.exception("Trash item %s could not be purged.", item_id)


def drop_empty() -> int:
    """Rows whose file never came (a crash before the rename) are gone; their number."""
    settled = timezone.now() - _SETTLED_AFTER
    dropped = 0
    items = TrashItem.objects.filter(created_at__lte=settled, restored_at=None, purged_at=None)
    for item in items.select_related("folder__site").iterator():
        root = root_of(item.folder)
        places = (place_of(item), inner("purging", str(item.pk)))
        if root.is_dir() and not any(exists_beneath(root, place) for place in places):
            dropped += item.delete()[0]
    return dropped
