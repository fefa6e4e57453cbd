"""One worker at a time does a job's next step; a worker that dies lets go at once.

PostgreSQL: an advisory lock of the session, so no transaction is open while the site is asked. SQLite (one machine by
its nature): a lock on one byte of a file, chosen by the job's id. Neither has a time-out that could be too short.
"""

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection

from jobs.backends.base import SiteUnavailable

# Far from the keys of jobs, which are random.
COPIES = 2**61
_FLOCK = "hhqqi"  # struct flock: type, whence, start, length, pid


@contextmanager
def only_one(job_id: UUID) -> Iterator[bool]:
    """True for the only holder, until the block ends or the process does; False for all others, without waiting."""
    key = job_id.int & (2**62 - 1)
    if connection.vendor == "postgresql":
        with _advisory_lock(key) as mine:
            yield mine
    else:
        with _byte_lock(key) as mine:
            yield mine


@contextmanager
def copying() -> Iterator[None]:
    """One of the ``COPIES_AT_ONCE`` places for long copies is held, so that workers stay free for all the rest.

    SiteUnavailable when all are taken: the copy's turn comes later.
    """
    with ExitStack() as held:
        for place in range(settings.COPIES_AT_ONCE):
            if held.enter_context(only_one(UUID(int=COPIES + place))):
                break
        else:
            raise SiteUnavailable("Other files are being copied just now.")
        yield


@contextmanager
def _advisory_lock(key: int) -> Iterator[bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


@contextmanager
def _byte_lock(key: int) -> Iterator[bool]:
    file = Path(settings.PORTOLAN_HOME) / "run" / "jobs.lock"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        mine = False
        with suppress(BlockingIOError):
            # "Open file description" locks belong to this opening, so two threads exclude each other as well.
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, key, 1, 0))
            mine = True
        yield mine
    finally:
        os.close(descriptor)
