"""Ending what daemons left behind: all processes that hold a file below a directory open, or run in it."""

import contextlib
import os
import signal
import time
from pathlib import Path


def end_below(home: Path) -> None:
    """No process works below ``home`` any more, nor any that such a one started."""
    deadline = time.monotonic() + 10
    while found := _below(home):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def _below(home: Path) -> list[int]:
    children: dict[int, list[int]] = {}
    todo = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if fields[0] in "ZX":
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
            held = [os.readlink(entry / "cwd"), *(os.readlink(one) for one in (entry / "fd").iterdir())]
            if any(one.startswith(f"{home}/") for one in held):
                todo.append(int(entry.name))
    found: list[int] = []
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found
