"""Blocking work of the door, off its event loop: the disk and the database have threads of their own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
T = TypeVar("T")

DISK = ThreadPoolExecutor(max_workers=32, thread_name_prefix="disk")
# SQLite has one writer, and PostgreSQL's connections are dear: a few threads are enough for rows.
ROWS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="rows")
# Finishing may read a large file again; it must keep neither rows nor running uploads waiting.
FINISH = ThreadPoolExecutor(max_workers=8, thread_name_prefix="finish")


async def on_disk(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``work`` returned, run in a thread for the disk."""
    return await asyncio.get_running_loop().run_in_executor(DISK, lambda: work(*args, **kwargs))


async def on_rows(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``work`` returned, run in a thread with a database connection that is given back afterwards."""
    return await _with_connection(ROWS, lambda: work(*args, **kwargs))


async def finishing(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Like ``on_rows``, for work that may take minutes on the disk."""
    return await _with_connection(FINISH, lambda: work(*args, **kwargs))


async def _with_connection(pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    def connected() -> T:
        close_old_connections()
        try:
            return work()
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(pool, connected)
