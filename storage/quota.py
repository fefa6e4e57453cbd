"""Room in a folder: what is used, what uploads and imports have reserved, what is left.

``used_bytes`` is a counter: events move it, and a periodic task puts it right by measuring. What was deleted counts
until the trash is emptied, because it still fills the disk; nothing else of the portal's own area ``.portolan`` does.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Greatest
from django.utils import timezone

from common.errors import QuotaExceeded, Unavailable
from storage.listing import root_of
from storage.models import Folder, Import, Upload, UploadKind, UploadState, UsagePoint
from storage.paths import HIDDEN

MEASURE_EVERY = timedelta(hours=1)
FORECAST_FROM, REMEMBER = timedelta(days=14), timedelta(days=60)
WARNING_PERCENT, CRITICAL_PERCENT = 80.0, 95.0
KEEP_FREE_BYTES = 64 * 1024**2
# Of the hidden area what a user brought: deleted, or just being purged. Parts of uploads and imports are reserved for,
# and locks, fences, manifests and scratch space are the portal's own.
_COUNTED_AREAS = ("trash", "purging")
_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, kw_only=True)
class Room:
    """Bytes and files of a folder; limits and what is left are None where there is no quota.

    ``reserved`` is kept for open uploads and imports; ``disk_free`` is the site's.
    """

    limit: int | None
    used: int
    reserved: int
    disk_free: int
    limit_files: int | None = None
    used_files: int = 0
    reserved_files: int = 0

    @property
    def left(self) -> int | None:
        """Bytes that the quota still gives, never below 0."""
        return None if self.limit is None else max(0, self.limit - self.used - self.reserved)

    @property
    def left_files(self) -> int | None:
        """Files that the quota still gives, never below 0."""
        if self.limit_files is None:
            return None
        return max(0, self.limit_files - self.used_files - self.reserved_files)

    @property
    def percent(self) -> float | None:
        """How full the fuller of the two quotas is, with what open uploads have reserved; None without a quota."""
        shares = [
            100.0 * taken / limit if limit else 100.0
            for limit, taken in (
                (self.limit, self.used + self.reserved),
                (self.limit_files, self.used_files + self.reserved_files),
            )
            if limit is not None
        ]
        return max(shares) if shares else None

    @property
    def level(self) -> str:
        """``ok``, ``warning`` from 80 % on, ``critical`` from 95 % on."""
        percent = self.percent or 0.0
        return "critical" if percent >= CRITICAL_PERCENT else "warning" if percent >= WARNING_PERCENT else "ok"


def room(folder: Folder) -> Room:
    """The folder's room now."""
    size, files = _reserved(folder)
    return Room(
        limit=_first(folder.quota_bytes, folder.site.default_quota_bytes, settings.DEFAULT_QUOTA_BYTES),
        used=folder.used_bytes,
        reserved=size,
        disk_free=_disk_free(root_of(folder)),
        limit_files=_first(folder.quota_files, folder.site.default_quota_files, settings.DEFAULT_QUOTA_FILES),
        used_files=folder.used_files,
        reserved_files=files,
    )


def _reserved(folder: Folder) -> tuple[int, int]:
    """(bytes, files) kept for what is on its way, by one statement."""
    open_ones = Upload.objects.filter(folder=folder, state=UploadState.OPEN).order_by().values("folder")
    uploads = open_ones.annotate(bytes=Sum("size"), files=Count("pk", filter=Q(kind=UploadKind.WHOLE)))
    coming = Import.objects.filter(folder=folder).order_by().values("folder")
    imports = coming.annotate(bytes=Sum("reserved_size"), files=Sum("reserved_files"))
    found = list(uploads.values_list("bytes", "files").union(imports.values_list("bytes", "files"), all=True))
    return sum(int(size) for size, _ in found), sum(int(files) for _, files in found)


def _first(*limits: int | None) -> int | None:
    return next((limit for limit in limits if limit is not None), None)


def check_room(folder: Folder, size: int, *, files: int = 1) -> None:
    """Nothing happens when ``size`` more bytes in ``files`` fit; else QuotaExceeded, or Unavailable ``disk_full``.

    Called in the transaction that then writes the Upload row, it keeps a second caller waiting until that ends, so
    that two uploads can't both take the last room.
    """
    if connection.in_atomic_block:
        folder = Folder.objects.select_for_update(of=("self",)).select_related("site").get(pk=folder.pk)
    now = room(folder)
    if now.left is not None and size > now.left:
        taken = f"{in_words(now.used)} used, {in_words(now.reserved)} kept for what is on its way"
        raise QuotaExceeded(
            f"This needs {in_words(size)}, but the project has {in_words(now.left)} left"
            f" of its {in_words(now.limit or 0)} ({taken}).",
            hint="Delete what is not needed and empty the trash, end open uploads, or ask the operator for more.",
        )
    if now.left_files is not None and files > now.left_files:
        raise QuotaExceeded(
            f"The project may hold {now.limit_files} files: {now.used_files} are there and {now.reserved_files} on"
            " their way.",
            hint="Delete what is not needed and empty the trash, pack small files together, or ask the operator.",
        )
    if size + now.reserved > now.disk_free - KEEP_FREE_BYTES:
        raise Unavailable(
            f"This needs {in_words(size)}, but the storage has only {in_words(now.disk_free)} free.", code="disk_full"
        )


def in_words(size: int) -> str:
    """``size`` bytes as people say it: "1.5 GB" (powers of 1000)."""
    amount = float(size)
    for unit in _UNITS:
        if amount < 1000 or unit == _UNITS[-1]:
            break
        amount /= 1000
    return f"{size} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"


def note_change(folder: Folder, *, size: int, files: int) -> None:
    """The counters have moved by ``size`` bytes and ``files`` files (either may be negative)."""
    Folder.objects.filter(pk=folder.pk).update(
        used_bytes=Greatest(F("used_bytes") + size, 0), used_files=Greatest(F("used_files") + files, 0)
    )


def measure(folder: Folder) -> tuple[int, int]:
    """(bytes, files) found on disk are the counters now. Of the portal's own area the trash alone counts."""
    root = root_of(folder)
    size, files = _measured(root, hidden=str(root / HIDDEN))
    with transaction.atomic():
        Folder.objects.filter(pk=folder.pk).update(used_bytes=size, used_files=files, measured_at=timezone.now())
        UsagePoint.objects.create(folder=folder, size=size, files=files)
        UsagePoint.objects.filter(folder=folder, at__lt=timezone.now() - REMEMBER).delete()
    return size, files


def days_left(folder: Folder, now: Room) -> float | None:
    """In how many days the quota (or the disk) is full at the rate of the last two weeks; None when it does not grow.

    The rate is what came between the oldest measurement of these weeks and now; below one hour nothing is forecast.
    """
    since = timezone.now() - FORECAST_FROM
    first = UsagePoint.objects.filter(folder=folder, at__gte=since).order_by("at").first()
    if first is None or timezone.now() - first.at < timedelta(hours=1):
        return None
    days = (timezone.now() - first.at) / timedelta(days=1)
    room_for_bytes = now.disk_free if now.left is None else min(now.left, now.disk_free)
    found = [
        left / (grown / days)
        for left, grown in ((room_for_bytes, now.used - first.size), (now.left_files, now.used_files - first.files))
        if left is not None and grown > 0
    ]
    return min(found) if found else None


def to_measure() -> list[UUID]:
    """The folders not measured in the last hour."""
    stale = Q(measured_at__isnull=True) | Q(measured_at__lt=timezone.now() - MEASURE_EVERY)
    return list(Folder.objects.filter(stale).values_list("pk", flat=True))


def measured_below(root: Path) -> tuple[int, int]:
    """(bytes, files) below ``root``, following no link."""
    return _measured(root)


def _measured(root: Path, *, hidden: str = "") -> tuple[int, int]:
    size = files = 0
    for above, folders, names, fd in os.fwalk(root, follow_symlinks=False):
        if above == hidden:
            folders[:] = [area for area in folders if area in _COUNTED_AREAS]
            continue
        for name in names:
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                size, files = size + status.st_size, files + 1
    return size, files


def _disk_free(path: Path) -> int:
    try:
        status = os.statvfs(path)
    except OSError as error:
        raise Unavailable("The storage of this project does not answer.", code="storage_error") from error
    return status.f_bavail * status.f_frsize
