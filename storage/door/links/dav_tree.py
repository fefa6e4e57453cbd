"""What a link opens, as WsgiDAV wants to see it. Paths here are ``/`` and the path in the project's folder.

Everything on disk goes through ``storage.paths``: no link is followed, nothing hidden is seen, what is deleted or
replaced by a move or copy is in the trash, and a copied file appears whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from mimetypes import guess_type
from typing import Any
from urllib.parse import quote

from wsgidav.dav_error import DAVError
from wsgidav.dav_provider import DAVCollection, DAVNonCollection, DAVProvider

from common.errors import (
    Forbidden,
    NotFound,
    PortolanError,
    QuotaExceeded,
    StateConflict,
    Unavailable,
    UserError,
)
from storage import quota, sums, trash
from storage.door.links.dav_notes import locks_of, properties_of
from storage.links.access import Pass
from storage.links.spool import Spool
from storage.listing import Entry, entry_from, scan
from storage.paths import clean_new, make_dir, open_unlinked, rename_beneath, stat_beneath
from storage.streaming import open_for_reading

COPY_BYTES = 1024**2
_STATUS: dict[type[PortolanError], int] = {
    UserError: 400,
    Forbidden: 403,
    NotFound: 404,
    StateConflict: 409,
    QuotaExceeded: 507,
    Unavailable: 503,
}


@contextmanager
def told() -> Iterator[None]:
    """Inside, an error of ``common.errors`` leaves as WsgiDAV's."""
    try:
        yield
    except PortolanError as error:
        full = error.code in ("disk_full", "storage_quota")
        status = next((code for family, code in _STATUS.items() if isinstance(error, family)), 500)
        raise DAVError(507 if full else status, error.message) from error


class _Common:
    """What files and folders share."""

    path: str
    environ: dict[str, Any]
    provider: LinkTree
    entry: Entry

    @property
    def here(self) -> Pass:
        """The use of the link that this request is."""
        return self.provider.here

    @property
    def relative(self) -> str:
        """The path in the project's folder."""
        return self.path.strip("/")

    def get_href(self) -> str:
        """The address of it by this link."""
        shown = self.here.shown(self.relative) if self.here.sees(self.relative) else ""
        slash = "/" if shown and isinstance(self, DAVCollection) else ""
        return self.provider.mount + quote(f"/{shown}{slash}", safe="/!*'(),$-_|.")

    def get_ref_url(self) -> str:
        """The same for every link that opens it."""
        return quote(self.path.rstrip("/") or "/")

    def get_creation_date(self) -> float:
        return self.entry.modified.timestamp()

    def get_last_modified(self) -> float:
        return self.entry.modified.timestamp()

    def get_display_name(self) -> str:
        return self.here.shown(self.relative).rpartition("/")[2] or self.here.link.label or "Files"

    def delete(self) -> list[Any]:
        """It is in the trash, with all below it."""
        with told():
            trash.put_away(self.here.link.folder, self.relative, self.here.link.created_by)
        self.remove_all_properties(recursive=True)  # type: ignore[attr-defined]
        self.remove_all_locks(recursive=True)  # type: ignore[attr-defined]
        return []

    def support_recursive_delete(self) -> bool:
        return True

    def support_recursive_move(self, dest_path: str) -> bool:
        return True

    def move_recursive(self, dest_path: str) -> list[Any]:
        """It is at ``dest_path``, with all below it; nothing is overwritten."""
        target = dest_path.strip("/")
        with told():
            rename_beneath(self.here.root, self.relative, clean_new(target))
            sums.moved(self.here.link.folder, self.relative, target)
        old, new = self.get_ref_url(), quote("/" + target)
        self.provider.prop_manager.move_properties(old, new, with_children=True, environ=self.environ)
        self.remove_all_locks(recursive=True)  # type: ignore[attr-defined]
        return []

    def copy_properties_to(self, dest_path: str) -> None:
        """The clients' own properties are at the copy too."""
        new = quote(dest_path.rstrip("/"))
        self.provider.prop_manager.copy_properties(self.get_ref_url(), new, self.environ)


class FileHere(_Common, DAVNonCollection):
    """A file."""

    def __init__(self, path: str, environ: dict[str, Any], entry: Entry, etag: str) -> None:
        super().__init__(path, environ)
        self.entry, self._etag = entry, etag

    def get_content_length(self) -> int:  # noqa: D102
        return self.entry.size

    def get_content_type(self) -> str:  # noqa: D102
        return guess_type(self.entry.name)[0] or "application/octet-stream"

    def get_etag(self) -> str:  # noqa: D102
        return self._etag

    def get_content(self) -> FileIO:
        """The file, open for reading."""
        with told():
            return open_for_reading(self.here.root, self.relative, follow=False).handle

    def support_etag(self) -> bool:  # noqa: D102
        return True

    def support_ranges(self) -> bool:  # noqa: D102
        return True

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """Its bytes are at ``dest_path`` too."""
        target = clean_new(dest_path.strip("/"))
        with told():
            quota.check_room(self.here.link.folder, self.entry.size)
            _copy(self.here, self.relative, target)
        self.copy_properties_to(dest_path)


class FolderHere(_Common, DAVCollection):
    """A folder."""

    def __init__(self, path: str, environ: dict[str, Any], entry: Entry) -> None:
        super().__init__(path, environ)
        self.entry = entry

    def get_etag(self) -> None:  # noqa: D102
        return None

    def get_used_bytes(self) -> int:  # noqa: D102
        return self.provider.room.used

    def get_available_bytes(self) -> int:  # noqa: D102
        room = self.provider.room
        return room.disk_free if room.left is None else min(room.left, room.disk_free)

    def members(self) -> Iterator[FileHere | FolderHere]:
        """What is in it and open to this link, in the disk's order, one by one."""
        for entry in scan(self.here.root, self.relative):
            made = self.provider.made(entry, self.environ)
            if made is not None:
                yield made

    def get_member_list(self) -> list[FileHere | FolderHere]:
        """All ``members`` at once."""
        with told():
            return list(self.members())

    def get_member_names(self) -> list[str]:  # noqa: D102
        return [member.entry.name for member in self.get_member_list()]

    def get_member(self, name: str) -> FileHere | FolderHere | None:  # noqa: D102
        return self.provider.get_resource_inst(f"{self.path.rstrip('/')}/{name}", self.environ)

    def create_empty_resource(self, name: str) -> FileHere | FolderHere | None:
        """An empty file is there."""
        path = f"{self.path.rstrip('/')}/{name}"
        with told():
            spool = Spool(self.here.link.folder)
            try:
                spool.place(clean_new(path.strip("/")), replace=False)
            finally:
                spool.close()
        return self.provider.get_resource_inst(path, self.environ)

    def create_collection(self, name: str) -> None:
        """A folder is there."""
        with told():
            make_dir(self.here.root, f"{self.path.rstrip('/')}/{name}".strip("/"))

    def copy_move_single(self, dest_path: str, *, is_move: bool) -> None:
        """A folder (without what is in it) is at ``dest_path`` too."""
        target = clean_new(dest_path.strip("/"))
        with told():
            if self.provider.get_resource_inst(dest_path, self.environ) is None:
                make_dir(self.here.root, target)
        self.copy_properties_to(dest_path)


class LinkTree(DAVProvider):
    """The part of a project's folder that one request may see."""

    def __init__(self, here: Pass, mount: str) -> None:
        super().__init__()
        self.here, self.mount = here, mount
        self.set_share_path("/")
        self.set_lock_manager(locks_of(here.link.folder))
        self.set_prop_manager(properties_of(here.link.folder))
        self._room: quota.Room | None = None

    @property
    def room(self) -> quota.Room:
        """The folder's room, asked once."""
        if self._room is None:
            self._room = quota.room(self.here.link.folder)
        return self._room

    def is_readonly(self) -> bool:
        """False: what may be done was asked before."""
        return False

    def get_resource_inst(self, path: str, environ: dict[str, Any]) -> FileHere | FolderHere | None:
        """What is at ``path``; None where there is nothing to be seen by this link."""
        relative = path.strip("/")
        if not self.here.sees(relative) and relative != self.here.base:
            return None
        try:
            status = stat_beneath(self.here.root, relative)
        except NotFound:
            return None
        except PortolanError as error:
            raise DAVError(400 if isinstance(error, UserError) else 403, error.message) from error
        return self._made(entry_from(relative, status), environ, status)

    def made(self, entry: Entry, environ: dict[str, Any]) -> FileHere | FolderHere | None:
        """The resource of an entry that was just read; None for what this link does not see."""
        if not self.here.sees(entry.path):
            return None
        if entry.kind == "folder":
            return FolderHere(f"/{entry.path}", environ, entry)
        return self.get_resource_inst(f"/{entry.path}", environ) if entry.kind == "file" else None

    def _made(self, entry: Entry, environ: dict[str, Any], status: os.stat_result) -> FileHere | FolderHere | None:
        path = f"/{entry.path}"
        if entry.kind == "folder":
            return FolderHere(path, environ, entry)
        if entry.kind != "file":
            return None
        return FileHere(path, environ, entry, f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}")


def _copy(here: Pass, source: str, target: str) -> None:
    """The file ``target`` has the bytes of ``source``; it appears whole, and replaces a file at once."""
    fd = open_unlinked(here.root, source)
    spool = Spool(here.link.folder)
    try:
        while block := os.read(fd, COPY_BYTES):
            spool.write([block])
        spool.place(target, replace=True)
    finally:
        spool.close()
        os.close(fd)
