"""Files that have no name until they are whole: what is cut, or whose process is killed, leaves nothing."""

import os
from pathlib import Path

from storage.paths import (
    DIRECTORY,
    FILE_MODE,
    Inner,
    clean_new,
    open_beneath,
    parent_of,
    plain_errors,
    refuse_locked,
    remove_beneath,
    rename_beneath,
)


def new_unnamed(root: Path, beside: str) -> int:
    """A file descriptor for writing a file that has no name yet and is gone when it is closed without one."""
    fd = open_beneath(root, beside, DIRECTORY | os.O_NOFOLLOW)
    try:
        with plain_errors(beside):
            return os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, FILE_MODE, dir_fd=fd)
    finally:
        os.close(fd)


def name_it(root: Path, fd: int, target: str, *, replace: Inner | None = None) -> None:
    """The file of ``new_unnamed`` is called ``target``, for good; StateConflict ``name_taken`` when that is in use.

    With ``replace``, a free name in the hidden area, a file under the target's name gives way at once.
    """
    first = replace or clean_new(target)
    refuse_locked(root, clean_new(target))
    with parent_of(root, first) as (above, name):
        os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=above, follow_symlinks=True)
        if replace is None:
            os.fsync(above)
    if replace is None:
        return
    try:
        rename_beneath(root, replace, target, replace=True)
    except BaseException:
        remove_beneath(root, replace)
        raise
