"""What a user may do with files of a project. Paths are relative to the project's folder, POSIX style."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from accounts.models import User
from common.errors import NotFound, PortolanError, UserError
from projects.audit import record
from projects.models import Project
from projects.permissions import get_project
from projects.roles import Action
from storage import archive, sums, trash
from storage.listing import Entry, Listing, list_page, resolve_pattern, root_of, stat_file, stat_path
from storage.models import Folder, TrashItem
from storage.ordering import USUAL, Order
from storage.paths import clean, clean_new, make_dir, rename_beneath
from storage.previews import Preview, read_options, render
from storage.services.folders import folder_of, writable_folder
from storage.streaming import OpenFile, open_for_reading

__all__ = [
    "delete",
    "empty_trash",
    "list_folder",
    "make_folder",
    "matching_files",
    "move",
    "open_file",
    "preview",
    "resolve_pattern",
    "stat_file",
    "trash_list",
    "undelete",
    "zip_selection",
]


def _readable(user: User, action: Action, project_id: UUID | str) -> Folder:
    return folder_of(get_project(user, action, project_id))


def list_folder(
    user: User, project_id: UUID | str, path: str = "", *, cursor: str = "", limit: int = 100, order: Order = USUAL
) -> Listing:
    """The page of ``path`` after ``cursor`` in this order. UserError ``bad_path`` or ``bad_cursor``; NotFound."""
    folder = _readable(user, Action.VIEW, project_id)
    return list_page(root_of(folder), path, cursor=cursor, limit=limit, order=order)


def matching_files(user: User, project_id: UUID | str, pattern: str) -> list[str]:
    """Paths of the files that ``pattern`` names; see ``storage.listing.resolve_pattern``."""
    return resolve_pattern(_readable(user, Action.VIEW, project_id), pattern)


def make_folder(user: User, project_id: UUID | str, path: str) -> Entry:
    """A new empty folder is there, with the folders above it. StateConflict ``name_taken``."""
    root = root_of(writable_folder(user, project_id))
    return stat_path(root, make_dir(root, path))


def move(user: User, project_id: UUID | str, source: str, target: str) -> Entry:
    """``source`` is now at ``target`` (its whole new path; the folder above must exist).

    StateConflict ``name_taken`` when something is there: nothing is ever overwritten. A link is moved as a link.
    """
    folder = writable_folder(user, project_id)
    root = root_of(folder)
    source, target = clean(source), clean_new(target)
    if f"{target}/".startswith(f"{source}/"):
        if source == target:
            return stat_path(root, source)
        raise UserError("A folder can't be moved into itself.", code="bad_path", field="target")
    rename_beneath(root, source, target)
    sums.moved(folder, source, target)
    return stat_path(root, target)


def delete(user: User, project_id: UUID | str, paths: list[str]) -> list[TrashItem]:
    """All of ``paths`` are in the trash, or, when one of them can't be deleted, none is."""
    folder = writable_folder(user, project_id)
    root, done = root_of(folder), []
    chosen = archive.without_nested([clean(path) for path in paths])
    if not chosen or chosen == [""]:
        raise UserError("Choose files or folders to delete.", code="empty_selection", field="paths")
    for path in chosen:
        stat_path(root, path)
    try:
        for path in chosen:
            done.append(trash.put_away(folder, path, user))
    except PortolanError:
        for item in done:
            trash.take_back(item, user)
        raise
    return done


def undelete(user: User, project_id: UUID | str, trash_id: UUID | str) -> TrashItem:
    """What was deleted is back where it was. StateConflict ``name_taken``; NotFound when it was purged."""
    folder = writable_folder(user, project_id)
    item = folder.trash.select_related("folder__site", "folder__project").filter(pk=_uuid(trash_id)).first()
    if item is None:
        raise NotFound("There is no such thing in the trash.", code="trash_not_found")
    return trash.take_back(item, user)


def trash_list(user: User, project_id: UUID | str, *, limit: int = 200) -> list[TrashItem]:
    """What can still be taken back, newest first."""
    folder = _readable(user, Action.VIEW, project_id)
    return list(folder.trash.filter(restored_at=None, purged_at=None).select_related("deleted_by")[:limit])


def empty_trash(user: User, project_id: UUID | str) -> int:
    """Everything in the project's trash is gone for good; the number of things that were in it."""
    folder = writable_folder(user, project_id)
    items = list(folder.trash.filter(restored_at=None, purged_at=None).values_list("pk", flat=True))
    for item_id in items:
        trash.purge(item_id, by=user)
    record(folder.project, user, "trash.emptied", str(len(items)))
    return len(items)


def open_file(user: User, project_id: UUID | str, path: str) -> OpenFile:
    """A regular file, open for reading. UserError ``not_a_file`` for a folder, pipe or device."""
    return open_for_reading(root_of(_readable(user, Action.DOWNLOAD, project_id)), path)


def zip_selection(user: User, project_id: UUID | str, paths: list[str]) -> tuple[str, int | None, Iterator[bytes]]:
    """(file name, size in bytes, bytes) of a zip of ``paths``; everything in the folder for ``[""]``."""
    folder = _readable(user, Action.DOWNLOAD, project_id)
    return archive.zip_of(root_of(folder), paths, fallback_name=_file_name(folder.project))


def preview(user: User, project_id: UUID | str, path: str, **options: Any) -> Preview:
    """A look at a file; see ``storage.previews.options.PreviewOptions`` for what can be asked (texts will do)."""
    opened = open_file(user, project_id, path)
    with opened.handle:
        asked = read_options(options)
        made = render(opened.handle.fileno(), opened.name, asked)
    mark = hashlib.sha256(f"{opened.etag}{asked}".encode()).hexdigest()[:32]
    return replace(made, etag=f'"{mark}"')


def _file_name(project: Project) -> str:
    return "".join(c if c.isalnum() or c in " -_" else "_" for c in project.name).strip() or "project"


def _uuid(value: UUID | str) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except ValueError as error:
        raise NotFound("There is no such thing in the trash.", code="trash_not_found") from error
