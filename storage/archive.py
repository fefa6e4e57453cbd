"""A selection of files and folders as one zip or tar, streamed, its size known before the first byte.

Stored without compression (images hardly shrink), zip64 where needed. Names in the zip begin below the folder that
all of the selection shares. Links are not followed; a note in the zip names what was left out. A file that shrinks
or goes away while it is sent ends the connection: a zip that looks whole is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tarfile import BLOCKSIZE, DIRTYPE, PAX_FORMAT, REGTYPE, TarInfo

from zipstream import ZipStream

from common.errors import UserError
from storage.listing import Entry, stat_path, walk
from storage.paths import clean, open_unlinked

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


def tar_of(root: Path, path: str, *, fallback_name: str) -> tuple[str, int, Iterator[bytes]]:
    """(file name, size in bytes, the bytes) of a tar (PAX) of the folder ``path``; links are left out."""
    entries = list(islice(_selected(root, [clean(path)]), MAX_ENTRIES + 1))
    if len(entries) > MAX_ENTRIES:
        raise UserError(
            f"More than {MAX_ENTRIES} files are in there.", code="selection_too_large", hint="Take it in parts."
        )
    above = path.rpartition("/")[0]
    chosen = [entry for entry in entries if entry.kind in ("file", "folder")]
    size = sum(len(_tar_head(entry, above)) + _blocks(entry.size) * BLOCKSIZE for entry in chosen) + 2 * BLOCKSIZE
    name = path.rpartition("/")[2]
    return f"{name or fallback_name}.tar", size, _tar(root, chosen, above)


def _tar(root: Path, entries: list[Entry], above: str) -> Iterator[bytes]:
    for entry in entries:
        yield _tar_head(entry, above)
        if entry.kind == "file" and entry.size:
            yield from _bytes_of(root, entry)
            yield b"\0" * (-entry.size % BLOCKSIZE)
    yield b"\0" * (2 * BLOCKSIZE)


def _tar_head(entry: Entry, above: str) -> bytes:
    info = TarInfo(entry.path[len(above) + 1 :] if above else entry.path)
    info.size, info.mtime = entry.size, int(entry.modified.timestamp())
    info.type, info.mode = (DIRTYPE, 0o755) if entry.kind == "folder" else (REGTYPE, 0o644)
    return info.tobuf(PAX_FORMAT)


def _blocks(size: int) -> int:
    return -(-size // BLOCKSIZE)


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
    fd = open_unlinked(root, entry.path)
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
