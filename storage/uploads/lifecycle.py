"""The way of an upload: found by its secret, allowed or not, finished, ended. Used by the door, services and tasks.

An upload is a grant of its own: it outlives the login or token that began it, ends after ``UPLOAD_IDLE_DAYS`` without
a byte, and dies with its maker's right to write, which is asked again here every time.

What happens when the whole file can't be placed: its name was taken meanwhile, the maker's right was lost, or the disk
refused. Then the bytes stay where they are, the row stays open, and the next try (a HEAD or an empty PATCH at the end,
or ``finish_as`` with another name) places them. Only a wrong SHA-256 of the whole discards: the offset is 0 again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from common.errors import Forbidden, NotFound, PortolanError, StateConflict, Unavailable, UserError
from projects.permissions import check
from projects.roles import Action
from storage import quota, sums
from storage.listing import root_of
from storage.models import FileSum, Upload, UploadKind, UploadState
from storage.paths import stat_beneath
from storage.uploads import parts, slots

TOUCH_EVERY = timedelta(hours=1)
log = logging.getLogger("portolan.uploads")


@dataclass(frozen=True, kw_only=True)
class Found:
    """An upload's row, where its bytes are, and whether it is finished."""

    upload: Upload
    root: Path

    @property
    def done(self) -> bool:
        """True when the file has its final name."""
        return self.upload.state == UploadState.DONE


def digest(secret: str) -> str:
    """What the database keeps of an upload's secret (256 random bits, so a plain hash is enough)."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def new_end() -> datetime:
    """When an upload that is touched now ends."""
    return timezone.now() + timedelta(days=settings.UPLOAD_IDLE_DAYS)


def find(secret: str) -> Found:
    """The upload of ``secret``, whole or open; NotFound ``upload_not_found`` or ``upload_ended``."""
    related = Upload.objects.select_related("folder__site", "folder__project", "created_by")
    upload = related.filter(token_digest=digest(secret)).first()
    if upload is None:
        raise NotFound("There is no such upload.", code="upload_not_found")
    _check_alive(upload)
    return Found(upload=upload, root=root_of(upload.folder))


def find_allowed(secret: str) -> Found:
    """Like ``find``, when its maker may still write into the project; else Forbidden."""
    found = find(secret)
    check_right(found.upload)
    return found


def check_again(upload: Upload) -> None:
    """Nothing happens while the upload is open and its maker may write; else NotFound or Forbidden."""
    fresh = _fresh(upload)
    _check_alive(fresh)
    check_right(fresh)


def _fresh(upload: Upload) -> Upload:
    fresh = Upload.objects.select_related("folder__project", "created_by").filter(pk=upload.pk).first()
    if fresh is None:
        raise NotFound("There is no such upload.", code="upload_not_found")
    return fresh


def check_right(upload: Upload) -> None:
    """Nothing happens when the upload's maker may write into the project now; else Forbidden.

    An archived project is Forbidden too: a client would try again after a conflict, and this one does not pass.
    """
    if not upload.created_by.is_active:
        raise Forbidden("The account behind this upload is closed.", code="account_closed")
    try:
        check(upload.created_by, Action.WRITE, upload.folder.project)
    except StateConflict as error:
        raise Forbidden(error.message, code=error.code, hint=error.hint) from error


def _check_alive(upload: Upload) -> None:
    ended = upload.state in (UploadState.CANCELLED, UploadState.EXPIRED, UploadState.JOINED)
    if ended or (upload.state == UploadState.OPEN and upload.expires_at <= timezone.now()):
        raise NotFound(
            "This upload has ended without its last byte.", code="upload_ended", hint="Begin it again in the project."
        )


def touch(upload: Upload) -> datetime:
    """The upload lives on; the time when it ends if nothing more comes."""
    end = new_end()
    if end - upload.expires_at > TOUCH_EVERY:
        Upload.objects.filter(pk=upload.pk, state=UploadState.OPEN).update(expires_at=end)
        upload.expires_at = end
    return upload.expires_at


def lock(found: Found) -> parts.Part | None:
    """The upload's part, locked; None while another holds it, or when the file turns out to be in place already."""
    try:
        part = parts.lock_part(found.root, found.upload.pk)
    except NotFound as error:
        _settle_missing(found, error)
        return None
    if part is None:
        return None
    if known := slots.slots_of(found.root, found.upload.pk):
        # The part is as long as its last byte; what counts is what is there without a gap.
        part.offset = slots.prefix_of(known)
    elif found.upload.joins and part.offset < found.upload.size:
        join(found, part)
    return part


def lock_slot(found: Found, start: int) -> slots.Slot | None:
    """The parallel part of the upload from ``start`` on, locked; None while another holds it, or all is in place."""
    try:
        return slots.lock_slot(found.root, found.upload.pk, start)
    except NotFound:
        if slots.slots_of(found.root, found.upload.pk):
            raise NotFound("There is no such part of this upload.", code="upload_not_found") from None
        part = lock(found)
        if part is not None:
            part.close()
        if found.done:
            return None
        raise NotFound("There is no such part of this upload.", code="upload_not_found") from None


def join(found: Found, part: parts.Part) -> None:
    """The bytes of all joined parts are in ``part``; their own files are gone. Goes on where a crash stopped it."""
    sizes = dict(Upload.objects.filter(pk__in=found.upload.joins).values_list("pk", "size"))
    begins = 0
    for pk in map(UUID, found.upload.joins):
        ends = begins + sizes[pk]
        if part.offset < ends:
            other = parts.lock_part(found.root, pk)
            if other is None:
                raise StateConflict("A part of this upload is in use.", code="upload_locked", hint="Try again.")
            try:
                if part.offset == 0:
                    part.become(other)
                    part.note_inode()
                else:
                    part.take_from(other.fileno(), part.offset - begins)
            finally:
                other.close()
            part.sync()
        parts.drop_part(found.root, pk)
        begins = ends
    part.note_inode()


def leave_slots(found: Found, part: parts.Part) -> None:
    """The upload goes on as one stream from the part's offset; what parallel parts hold behind it is given up."""
    known = slots.slots_of(found.root, found.upload.pk)
    if not known:
        return
    held: list[slots.Slot] = []
    try:
        for state in known:
            slot = slots.lock_slot(found.root, found.upload.pk, state.start)
            if slot is None:
                raise StateConflict("A part of this upload is being sent.", code="upload_locked", hint="Try again.")
            held.append(slot)
        slots.drop_slots(found.root, found.upload.pk)
        part.go_back(part.offset)
    finally:
        for slot in held:
            slot.close()


def make_slot(found: Found, *, start: int, length: int) -> slots.SlotState:
    """A parallel part of the upload is there; StateConflict when the upload can't be sent in parts (any more)."""
    upload = found.upload
    if upload.deferred or upload.joins or upload.kind == UploadKind.PART:
        raise StateConflict("This upload can't be sent in parallel parts.", code="no_parts")
    if not slots.slots_of(found.root, upload.pk) and parts.size_now(found.root, upload.pk):
        raise StateConflict("This upload has begun as one stream; go on with that.", code="upload_begun")
    return slots.make_slot(found.root, upload.pk, start=start, length=length, size=upload.size)


def slots_are_whole(found: Found) -> bool:
    """True when every byte of the file is durable in parallel parts."""
    return slots.are_whole(slots.slots_of(found.root, found.upload.pk), found.upload.size)


def slot_of_done(found: Found, start: int) -> int:
    """The length of the parallel part from ``start`` of a file that is in place; NotFound when it had none."""
    row = FileSum.objects.filter(folder=found.upload.folder, path=found.upload.path).first()
    for begins, length, _ in row.parts if row is not None else ():
        if begins == start:
            return int(length)
    raise NotFound("There is no such part of this upload.", code="upload_not_found")


def tell_size(found: Found, total: int) -> None:
    """The upload's length is ``total``, which was not told before; UserError ``length_changed`` when it was another."""
    upload = found.upload
    if not upload.deferred:
        if total != upload.size:
            raise UserError(f"The length was told before: {upload.size}.", code="length_changed")
        return
    if total < parts.size_now(found.root, upload.pk):
        raise UserError("More bytes than this are here already.", code="length_changed")
    parts.change_info(found.root, upload.pk, size=total)
    with transaction.atomic():
        quota.check_room(upload.folder, max(0, total - upload.size), files=0)
        Upload.objects.filter(pk=upload.pk).update(size=total, deferred=False)
    upload.size, upload.deferred = total, False


def reserve_upto(found: Found, size: int) -> None:
    """Room for ``size`` bytes is kept for an upload whose length is not told yet; QuotaExceeded when there is none."""
    upload = found.upload
    if not upload.deferred or size <= upload.size:
        return
    with transaction.atomic():
        quota.check_room(upload.folder, size - upload.size, files=0)
        Upload.objects.filter(pk=upload.pk, deferred=True).update(size=size)
    upload.size = size


def _settle_missing(found: Found, error: NotFound) -> None:
    """The part is gone: its row says done where the file is in place (a crash came between), else it is ended."""
    upload = found.upload
    fresh = _fresh(upload)
    if fresh.state != UploadState.OPEN:
        upload.state = fresh.state
        _check_alive(fresh)
        return
    if not parts.area_is_there(found.root):
        raise Unavailable("The storage of this project does not answer.", code="storage_error") from error
    try:
        placed = parts.is_placed(found.root, parts.read_info(found.root, upload.pk), upload.path)
    except NotFound:
        placed = False
    if placed:
        _note_done(found, upload.path, sha256=upload.sha256, replaced=None)
        return
    end(upload, UploadState.CANCELLED)
    raise NotFound(
        "The bytes of this upload are no longer on the storage.", code="upload_ended", hint="Begin it again."
    ) from error


def finish(found: Found, part: parts.Part, *, sha256: str = "") -> None:
    """The whole file has its final name, the row is done, its room is used instead of kept.

    ``sha256`` is what was computed on the way, "" where that was not possible; it is then read again where the maker
    told what it must be. Raises UserError ``checksum_mismatch`` (the offset is 0 again), StateConflict ``name_taken``
    and others (the bytes stay); see the module.
    """
    upload = found.upload
    check_again(upload)
    if upload.sha256:
        _check_sha256(upload, part, sha256 or part.sha256())
    info = parts.read_info(found.root, upload.pk)
    known = [(slot.start, slot.length, slot.sha256) for slot in slots.slots_of(found.root, upload.pk)]
    replaced = _size_of(found, upload.path) if info.overwrite else None
    try:
        path = part.place(upload.path, replace=info.overwrite)
    except StateConflict as error:
        raise StateConflict(
            f"“{upload.path}” was made while this was uploading. Every byte is here and kept.",
            code=error.code,
            hint="Move or delete that file and continue, or finish the upload under another name.",
            field="path",
        ) from error
    _note_done(found, path, sha256=sha256 or upload.sha256, replaced=replaced, known=known)


def _check_sha256(upload: Upload, part: parts.Part, found: str) -> None:
    if found == upload.sha256:
        return
    slots.drop_slots(part.root, upload.pk)
    part.go_back(0)
    raise UserError(
        f"The SHA-256 of the received file is {found}, not {upload.sha256}; its bytes were discarded.",
        code="checksum_mismatch",
        hint="Send the file again to the same address, from its first byte.",
    )


def _size_of(found: Found, path: str) -> int | None:
    try:
        return stat_beneath(found.root, path).st_size
    except NotFound:
        return None


def _note_done(
    found: Found, path: str, *, sha256: str, replaced: int | None, known: Sequence[tuple[int, int, str]] = ()
) -> None:
    """The row is done, the counters have moved, and the file's checksum is noted: that row is the file's arrival."""
    upload = found.upload
    # The file is there, so "done" is true even where someone cancelled in the very moment of the rename.
    open_or_cancelled = Upload.objects.filter(pk=upload.pk, state__in=[UploadState.OPEN, UploadState.CANCELLED])
    with transaction.atomic():
        if open_or_cancelled.update(state=UploadState.DONE, path=path, sha256=sha256, finished_at=timezone.now()):
            files = 1 if replaced is None else 0
            quota.note_change(upload.folder, size=upload.size - (replaced or 0), files=files)
            sums.note_placed(upload.folder, path, sha256=sha256, parts=known)
    upload.state, upload.path, upload.sha256 = UploadState.DONE, path, sha256
    parts.drop_part(found.root, upload.pk)
    log.info("upload %s is done (%d bytes)", upload.pk, upload.size)


def end(upload: Upload, state: UploadState) -> bool:
    """The upload has ended unfinished and its room is given back; False when it was not open any more."""
    ended = Upload.objects.filter(pk=upload.pk, state=UploadState.OPEN).update(state=state, finished_at=timezone.now())
    if ended:
        parts.drop_part(root_of(upload.folder), upload.pk)
        log.info("upload %s ended: %s", upload.pk, state)
    return bool(ended)


def end_idle(limit: int = 500) -> int:
    """Uploads whose time has passed have ended (at most ``limit``); how many. One that receives bytes now is left."""
    late = Upload.objects.filter(state=UploadState.OPEN, expires_at__lte=timezone.now())
    ended = 0
    for upload in late.select_related("folder__site", "folder__project", "created_by")[:limit]:
        try:
            ended += _end_if_idle(Found(upload=upload, root=root_of(upload.folder)))
        except PortolanError as error:
            log.warning("upload %s could not be ended: %s", upload.pk, error.code)
    return ended


def _end_if_idle(found: Found) -> bool:
    try:
        part = lock(found)
    except NotFound:
        return True
    if part is None:
        return False
    try:
        return end(found.upload, UploadState.EXPIRED)
    finally:
        part.close()


def received(upload: Upload) -> int:
    """How many of the upload's bytes are here now (moving while it is being written)."""
    if upload.state == UploadState.DONE:
        return upload.size
    root = root_of(upload.folder)
    if known := slots.slots_of(root, upload.pk):
        return sum(slot.offset for slot in known)
    return parts.size_now(root, upload.pk)
