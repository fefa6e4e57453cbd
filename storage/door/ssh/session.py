"""One session of the SSH door: what was asked is allowed, runs in its sandbox, and ends when the link does."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psutil
from django.db import close_old_connections

from common.errors import Forbidden, PortolanError, StateConflict
from storage import quota
from storage.door.ssh import reports
from storage.door.ssh.only_new import Broken, pump
from storage.door.ssh.orders import Order, read_order
from storage.door.ssh.records import Records, folder_now
from storage.door.ssh.sandbox import Opening, around_session
from storage.links import traffic
from storage.links.access import MEMO_SECONDS, Pass, enter_by_key, forget, standing_of
from storage.links.traffic import Done, Ledger
from storage.models import Dataset
from storage.paths import ensure_dir, inner, locked_by

LOOK_SECONDS = MEMO_SECONDS / 2
GRACE_SECONDS = 2.0
# What goes over the wire beside the files themselves, at most, with a hundredth of them: it must cut no file that fits.
OVERHEAD = 256 * 1024
REFUSED, ENDED = 255, 254
WRAPPERS = {"bwrap", "prlimit"}


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a login brings: the link of its key, the command that it asked for, from where it comes."""

    link_id: UUID
    command: str
    address: str
    ends: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What sessions need: the programs, an empty folder, and a folder for their pipes."""

    bwrap: str
    prlimit: str
    empty: Path
    pipes: Path
    ledger: Ledger


def run(hello: Hello, workshop: Workshop, *, gone: Callable[[], bool]) -> int:
    """The session has run to its end, or was refused or ended; its exit status. ``gone()`` once nobody waits for it."""
    close_old_connections()
    try:
        return Session(hello, workshop, gone=gone).run()
    except PortolanError as error:
        _tell(hello.ends[2], f"{error.message} {error.hint}".strip())
        _note_refused(hello, workshop.ledger, error.code)
        return REFUSED
    finally:
        workshop.ledger.write()
        close_old_connections()


def _tell(stderr: int, message: str) -> None:
    with suppress(OSError):
        os.write(stderr, f"portolan: {message}\n".encode())


def _note_refused(hello: Hello, ledger: Ledger, code: str) -> None:
    what = hello.command.split(" ", 1)[0][:12] or "shell"
    ledger.note(Done(link_id=hello.link_id, address=hello.address, operation=what, path="", size=0, outcome=code))


class Session:
    """A session that is allowed to begin, or an error from here on."""

    def __init__(self, hello: Hello, workshop: Workshop, *, gone: Callable[[], bool]) -> None:
        self.hello, self.workshop, self.gone = hello, workshop, gone
        forget(hello.link_id)  # what it has used up must be as of now
        self.here: Pass = enter_by_key(hello.link_id, hello.address)
        self.link = self.here.link
        self.rights = standing_of(self.link.pk).rights
        self.locked = self._locked()
        self.order: Order = read_order(hello.command, self.rights, is_file=self.link.is_file, frozen=bool(self.locked))
        self.here.require(*self.order.needs)
        if self.link.max_bytes is not None and self.link.spent_bytes >= self.link.max_bytes:
            raise Forbidden("this link may not move any more bytes.", code="link_bytes_used")
        self.records = Records(self.here, workshop.ledger, target=self.order.target or ".", writes=self.order.writes)
        self.counted: dict[int, int] = {}

    def run(self) -> int:
        """The command has ended by itself, or with the link."""
        writes = self.order.writes and not locked_by(self.here.root, self.link.path)
        if self.order.writes and self.order.tool == "rsync" and not writes:
            raise StateConflict("this folder is a dataset that was marked complete.", code="dataset_locked")
        limit = self._file_limit() if writes else None
        if not self.link.path:
            ensure_dir(self.here.root, inner("uploads"))
        traffic.use(self.link)
        opening = Opening(
            root=self.here.root, path=self.link.path, is_file=self.link.is_file, writes=writes, locked=self.locked
        )
        with ExitStack() as stack:
            pipe = self._pipe(stack)
            shop = self.workshop
            walled = stack.enter_context(
                around_session(self.order.argv, opening, bwrap=shop.bwrap, report=pipe, empty=shop.empty)
            )
            sized = [shop.prlimit, f"--fsize={limit}", "--", *walled.argv] if limit is not None else walled.argv
            return self._watch(sized, walled.fds, os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))

    def _pipe(self, stack: ExitStack) -> Path:
        pipe = self.workshop.pipes / f"{os.getpid()}-{id(self)}"
        os.mkfifo(pipe, 0o600)
        stack.callback(pipe.unlink)
        return pipe

    def _file_limit(self) -> int:
        """How long a file may get in this session; QuotaExceeded or Unavailable when there is no room at all."""
        folder = folder_now(self.link)
        quota.check_room(folder, 1)
        room = quota.room(folder)
        limits = [room.disk_free, room.left, self.link.max_bytes and self.link.max_bytes - self.link.spent_bytes]
        return max(min(limit for limit in limits if limit is not None), 0)

    def _locked(self) -> list[str]:
        """The datasets below the link's folder, in the order of their names: an outer one comes first."""
        rows = Dataset.objects.filter(folder=self.link.folder, unlocked_at=None).values_list("path", flat=True)
        return sorted(path for path in rows if not self.link.path or path.startswith(f"{self.link.path}/"))

    def _watch(self, argv: list[str], fds: list[int], report: int) -> int:
        stdin, stdout, stderr = self.hello.ends
        sftp = self.order.tool == "sftp"
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE if self.order.only_new and sftp else stdin, stdout=stdout,
            stderr=subprocess.PIPE if sftp else stderr, pass_fds=fds, cwd="/", umask=0o007, start_new_session=True,
        )  # fmt: skip
        if process.stdin is not None:
            threading.Thread(target=_guard, args=(stdin, process.stdin.fileno()), daemon=True).start()
        if process.stderr is not None:
            os.close(report)
            report = os.dup(process.stderr.fileno())
            os.set_blocking(report, False)
        lines = _Lines(report, self._reader(sftp=sftp))
        try:
            outcome = self._until_end(process, lines)
            self.records.took_place(lines.rest())
            with suppress(PortolanError):
                self.records.at(max(self.records.moved, self.records.told))
        finally:
            _end(process)
            os.close(report)
        status = process.returncode
        self.records.over(self.order.tool, outcome or ("ok" if status == 0 else "cut"))
        return ENDED if outcome else status if 0 <= status <= 255 else ENDED

    def _reader(self, *, sftp: bool) -> Callable[[bytes], list[reports.Event]]:
        return reports.SftpReader(only_new=self.order.only_new).read if sftp else reports.read_rsync

    def _until_end(self, process: subprocess.Popen[bytes], lines: _Lines) -> str:
        """The process has ended; "" when it did so by itself, else the code of why it was ended."""
        while process.poll() is None:
            try:
                self.records.took_place(lines.wait(LOOK_SECONDS))
                self._count(process.pid)
                self._still()
            except PortolanError as error:
                _tell(self.hello.ends[2], f"{error.message} {error.hint}".strip())
                return error.code
            if self.gone():
                return "cut"
        return ""

    def _count(self, pid: int) -> None:
        """What moved so far is what the busiest process read or wrote: sockets, pipes and files count alike."""
        for process in _workers(pid):
            with suppress(psutil.Error):
                found = process.io_counters()
                self.counted[process.pid] = max(found.read_chars, found.write_chars)
        most = max(self.counted.values(), default=0)
        self.records.at(max(self.records.told, most - most // 100 - OVERHEAD))

    def _still(self) -> None:
        """What was allowed is so still; PortolanError else."""
        if standing_of(self.link.pk).rights != self.rights:
            raise Forbidden("what this link allows has changed; begin again.", code="right_missing")
        self.here.require(*self.order.needs)
        if self.order.writes:
            if self._locked() != self.locked or locked_by(self.here.root, self.link.path):
                raise StateConflict("a folder here was marked complete just now; begin again.", code="dataset_locked")
            self.records.check_room()


def _workers(pid: int) -> list[psutil.Process]:
    """The processes that do the work, without what is around them."""
    with suppress(psutil.Error):
        found = psutil.Process(pid).children(recursive=True)
        return [process for process in found if process.name() not in WRAPPERS]
    return []


def _guard(client: int, server: int) -> None:
    """All that the client sends reaches sftp-server, but only new files are opened for writing."""

    def write(block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[os.write(server, view) :]

    with suppress(OSError, Broken):
        pump(lambda size: os.read(client, size), write)
    with suppress(OSError):
        os.close(server)


def _end(process: subprocess.Popen[bytes]) -> None:
    """No process of the session is left; rsync had time to keep what came of a file."""
    if process.poll() is None:
        workers = _workers(process.pid)
        for worker in workers:
            with suppress(psutil.Error):
                worker.terminate()
        psutil.wait_procs(workers, timeout=GRACE_SECONDS)
        with suppress(ProcessLookupError):
            process.kill()
    process.wait(10)


class _Lines:
    """Lines of a pipe, read as events without waiting for more than is there."""

    def __init__(self, fd: int, read: Callable[[bytes], list[reports.Event]]) -> None:
        self.fd, self._read, self._held = fd, read, b""

    def wait(self, seconds: float) -> list[reports.Event]:
        """What came within ``seconds``, as soon as it came."""
        begun = time.monotonic()
        select.select([self.fd], [], [], seconds)
        found = self.rest()
        if not found and time.monotonic() - begun < seconds / 10:  # closed, or only half a line
            time.sleep(seconds / 10)
        return found

    def rest(self) -> list[reports.Event]:
        """What is there now."""
        with suppress(BlockingIOError):
            while block := os.read(self.fd, 64 * 1024):
                self._held += block
        *lines, self._held = self._held.split(b"\n")
        return [event for line in lines for event in self._read(line)]
