"""The one place where a path from a person, a script or a job meets the disk.

Two steps, both needed. ``clean`` looks at the text alone and refuses what can't be a plain path in a folder. The
``*_beneath`` functions then resolve it from an open handle of the folder, in the kernel (``openat2``), so that a
link which is swapped while we look leads nowhere. Where the kernel has no ``openat2`` every component is opened
one by one and no link is followed at all.

What was decided about odd paths:

- ``..`` is refused even where it would stay inside; ``.`` and empty components mean nothing and are dropped.
- Refused everywhere: absolute paths, drive letters, NUL and control characters, backslashes, invisible and
  direction-changing Unicode (categories Cf, Cs, Zl, Zp), percent-encoded separators and dots (another server might
  decode them once more), names over 255 bytes, paths over 2000 bytes or 100 levels, and the hidden area
  ``.portolan`` in any spelling that some file system takes for it.
- Refused only for new names: leading or trailing blanks and trailing dots (Windows drops them). New names are
  stored in Unicode's NFC form. Names such as ``CON`` or ``a:b`` are left alone: they are harmless here.
- Links: reading follows a link that stays in the folder (not into the hidden area). Writing never follows one;
  delete and move act on the link itself.
- Only regular files are opened for reading: a pipe or a device would hang or do something.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote

from common.errors import Forbidden, NotFound, PortolanError, QuotaExceeded, StateConflict, Unavailable, UserError

HIDDEN = ".portolan"
LOCKED_LIST = "locked"
MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_DEPTH = 255, 2000, 100
FILE_MODE, DIR_MODE = 0o660, 0o770
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_FORBIDDEN_KINDS = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_DRIVE = re.compile(r"[A-Za-z]:(?:/|$)")
_ENCODED = re.compile(r"[/\\\x00]|^\.{1,2}$")


class Inner(str):
    """A path that is taken as it is: in the hidden area, or as found on disk. Never made from a user's text alone."""

    __slots__ = ()


def inner(area: str, *names: str) -> Inner:
    """The path of ``names`` in ``.portolan/<area>/``, which the other functions then take as it is."""
    parts = (area, *names)
    if any(not part or part in (".", "..") or "/" in part or "\0" in part for part in parts):
        raise ValueError(f"not plain names: {parts!r}")
    return Inner("/".join((HIDDEN, *parts)))


def as_found(path: str) -> Inner:
    """``path`` for making something under exactly this name, which was on disk before (copies, undelete)."""
    return Inner(clean(path))


def clean(relative: str) -> str:
    """``relative`` as plain components joined by ``/`` ("" is the folder itself); UserError ``bad_path`` else."""
    if isinstance(relative, Inner):
        return relative
    if not isinstance(relative, str):
        raise _bad("A path must be text.")
    if relative.startswith("/") or _DRIVE.match(relative):
        raise _bad("A path must start in the project folder, so without “/” or a drive letter in front.")
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    for part in parts:
        problem = _problem_of(part)
        if problem:
            raise _bad(problem)
    joined = "/".join(parts)
    if len(joined.encode()) > MAX_PATH_BYTES or len(parts) > MAX_DEPTH:
        raise _bad(f"This path is too long (at most {MAX_PATH_BYTES} bytes and {MAX_DEPTH} levels).")
    return joined


def clean_new(relative: str) -> str:
    """Like ``clean`` for something to be made: not empty, no blanks or dots at the ends of names, last name in NFC.

    The folders above keep their spelling, because they may exist already; ``ensure_dir`` writes new ones in NFC.
    """
    if isinstance(relative, Inner):
        return relative
    path = clean(relative)
    if not path:
        raise _bad("A name is needed.")
    for part in path.split("/"):
        if part != part.strip() or part.endswith("."):
            raise _bad(f"“{part}” starts or ends with a blank, or ends with a dot; not every system keeps that.")
    above, slash, name = path.rpartition("/")
    return clean(above + slash + unicodedata.normalize("NFC", name))


def is_plain(name: str) -> bool:
    """True when ``name``, as found on disk, can be addressed through ``clean``."""
    return name not in ("", ".", "..") and "/" not in name and not _problem_of(name) and not _DRIVE.match(name)


def is_hidden(name: str) -> bool:
    """True for the hidden area's name in any spelling that some file system takes for it."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    folded = "".join(c for c in folded if unicodedata.category(c) not in _FORBIDDEN_KINDS)
    return folded.split(":")[0].rstrip(" .") == HIDDEN


def _problem_of(part: str) -> str:
    if part == "..":
        return "“..” is not allowed in a path."
    if any(unicodedata.category(c) in _FORBIDDEN_KINDS for c in part):
        return "A name holds characters that can't be seen (control, direction or zero-width characters)."
    if "\\" in part:
        return "A name can't hold a backslash; folders are separated by “/”."
    if is_hidden(part):
        return f"“{HIDDEN}” is kept for the portal."
    if len(part.encode()) > MAX_NAME_BYTES:
        return f"A name is too long (at most {MAX_NAME_BYTES} bytes)."
    if "%" in part and _ENCODED.search(_decoded(part)):
        return "A name holds an encoded “/”, “\\” or “..”."
    return ""


def _decoded(part: str) -> str:
    for _ in range(5):
        further = unquote(part)
        if further == part:
            break
        part = further
    return part


def _bad(message: str) -> UserError:
    return UserError(message, code="bad_path", field="path")


# --- errors of the disk in plain words


def plain_error(error: OSError, path: str) -> PortolanError:
    """The error of a family that says in words what ``error`` means for ``path``."""
    where = f"“{path}”" if path else "the folder"
    number = error.errno
    if number in (errno.ELOOP, errno.EXDEV):
        return UserError(f"{where} goes through a link, which is not followed here.", code="bad_path", field="path")
    if number in (errno.ENAMETOOLONG, errno.EINVAL):
        return UserError(f"{where} can't be used as a path here.", code="bad_path", field="path")
    if number in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"There is no {where}." if path else "The folder is not there.", code="file_not_found")
    if number in (errno.EEXIST, errno.ENOTEMPTY):
        return name_taken(path)
    if number in (errno.EISDIR, errno.ENXIO):
        return UserError(f"{where} is not a file.", code="not_a_file", field="path")
    if number in (errno.EACCES, errno.EPERM):
        return Forbidden(f"The storage does not let the portal touch {where}.", code="storage_refuses")
    if number == errno.EDQUOT:
        return QuotaExceeded("The storage's own quota is used up; nothing was changed.", code="storage_quota")
    if number == errno.ENOSPC:
        return Unavailable(
            "The disk of this project is full; nothing was changed.",
            code="disk_full",
            hint="Delete what is not needed, or ask the operator for room.",
        )
    return Unavailable(
        f"The storage does not answer as it should for {where} ({error.strerror}).", code="storage_error"
    )


def name_taken(path: str) -> StateConflict:
    """The error for a name that is in use."""
    return StateConflict(f"“{path}” is there already.", code="name_taken", hint="Choose another name.")


@contextmanager
def plain_errors(path: str) -> Iterator[None]:
    """Inside, an OSError leaves as the fitting error of ``common.errors``."""
    try:
        yield
    except OSError as error:
        raise plain_error(error, path) from error


# --- opening beneath a root


class _How(ctypes.Structure):
    """``struct open_how`` of openat2(2)."""

    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


_SYS_OPENAT2 = 437  # the same on every architecture
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_RENAME_NOREPLACE = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _openat2(dir_fd: int, path: str, flags: int, mode: int, resolve: int) -> int:
    how = _How(flags | os.O_CLOEXEC, mode if flags & os.O_CREAT else 0, resolve)
    for _ in range(20):
        fd = _libc.syscall(_SYS_OPENAT2, dir_fd, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if fd >= 0:
            return int(fd)
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):  # EAGAIN: something was renamed while the kernel walked
            break
    raise OSError(number, os.strerror(number), path)


def kernel_has_openat2() -> bool:
    """True when the kernel (and the container's filter) lets us use openat2(2)."""
    try:
        os.close(_openat2(-100, "/", os.O_PATH, 0, 0))  # -100: AT_FDCWD
    except OSError:
        return False
    return True


HAS_OPENAT2 = kernel_has_openat2()


def _walk_open(root_fd: int, path: str, flags: int, mode: int) -> int:
    """Open ``path`` component by component, following no link at all."""
    parts = path.split("/")
    here = os.dup(root_fd)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_PATH | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
            if stat.S_ISLNK(os.fstat(here).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        last = os.open(parts[-1], flags | os.O_NOFOLLOW, mode, dir_fd=here)
    finally:
        os.close(here)
    if flags & os.O_PATH and stat.S_ISLNK(os.fstat(last).st_mode):
        os.close(last)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return last


def _open_at(root_fd: int, path: str, flags: int, mode: int, *, follow: bool) -> int:
    if not path:
        return os.open(".", flags & ~os.O_CREAT | os.O_CLOEXEC, dir_fd=root_fd)
    if not HAS_OPENAT2:
        return _walk_open(root_fd, path, flags | os.O_CLOEXEC, mode)
    if not follow:
        return _openat2(root_fd, path, flags | os.O_NOFOLLOW, mode, _NO_SYMLINKS | _NO_MAGICLINKS | _BENEATH)
    fd = _openat2(root_fd, path, flags, mode, _NO_MAGICLINKS | _BENEATH)
    if not isinstance(path, Inner) and _in_hidden_area(root_fd, fd):
        os.close(fd)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return fd


def _in_hidden_area(root_fd: int, fd: int) -> bool:
    top = os.readlink(f"/proc/self/fd/{root_fd}").rstrip("/")
    found = os.readlink(f"/proc/self/fd/{fd}")
    return found == f"{top}/{HIDDEN}" or found.startswith(f"{top}/{HIDDEN}/")


@contextmanager
def _root(root: Path) -> Iterator[int]:
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def open_beneath(root: Path, relative: str, flags: int, mode: int = FILE_MODE) -> int:
    """A new file descriptor of ``relative`` that is certainly in ``root``. The caller closes it.

    Reading follows links that stay inside; any flag that writes or creates makes links an error.
    """
    path = clean_new(relative) if flags & os.O_CREAT else clean(relative)
    with plain_errors(path):
        if flags & _CHANGES:
            refuse_locked(root, path)
        with _root(root) as root_fd:
            return _open_at(root_fd, path, flags, mode, follow=not flags & _CHANGES)


def open_regular(root: Path, relative: str) -> int:
    """A file descriptor for reading a regular file; UserError ``not_a_file`` for anything else, without waiting."""
    fd = open_beneath(root, relative, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UserError(f"“{relative}” is not a file.", code="not_a_file", field="path")
    return fd


def open_unlinked(root: Path, relative: str, *, directory: bool = False) -> int:
    """A file descriptor for reading a regular file (or a directory) to which no link leads, not even one inside."""
    path = clean(relative)
    kind = os.O_DIRECTORY if directory else os.O_NONBLOCK | os.O_NOCTTY
    with plain_errors(path), _root(root) as root_fd:
        fd = _open_at(root_fd, path, os.O_RDONLY | kind, 0, follow=False)
    if not directory and not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UserError(f"“{relative}” is not a file.", code="not_a_file", field="path")
    return fd


@contextmanager
def parent_of(root: Path, relative: str) -> Iterator[tuple[int, str]]:
    """(handle of the directory that holds ``relative``, its last name); no link is followed on the way."""
    path = clean(relative)
    if not path:
        raise _bad("The project folder itself can't be used here.")
    above, _, name = path.rpartition("/")
    with plain_errors(path):
        with _root(root) as root_fd:
            fd = _open_at(root_fd, Inner(above), DIRECTORY, 0, follow=False)
        try:
            yield fd, name
        finally:
            os.close(fd)


# --- datasets


_locked_lists: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {}


def locked_by(root: Path, path: str) -> str:
    """The dataset that ``path`` is in, or is; "" when it can be changed."""
    return next((found for found in _locked(root) if f"{path}/".startswith(f"{found}/")), "")


def _locked(root: Path) -> tuple[str, ...]:
    """The folders that ``.portolan/locked`` names, read again whenever that file is another."""
    try:
        with _root(root) as root_fd:
            fd = _open_at(root_fd, inner(LOCKED_LIST), os.O_RDONLY, 0, follow=False)
    except FileNotFoundError:
        return ()
    with os.fdopen(fd, encoding="utf-8") as file:
        status = os.fstat(file.fileno())
        mark, kept = (status.st_mtime_ns, status.st_ino), _locked_lists.get(str(root))
        if kept is None or kept[0] != mark:
            kept = _locked_lists[str(root)] = (mark, tuple(json.load(file)))
        return kept[1]


def refuse_locked(root: Path, path: str, *, above: bool = False) -> None:
    """StateConflict ``dataset_locked`` for a path in a dataset; with ``above`` also for one that holds a dataset."""
    if path.startswith(f"{HIDDEN}/"):
        return
    found = locked_by(root, path)
    if above and not found:
        found = next((inside for inside in _locked(root) if inside.startswith(f"{path}/")), "")
    if found:
        raise StateConflict(
            f"“{found}” is a dataset that was marked complete; nothing in it can change.",
            code="dataset_locked",
            hint="A manager of the project can unlock it, with a reason that is recorded.",
            field="path",
        )


# --- changes


def ensure_dir(root: Path, relative: str) -> str:
    """``relative`` is a directory, with all above it, made where missing; its path as it is on disk is returned."""
    path = clean(relative)
    if not path:
        return ""
    done = ""
    with plain_errors(path), _root(root) as root_fd:
        for part in path.split("/"):
            name = _ensure_one(root, root_fd, done, part, new_rules=not isinstance(path, Inner))
            done = f"{done}/{name}" if done else name
    return Inner(done) if isinstance(path, Inner) else done


def _ensure_one(root: Path, root_fd: int, above: str, part: str, *, new_rules: bool) -> str:
    """The name of the directory ``part`` in ``above``; looked at as a new name only when it has to be made."""
    fd = _open_at(root_fd, Inner(above), DIRECTORY, 0, follow=False)
    try:
        name, found = part, _kind_at(fd, part)
        if found is None:
            name = clean_new(part) if new_rules else part
            refuse_locked(root, f"{above}/{name}" if above else name)
            with suppress(FileExistsError):
                os.mkdir(name, DIR_MODE, dir_fd=fd)
            found = _kind_at(fd, name)
    finally:
        os.close(fd)
    if found is not None and stat.S_ISLNK(found):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), part)
    if found is not None and not stat.S_ISDIR(found):
        raise name_taken(f"{above}/{part}" if above else part)
    return name


def _kind_at(fd: int, name: str) -> int | None:
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None


def make_dir(root: Path, relative: str) -> str:
    """A new directory is there and its path (NFC) is returned; StateConflict ``name_taken`` if it was before."""
    above, slash, name = clean_new(relative).rpartition("/")
    path = ensure_dir(root, above) + slash + name
    refuse_locked(root, path)
    with parent_of(root, path) as (fd, name):
        os.mkdir(name, DIR_MODE, dir_fd=fd)
    return path


def rename_beneath(root: Path, source: str, target: str, *, replace: bool = False) -> None:
    """``source`` is now called ``target``; StateConflict ``name_taken`` when that was in use.

    With ``replace`` a file (never a directory) under the target's name gives way, at once.
    """
    refuse_locked(root, clean(source), above=True)
    refuse_locked(root, clean(target))
    with parent_of(root, source) as (source_fd, source_name):
        kind = os.stat(source_name, dir_fd=source_fd, follow_symlinks=False).st_mode
        if replace and stat.S_ISDIR(kind):
            raise UserError("Only a file can replace a file.", code="not_a_file")
        with parent_of(root, clean_new(target)) as (target_fd, target_name):
            if replace:
                os.rename(source_name, target_name, src_dir_fd=source_fd, dst_dir_fd=target_fd)
            else:
                _rename_noreplace(source_fd, source_name, target_fd, target_name)
            os.fsync(target_fd)


def _rename_noreplace(source_fd: int, source: str, target_fd: int, target: str) -> None:
    done = _libc.renameat2(source_fd, os.fsencode(source), target_fd, os.fsencode(target), _RENAME_NOREPLACE)
    if done == 0:
        return
    number = ctypes.get_errno()
    kind = _kind_at(source_fd, source)
    if number != errno.EINVAL or kind is None:
        raise OSError(number, os.strerror(number), target)
    # EINVAL: a directory into itself, or a file system without this flag (some NFS). Find out which.
    if stat.S_ISDIR(kind):
        if _kind_at(target_fd, target) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
        return
    os.link(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd, follow_symlinks=False)
    os.unlink(source, dir_fd=source_fd)


def remove_beneath(root: Path, relative: str) -> None:
    """``relative`` and all below it are gone for good (already gone is fine); links are removed, not followed."""
    refuse_locked(root, clean(relative), above=True)
    with suppress(NotFound), parent_of(root, relative) as (fd, name):
        kind = _kind_at(fd, name)
        if kind is not None and stat.S_ISDIR(kind):
            shutil.rmtree(name, dir_fd=fd)
        elif kind is not None:
            os.unlink(name, dir_fd=fd)


def stat_beneath(root: Path, relative: str) -> os.stat_result:
    """The status of ``relative`` itself (of the link, where it is one); NotFound when it is not there."""
    path = clean(relative)
    if not path:
        with plain_errors(path):
            return os.stat(root, follow_symlinks=False)
    with parent_of(root, path) as (fd, name):
        return os.stat(name, dir_fd=fd, follow_symlinks=False)


def exists_beneath(root: Path, relative: str) -> bool:
    """True when something (a dangling link too) has the name ``relative``."""
    try:
        stat_beneath(root, relative)
    except NotFound:
        return False
    return True


def path_beneath(root: Path, relative: str) -> Path:
    """The absolute path of something existing, links resolved and found to stay inside, for a subprocess."""
    path = clean(relative)
    with plain_errors(path), _root(root) as root_fd:
        fd = _open_at(root_fd, path, os.O_PATH, 0, follow=True)
        try:
            return Path(os.readlink(f"/proc/self/fd/{fd}"))
        finally:
            os.close(fd)
