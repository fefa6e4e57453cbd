"""What a session moved, written where other doors write it: counters, access log, arrivals, the room that is left."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from dataclasses import replace

from common.errors import PortolanError, QuotaExceeded
from storage import quota, sums
from storage.door.ssh.reports import Event, Moved, Renamed
from storage.links import traffic
from storage.links.access import Pass
from storage.links.rights import Operation
from storage.links.tokens import is_within
from storage.links.traffic import Done, Ledger
from storage.models import Folder, TransferLink
from storage.paths import FILE_MODE, clean, open_unlinked, plain_errors

MOST_MISSED = 1000
# How a file that came is told in the log: new, over another one, or not known which.
_WORDS = {True: str(Operation.CREATE), False: str(Operation.REPLACE), None: "write"}


def folder_now(link: TransferLink) -> Folder:
    """The link's folder with its counters as they are at this moment; a link's row may be half a second old."""
    return Folder.objects.select_related("site").get(pk=link.folder_id)


class Records:
    """The records of one session. ``target`` is where rsync puts what it receives, below the link's folder."""

    def __init__(self, here: Pass, ledger: Ledger, *, target: str, writes: bool) -> None:
        self.here, self.ledger, self.target, self.writes = here, ledger, target, writes
        self.link, self.folder = here.link, here.link.folder
        self.moved = self.told = 0
        self._unsure = False
        self._missed: dict[str, Moved] = {}

    def at(self, moved: int) -> None:
        """``moved`` bytes went so far, at least; QuotaExceeded ``link_bytes_used`` when the link may not move them."""
        more = moved - self.moved
        if more <= 0:
            return
        self.moved = moved
        way = {"bytes_in": more} if self.writes else {"bytes_out": more}
        self.ledger.moved(self.link.pk, **way)
        self._spend(more)

    def _spend(self, size: int) -> None:
        try:
            traffic.spend(self.link, size)
        except QuotaExceeded:
            # These bytes have moved already: the limit is used up, whatever was left of it.
            TransferLink.objects.filter(pk=self.link.pk).update(spent_bytes=self.link.max_bytes)
            raise

    def check_room(self) -> None:
        """Nothing happens while the quota and the disk have room for what is being written; else PortolanError."""
        if self.writes:
            quota.check_room(folder_now(self.link), max(0, self.moved - self.told), files=0)

    def took_place(self, events: Sequence[Event]) -> None:
        """``events`` are recorded."""
        for event in events:
            if isinstance(event, Renamed):
                self._renamed(event)
            else:
                self._file(event)

    def over(self, tool: str, outcome: str) -> None:
        """The session has ended; what it did is told by its files, so only what went wrong is told once more."""
        if outcome != "ok":
            self._note(tool, self.target, 0, outcome)
        if self._unsure:
            Folder.objects.filter(pk=self.folder.pk).update(measured_at=None)

    def _renamed(self, event: Renamed) -> None:
        try:
            old, new = self._path(event.old), self._path(event.new)
        except PortolanError:
            return
        sums.moved(self.folder, old, new)
        # A client may give its file another name before it was looked at here.
        for path in [path for path in self._missed if is_within(path, event.old)]:
            self._arrive(replace(self._missed.pop(path), path=event.new + path[len(event.old) :]))
        self._note(Operation.MOVE, event.new, 0, "ok")
        self._unsure = True  # something may have had the new name

    def _file(self, event: Moved) -> None:
        self.told += event.size
        operation = _WORDS[event.new] if event.came else str(Operation.READ)
        outcome = "ok" if event.whole else "cut"
        if event.came:
            found = self._arrive(event)
            self._unsure = self._unsure or not (found and event.new)
            self._note(operation, found or event.path, event.size, outcome, files_in=1 if event.whole else 0)
        else:
            self._note(operation, event.path, event.size, outcome, files_out=1)

    def _arrive(self, event: Moved) -> str:
        """A file that came is counted, has the portal's mode, and a worker will compute its SHA-256; where it is."""
        # rsync names a single file as it is called at the sender; here it may be called as the target is.
        for path in (posixpath.join(self.target, event.path), self.target):
            try:
                status = self._settled(path)
            except PortolanError:
                continue
            if event.new:
                quota.note_change(self.folder, size=status.st_size, files=1)
            if event.whole:
                sums.note(
                    self.folder, self._path(path), size=status.st_size, mtime_ns=status.st_mtime_ns, sha256="",
                    source=sums.READ,
                )  # fmt: skip
            return path
        if len(self._missed) < MOST_MISSED:
            self._missed[event.path] = event
        return ""

    def _settled(self, path: str) -> os.stat_result:
        fd = open_unlinked(self.here.root, self._path(path))
        try:
            with plain_errors(path):
                os.fchmod(fd, FILE_MODE)
                os.fsync(fd)
                return os.fstat(fd)
        finally:
            os.close(fd)

    def _path(self, below: str) -> str:
        return self.here.place(clean(posixpath.normpath(below).lstrip("/")))

    def _note(self, operation: str, path: str, size: int, outcome: str, **files: int) -> None:
        done = Done(
            link_id=self.link.pk, address=self.here.address, operation=str(operation), path=path.removeprefix("./"),
            size=size, outcome=outcome,
        )  # fmt: skip
        self.ledger.note(done, **files)
