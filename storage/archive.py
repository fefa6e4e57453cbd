"""A selection of files and folders as one zip, streamed, its size known before the first byte.

Stored without compression (images hardly shrink), zip64 where needed. Names in the zip begin below the folder that
all of the selection shares. Links are not followed; a note in the zip names what was left out. A file that shrinks
or goes away while it is sent ends the connection: a zip that looks whole is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from zipstream import ZipStream

from common.errors import UserError
from storage.listing import Entry, stat_path, walk
from storage.paths import clean, open_regular

MAX_ENTRIES = 100_000
NOTE = "NOT-INCLUDED.txt"
_CHUNK = 1024 * 1024


def zip_of(root: Path, paths: list[str], *, fallback_name: str) -> tuple[str, int, Iterator[bytes]]:
    """(file name, size in bytes, the bytes). UserError for an empty or too large selection, NotFound for a gap."""
    chosen = without_nested([clean(path) for path in paths])
    if not chosen:
        raise UserError("Choose at least one file or folder.", code="empty_selection", field="path")
    shared = _shared_parent(chosen)
    archive, left_out = ZipStream(sized=True), []
    for number, entry in enumerate(_selected(root, chosen)):
        if number >= MAX_ENTRIES:
            hint = "Download it in parts."
            raise UserError(f"More than {MAX_ENTRIES} files are selected.", code="selection_too_large", hint=hint)
        name = entry.path[len(shared) + 1 :] if shared else entry.path
        if entry.kind == "folder":
            archive.add(None, f"{name}/")
        elif entry.kind == "file":
            archive.add(_bytes_of(root, entry), name, size=entry.size)
        else:
            left_out.append(name)
    if left_out:
        archive.add("Links and special files are not in this archive:\n" + "\n".join(left_out) + "\n", NOTE)
    name = chosen[0].rpartition("/")[2] if len(chosen) == 1 else shared.rpartition("/")[2]
    return f"{name or fallback_name}.zip", len(archive), iter(archive)


def without_nested(paths: list[str]) -> list[str]:
    """``paths`` in order, once each, without those that lie in another of them."""
    if "" in paths:
        return [""]
    kept: list[str] = []
    for path in sorted(set(paths), key=lambda path: path.split("/")):
        if not kept or not path.startswith(f"{kept[-1]}/"):
            kept.append(path)
    return kept


def _shared_parent(paths: list[str]) -> str:
    return os.path.commonpath([path.rpartition("/")[0] for path in paths])


def _selected(root: Path, paths: list[str]) -> Iterator[Entry]:
    for path in paths:
        if path:
            entry = stat_path(root, path)
            yield entry
        if not path or entry.kind == "folder":
            yield from walk(root, path)


def _bytes_of(root: Path, entry: Entry) -> Iterator[bytes]:
    """Exactly ``entry.size`` bytes; the file is opened when its turn comes."""
    fd = open_regular(root, entry.path)
    try:
        left = entry.size
        while left:
            block = os.read(fd, min(_CHUNK, left))
            if not block:
                raise OSError(f"{entry.path} became shorter while it was sent")
            left -= len(block)
            yield block
    finally:
        os.close(fd)
