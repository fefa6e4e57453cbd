"""One file's bytes from the source into its partial file; runs in a thread and touches no database.

A partial file is gone on with where it ends, when the source can be held to the same file (``If-Range`` with its ETag
or time of change); else it begins again. SHA-256 and the source's own checksum are computed while the bytes come.
What was there before is read again first, or, where that is much, the whole file once at its end.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from common.errors import PortolanError, QuotaExceeded, StateConflict, Unavailable
from storage.imports import digests
from storage.imports.guard import Reach
from storage.imports.sources.base import Facts, as_length
from storage.paths import Inner, ensure_dir, inner, open_beneath, plain_errors

AREA = "imports"
READ_AGAIN_BYTES = 256 * 1024**2
READ_BYTES = 4 * 1024**2


class Stopped(Exception):
    """The turn is over, or the import was paused or ended; what came is kept."""


class Changed(Exception):
    """The file at the source is another than the one that was listed."""

    def __init__(self, facts: Facts) -> None:
        super().__init__("changed")
        self.facts = facts


@dataclass(frozen=True, kw_only=True)
class Signals:
    """What the streams of one turn obey: ``halt`` at once, ``turn_over`` where the file can be gone on with."""

    halt: threading.Event = field(default_factory=threading.Event)
    turn_over: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A file to fetch; ``most`` is how many bytes it may have where its size is not known."""

    root: Path
    run: str
    number: int
    address: str
    facts: Facts
    received: int
    most: int | None

    @property
    def part(self) -> Inner:
        """Its partial file."""
        return part_of(self.run, self.number)


@dataclass(kw_only=True)
class Flow:
    """How far a file is; written by its thread, read by the other."""

    received: int = 0
    durable: int = 0
    sums: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A whole partial file that is on disk; ``verified`` is the source's checksum that it agrees with, or ""."""

    size: int
    sha256: str
    verified: str
    inode: int


def part_of(run: str, number: int) -> Inner:
    """The partial file of one file of an import."""
    return inner(AREA, run, f"{number}.part")


def fetch(reach: Reach, wanted: Wanted, flow: Flow, signals: Signals) -> Fetched:
    """The partial file is whole and checked.

    Raises Stopped, Changed, StateConflict ``checksum_mismatch`` (the partial file is empty then), QuotaExceeded, and
    what ``Reach`` raises.
    """
    ensure_dir(wanted.root, inner(AREA, wanted.run))
    fd = open_beneath(wanted.root, wanted.part, os.O_RDWR | os.O_CREAT)
    try:
        with plain_errors(""):
            flow.sums = dict(wanted.facts.sums)
            flow.received = flow.durable = _start(fd, wanted)
            sums = _Sums(fd, flow)
            if not flow.received or flow.received != wanted.facts.size:
                _come(reach, fd, wanted, flow, sums, signals)
            os.fdatasync(fd)
            flow.durable = flow.received
            return _checked(fd, wanted, flow, sums, signals)
    finally:
        os.close(fd)


def make_durable(root: Path, run: str, number: int, flow: Flow) -> None:
    """What had come of the file is on disk; called by the other thread, about once a second."""
    at = flow.received
    if at <= flow.durable:
        return
    with suppress(PortolanError, OSError):  # its own thread meets the same and tells it
        fd = open_beneath(root, part_of(run, number), os.O_RDONLY)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)
        if flow.received >= at:  # it has not begun again meanwhile
            flow.durable = at


def _start(fd: int, wanted: Wanted) -> int:
    """Where to go on; bytes after it are not known to be durable and are cut off."""
    start = min(wanted.received, os.fstat(fd).st_size)
    if not _validator(wanted.facts) or (wanted.facts.size is not None and start > wanted.facts.size):
        start = 0
    os.ftruncate(fd, start)
    return start


def _validator(facts: Facts) -> str:
    """What ``If-Range`` holds the source to; "" when there is nothing that is sure."""
    return facts.etag if facts.etag and not facts.etag.startswith("W/") else facts.modified


class _Sums:
    """Running checksums of the bytes so far; ``None`` in ``running`` while they are left for the end."""

    def __init__(self, fd: int, flow: Flow) -> None:
        self._fd, self._flow = fd, flow
        self.running: dict[str, object] | None = None

    def begin(self, signals: Signals) -> None:
        """Checksums go on from the bytes that are there, unless these are many."""
        self.running = None
        if self._flow.received <= READ_AGAIN_BYTES:
            self.running = self._new()
            self._read(signals)

    def _new(self) -> dict[str, object]:
        names = {"sha256", digests.strongest(self._flow.sums)} - {""}
        return {name: digests.new(name) for name in names}

    def _read(self, signals: Signals) -> None:
        at = 0
        while at < self._flow.received:
            if signals.halt.is_set():
                raise Stopped
            block = os.pread(self._fd, min(READ_BYTES, self._flow.received - at), at)
            if not block:
                raise Unavailable("The partial file is shorter than it was.", code="storage_error")
            self.update(block)
            at += len(block)

    def update(self, block: bytes) -> None:
        """``block`` follows."""
        for running in (self.running or {}).values():
            running.update(block)  # type: ignore[attr-defined]

    def found(self, signals: Signals) -> dict[str, str]:
        """The checksums of the whole file."""
        wanted = {"sha256", digests.strongest(self._flow.sums)} - {""}
        if self.running is None or not wanted <= set(self.running):
            self.running = self._new()
            self._read(signals)
        return {name: running.hexdigest() for name, running in self.running.items()}  # type: ignore[attr-defined]


def _come(reach: Reach, fd: int, wanted: Wanted, flow: Flow, sums: _Sums, signals: Signals) -> None:
    """The rest of the file has come."""
    headers = {}
    if flow.received:
        headers = {"range": f"bytes={flow.received}-", "if-range": _validator(wanted.facts)}
    with reach.open("GET", wanted.address, headers) as (answer, _):
        begins = _begins(answer, wanted, flow)
        if begins != flow.received:
            os.ftruncate(fd, begins)
            flow.received = flow.durable = begins
        flow.sums |= digests.of_headers(answer.headers, whole=begins == 0)
        if digests.etag_is_no_sum(answer.headers):
            flow.sums.pop("md5", None)
        sums.begin(signals)
        waits = begins > 0 or (answer.headers.get("accept-ranges") == "bytes" and bool(_validator(wanted.facts)))
        _write(answer, fd, wanted, flow, sums, signals, waits=waits)
    if wanted.facts.size is not None and flow.received < wanted.facts.size:
        raise Unavailable("The source broke off before the file's end.", code="source_unreachable")


def _begins(answer: httpx.Response, wanted: Wanted, flow: Flow) -> int:
    """The position of the answer's first byte in the file: where we are, or 0; Changed when it is another file."""
    headers, known = answer.headers, wanted.facts
    told = headers.get("content-range", "").removeprefix("bytes ")
    place, _, total = told.partition("/")
    length = as_length(headers.get("content-length"))
    size = as_length(total) if told else length
    found = Facts(size=size, etag=headers.get("etag", ""), modified=headers.get("last-modified", ""))
    if answer.status_code == 416 or _is_another(found, known):
        raise Changed(found if size is not None and answer.status_code != 416 else known)
    # Some servers give the right part, and say so, with the status of a whole answer.
    if flow.received and place.partition("-")[0] == str(flow.received):
        return flow.received
    if told or answer.status_code == 206:
        raise Changed(known)
    return 0


def _is_another(found: Facts, known: Facts) -> bool:
    if known.size is not None and found.size is not None and found.size != known.size:
        return True
    if known.etag and found.etag:
        return known.etag.removeprefix("W/") != found.etag.removeprefix("W/")
    return bool(known.modified and found.modified and known.modified != found.modified)


def _write(
    answer: httpx.Response, fd: int, wanted: Wanted, flow: Flow, sums: _Sums, signals: Signals, *, waits: bool
) -> None:
    most = wanted.facts.size if wanted.facts.size is not None else wanted.most
    try:
        for block in answer.iter_raw():
            if most is not None and flow.received + len(block) > most:
                raise _too_much(wanted)
            _write_all(fd, block, flow.received)
            sums.update(block)
            flow.received += len(block)
            if signals.halt.is_set() or (waits and signals.turn_over.is_set()):
                raise Stopped
    finally:
        os.fdatasync(fd)
        flow.durable = flow.received


def _write_all(fd: int, block: bytes, at: int) -> None:
    done = 0
    while done < len(block):
        done += os.pwrite(fd, memoryview(block)[done:], at + done)


def _too_much(wanted: Wanted) -> Exception:
    if wanted.facts.size is not None:
        return Changed(Facts(size=None, etag=wanted.facts.etag, modified=wanted.facts.modified))
    return QuotaExceeded("The project has no room for this file, whose size the source did not tell.")


def _checked(fd: int, wanted: Wanted, flow: Flow, sums: _Sums, signals: Signals) -> Fetched:
    found = sums.found(signals)
    name = digests.strongest(flow.sums)
    if name and found[name] != flow.sums[name]:
        os.ftruncate(fd, 0)
        flow.received = flow.durable = 0
        raise StateConflict(
            f"The {name} of what came is {found[name]}, but the source says {flow.sums[name]}.",
            code="checksum_mismatch",
            hint="The file may be damaged at the source, or on the way.",
        )
    return Fetched(size=flow.received, sha256=found["sha256"], verified=name, inode=os.fstat(fd).st_ino)
