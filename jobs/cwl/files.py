"""File and Directory objects: their derived fields, their listings, and where they are put for the command."""

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from jobs.cwl.errors import InvalidInputs, ToolError
from jobs.cwl.model import CwlObject

CONTENTS_LIMIT = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class WorkFile:
    """One thing to be put in place before the command runs.

    ``path`` is absolute. Exactly one holds: ``text`` is the new file's contents; ``source`` is what is linked to, or
    copied if ``writable``; neither, and ``path`` is a new empty folder.
    """

    path: str
    source: str | None = None
    text: str | None = None
    writable: bool = False


def name_parts(path: str) -> CwlObject:
    """The fields of a File or Directory that follow from its path."""
    pure = PurePosixPath(path)
    stem, dot, extension = pure.name.rpartition(".")
    if not stem:
        stem, dot, extension = pure.name, "", ""
    return {
        "path": path,
        "location": pure.as_uri(),
        "basename": pure.name,
        "dirname": str(pure.parent),
        "nameroot": stem,
        "nameext": dot + extension,
    }


def set_path(item: CwlObject, path: str) -> None:
    """The object lies at that path; its derived fields follow."""
    parts = name_parts(path)
    if item["class"] == "Directory":
        parts = {key: part for key, part in parts.items() if not key.startswith("name")}
    item.update(parts)


def normalise(item: CwlObject, where: str, *, must_exist: bool) -> CwlObject:
    """A copy with all derived fields, secondary files and listing entries too; a literal has no ``path`` yet."""
    found = {key: value for key, value in item.items() if value is not None}
    path = found.get("path")
    if path is not None:
        wanted = found.get("basename")
        set_path(found, os.path.normpath(path))
        if wanted:
            found["basename"] = _plain_name(wanted, where)
        if must_exist:
            _must_be_there(found, where)
        if found["class"] == "File" and "size" not in found and os.path.isfile(path):
            found["size"] = os.stat(path).st_size
    else:
        _check_literal(found, where)
    for part in ("secondaryFiles", "listing"):
        if part in found:
            found[part] = [normalise(child, where, must_exist=must_exist) for child in found[part]]
    return found


def _plain_name(name: str, where: str) -> str:
    if "/" in name or name in ("", ".", "..") or "\0" in name:
        raise InvalidInputs(f"{where}: {name!r} is not a file name.", field=where)
    return name


def _must_be_there(item: CwlObject, where: str) -> None:
    there = os.path.isfile if item["class"] == "File" else os.path.isdir
    if not there(item["path"]):
        kind = "file" if item["class"] == "File" else "folder"
        raise InvalidInputs(f"{where}: there is no {kind} {item['basename']}.", field=where)


def _check_literal(item: CwlObject, where: str) -> None:
    if "basename" in item:
        _plain_name(item["basename"], where)
    if item["class"] == "File":
        if not isinstance(item.get("contents"), str):
            raise InvalidInputs(f"{where}: a File needs a path or contents.", field=where)
        if len(item["contents"].encode()) > CONTENTS_LIMIT:
            raise InvalidInputs(f"{where}: contents given in place may have 64 KiB at most.", field=where)
    elif not isinstance(item.get("listing"), list):
        raise InvalidInputs(f"{where}: a Directory needs a path or a listing.", field=where)


def load_contents(item: CwlObject, where: str) -> None:
    """``contents`` holds the file's text; ToolError where it is larger than CWL's 64 KiB."""
    if "contents" in item:
        return
    with open(item["path"], "rb") as stream:
        data = stream.read(CONTENTS_LIMIT + 1)
    if len(data) > CONTENTS_LIMIT:
        raise ToolError(
            f"{where}: {item['basename']} is larger than 64 KiB, its contents can't be loaded.", field=where
        )
    item["contents"] = data.decode("utf-8", errors="replace")


def load_listing(item: CwlObject, mode: str | None) -> None:
    """``listing`` of a Directory on disk is as deep as the mode asks (no_listing, shallow_listing, deep_listing)."""
    if mode not in ("shallow_listing", "deep_listing"):
        if not item.get("literal"):
            item.pop("listing", None)
        return
    if "listing" not in item:
        item["listing"] = list_folder(item["path"], deep=mode == "deep_listing")
    elif mode == "deep_listing":
        for child in item["listing"]:
            if child["class"] == "Directory":
                load_listing(child, mode)


def is_file_or_folder(path: str) -> bool:
    """True for what can be read without waiting: links to nothing, pipes and sockets are neither."""
    return os.path.isfile(path) or os.path.isdir(path)


def list_folder(path: str, *, deep: bool) -> list[CwlObject]:
    """The files and folders in a folder, sorted by name, and those of its subfolders if ``deep``.

    Links to nothing, pipes and sockets are not among them.
    """
    listing = []
    for name in sorted(os.listdir(path)):
        inner = os.path.join(path, name)
        if not is_file_or_folder(inner):
            continue
        child: CwlObject = {"class": "Directory" if os.path.isdir(inner) else "File"}
        set_path(child, inner)
        if child["class"] == "File":
            child["size"] = os.stat(child["path"]).st_size
        elif deep:
            child["listing"] = list_folder(child["path"], deep=True)
        listing.append(child)
    return listing


@dataclass(kw_only=True)
class Stage:
    """A plan of work files below one folder; nothing is written by making it."""

    root: str
    files: list[WorkFile] = field(default_factory=list)
    count: int = 0

    def add(self, file: WorkFile) -> None:
        """The file is in the plan; ToolError where it would replace another one or be written through a link."""
        for other in self.files:
            if other == file:
                return
            if other.path == file.path:
                raise ToolError(f"Two files would be called {PurePosixPath(file.path).name}.")
            if other.source is not None and not other.writable and PurePosixPath(file.path).is_relative_to(other.path):
                raise ToolError(f"{PurePosixPath(file.path).name} would be written into an input folder.")
        self.files.append(file)

    def settle(self, item: CwlObject) -> None:
        """The object has a path its command can use, with its secondary files beside it.

        What lies on disk under its own name stays where it is; literals, renamed files and scattered secondary files
        are planned into a numbered folder of their own.
        """
        if _stands_well(item):
            return
        self.count += 1
        folder = f"{self.root}/{self.count}"
        self.put(item, f"{folder}/{item.get('basename') or f'literal-{self.count}'}")

    def put(self, item: CwlObject, target: str, *, writable: bool = False) -> None:
        """The object is planned at ``target``, its secondary files beside it, and has its new path."""
        source = item.get("path")
        if source is not None:
            self.add(WorkFile(path=target, source=source, writable=writable))
            _move_listing(item, source, target)
        elif item["class"] == "File":
            self.add(WorkFile(path=target, text=item["contents"], writable=writable))
            item["size"] = len(item["contents"].encode())
        else:
            item["literal"] = True
            self.add(WorkFile(path=target))
            for number, child in enumerate(item["listing"], start=1):
                self.put(child, f"{target}/{child.get('basename') or f'literal-{number}'}", writable=writable)
        set_path(item, target)
        for number, child in enumerate(item.get("secondaryFiles") or [], start=1):
            name = child.get("basename") or f"literal-{number}"
            self.put(child, f"{os.path.dirname(target)}/{name}", writable=writable)


def _stands_well(item: CwlObject) -> bool:
    path: Any = item.get("path")
    if path is None or item["basename"] != PurePosixPath(path).name:
        return False
    return all(
        _stands_well(child) and os.path.dirname(child["path"]) == os.path.dirname(path)
        for child in item.get("secondaryFiles") or []
    )


def _move_listing(item: CwlObject, source: str, target: str) -> None:
    for child in item.get("listing") or []:
        old = child.get("path")
        if old and Path(old).is_relative_to(source):
            new = target + old[len(source) :]
            _move_listing(child, old, new)
            set_path(child, new)
