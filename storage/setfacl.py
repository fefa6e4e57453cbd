"""POSIX access lists by Debian's ``setfacl`` and ``getfacl``: what named users hold, given and taken.

Files are handed over as open handles (``/proc/self/fd/N``), so a path that somebody swaps meanwhile leads nowhere.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from common.errors import Unavailable
from storage.paths import HIDDEN, plain_errors

READ, WRITE = "r-x", "rwx"
ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}|[0-9]{1,9}")
SECONDS = 60
_BATCH = 200
_ENTRY = re.compile(r"(default:)?user:(\d+):([rwx-]{3})")
# What setfacl is to write: X is "search a folder, run what can be run already".
_WORDS = {READ: "rX", WRITE: "rwX"}


@dataclass(frozen=True, kw_only=True)
class Held:
    """What named users (by uid) hold on a directory: on itself, and as the default for what is made in it."""

    access: Mapping[int, str]
    default: Mapping[int, str]


def uid_of(account: str) -> int | None:
    """The uid of a POSIX account; None when this machine does not know it. A number is taken as it is."""
    if account.isdigit():
        return int(account)
    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        return None


def held_on(directory: Path) -> Held:
    """What named users hold on ``directory``; Unavailable where there are no access lists."""
    fd = _handle(str(directory))
    try:
        text = _run(["getfacl", "--omit-header", "--numeric", "--absolute-names", "--"], [fd])
    finally:
        os.close(fd)
    found: tuple[dict[int, str], dict[int, str]] = ({}, {})
    for line in text.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            found[bool(entry[1])][int(entry[2])] = entry[3]
    return Held(access=found[False], default=found[True])


def take(directory: Path, uids: Iterable[int]) -> None:
    """These users can't enter ``directory`` any more, so nothing below it either: at once, whatever its size."""
    gone = [word for uid in sorted(uids) for word in ("-x", f"u:{uid}", "-x", f"d:u:{uid}")]
    if gone:
        fd = _handle(str(directory))
        try:
            _run(["setfacl", *gone, "--"], [fd])
        finally:
            os.close(fd)


def give_all(root: Path, wanted: Mapping[int, str], gone: Iterable[int]) -> None:
    """Everything below ``root`` has just the ``wanted`` entries (READ or WRITE by uid) and none of ``gone``.

    The hidden area can't be entered; what is made in it (uploads on their way) gets the entries all the same, because
    it is renamed into place later. ``root`` itself comes last: until then nobody new enters a half-done tree.
    """
    access, default = _entries("u", wanted, gone), _entries("d:u", wanted, gone)
    none = _entries("u", {}, {*gone, *wanted})
    words_of = {"file": access, "folder": access + default, "hidden": none + default}
    for kind, batch in _batches(root):
        words = words_of[kind]
        try:
            if words:
                _run(["setfacl", *words, "--"], batch)
        finally:
            for fd in batch:
                os.close(fd)


def _entries(kind: str, wanted: Mapping[int, str], gone: Iterable[int]) -> list[str]:
    ended = [word for uid in sorted(set(gone) - set(wanted)) for word in ("-x", f"{kind}:{uid}")]
    return ended + [word for uid, right in sorted(wanted.items()) for word in ("-m", f"{kind}:{uid}:{_WORDS[right]}")]


def _batches(root: Path) -> Iterator[tuple[str, list[int]]]:
    """(file | folder | hidden, handles): all that is below ``root``, links left out, ``root`` itself at the end."""
    with plain_errors(""):
        for above, _folders, names, here in os.fwalk(root, follow_symlinks=False):
            for start in range(0, len(names), _BATCH):
                found = (_below(here, name) for name in names[start : start + _BATCH])
                if batch := [fd for fd in found if fd is not None]:
                    yield "file", batch
            if Path(above) == root:
                continue
            yield ("hidden" if Path(above) == root / HIDDEN else "folder"), [os.dup(here)]
        yield "folder", [_handle(str(root))]


def _below(here: int, name: str) -> int | None:
    """A handle of the regular file ``name``; None for anything else, or when it is gone."""
    with suppress(FileNotFoundError):
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
    return None


def _handle(path: str) -> int:
    with plain_errors(""):
        return os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC)


def _run(argv: list[str], handles: list[int]) -> str:
    files = [f"/proc/self/fd/{fd}" for fd in handles]
    try:
        done = subprocess.run(
            [*argv, *files], pass_fds=handles, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(
            f"{argv[0]} could not be run: {error}.", code="acl_unavailable", hint="Install the package acl."
        ) from error
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise Unavailable(
            f"{argv[0]} failed: {words[-1] if words else 'no message'}.",
            code="acl_unavailable",
            hint="The storage site's file system must have POSIX access lists, and the portal must own the folders.",
        )
    return done.stdout
