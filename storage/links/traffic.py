"""What links move: bytes and uses against their limits, counters that a page can follow, and the access log.

A limit is kept exactly, also over many processes: the row gives the bytes before they move. Counters and log are
gathered in memory and written about once a second, so a request costs no row of its own; a killed process loses what it
did not write yet.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from common.errors import Forbidden, QuotaExceeded
from storage.models import LinkAccess, TransferLink

KEPT_ROWS = 10_000
MOST_WAITING = 20_000
_TRIM_EVERY = 500


def spend(link: TransferLink, size: int) -> None:
    """``size`` bytes of the link's limit are taken; QuotaExceeded ``link_bytes_used`` when it has not so many."""
    if link.max_bytes is None or size <= 0:
        return
    room = TransferLink.objects.filter(pk=link.pk, spent_bytes__lte=F("max_bytes") - size)
    if not room.update(spent_bytes=F("spent_bytes") + size):
        raise QuotaExceeded("This link may not move that many bytes any more.", code="link_bytes_used")


def give_back(link: TransferLink, size: int) -> None:
    """``size`` bytes that were taken and not moved count no more."""
    if link.max_bytes is not None and size > 0:
        TransferLink.objects.filter(pk=link.pk).update(spent_bytes=Greatest(F("spent_bytes") - size, 0))


def use(link: TransferLink) -> None:
    """One use more is counted (a download or an upload begun); Forbidden ``link_uses_used`` when there is none left."""
    if link.max_uses is None:
        return
    if not TransferLink.objects.filter(pk=link.pk, uses__lt=F("max_uses")).update(uses=F("uses") + 1):
        raise Forbidden("This link has been used as often as it may be.", code="link_uses_used")


@dataclass(frozen=True, kw_only=True)
class Done:
    """What one request did. ``outcome`` is "ok" or the code of what was wrong."""

    link_id: UUID
    address: str
    operation: str
    path: str
    size: int
    outcome: str


class _Counts:
    def __init__(self) -> None:
        self.bytes_in = self.bytes_out = self.files_in = self.files_out = 0


class Ledger:
    """Counters and log rows that wait to be written."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._rows: list[LinkAccess] = []
        self._counts: dict[UUID, _Counts] = defaultdict(_Counts)
        self._since_trim: dict[UUID, int] = defaultdict(int)

    def moved(self, link_id: UUID, *, bytes_in: int = 0, bytes_out: int = 0) -> None:
        """So many bytes came or went just now."""
        with self._guard:
            counts = self._counts[link_id]
            counts.bytes_in += bytes_in
            counts.bytes_out += bytes_out

    def note(self, done: Done, *, files_in: int = 0, files_out: int = 0) -> None:
        """A request is over. When nothing can be written for long, the log has a gap, and the counters still hold."""
        row = LinkAccess(
            link_id=done.link_id,
            address=done.address or None,
            operation=done.operation,
            path=_printable(done.path)[:2000],
            size=done.size,
            outcome=done.outcome[:40],
        )
        with self._guard:
            if len(self._rows) < MOST_WAITING:
                self._rows.append(row)
            counts = self._counts[done.link_id]
            counts.files_in += files_in
            counts.files_out += files_out

    def write(self) -> None:
        """All that waited is in the database; what belongs to a link that is gone is dropped."""
        with self._guard:
            rows, self._rows = self._rows, []
            counts, self._counts = self._counts, defaultdict(_Counts)
        if not rows and not counts:
            return
        try:
            self._write(rows, counts)
        except BaseException:
            self._put_back(rows, counts)
            raise
        for link_id in counts:
            self._trim(link_id)

    def _write(self, rows: list[LinkAccess], counts: dict[UUID, _Counts]) -> None:
        now = timezone.now()
        with transaction.atomic():
            there = set(TransferLink.objects.filter(pk__in=list(counts)).values_list("pk", flat=True))
            for link_id in there:
                found = counts[link_id]
                TransferLink.objects.filter(pk=link_id).update(
                    bytes_in=F("bytes_in") + found.bytes_in,
                    bytes_out=F("bytes_out") + found.bytes_out,
                    files_in=F("files_in") + found.files_in,
                    files_out=F("files_out") + found.files_out,
                    last_used_at=now,
                )
            LinkAccess.objects.bulk_create([row for row in rows if row.link_id in there], batch_size=500)
        for row in rows:
            self._since_trim[row.link_id] += 1

    def _put_back(self, rows: list[LinkAccess], counts: dict[UUID, _Counts]) -> None:
        with self._guard:
            self._rows = (rows + self._rows)[:MOST_WAITING]
            for link_id, found in counts.items():
                kept = self._counts[link_id]
                for name, value in vars(found).items():
                    setattr(kept, name, getattr(kept, name) + value)

    def _trim(self, link_id: UUID) -> None:
        if self._since_trim[link_id] < _TRIM_EVERY:
            return
        del self._since_trim[link_id]
        oldest = LinkAccess.objects.filter(link_id=link_id).order_by("-id").values_list("id", flat=True)
        past = list(oldest[KEPT_ROWS : KEPT_ROWS + 1])
        if past:
            LinkAccess.objects.filter(link_id=link_id, id__lte=past[0]).delete()


def _printable(path: str) -> str:
    """``path`` as any database takes it: what clients ask for may hold NUL and halves of letters."""
    return path.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
