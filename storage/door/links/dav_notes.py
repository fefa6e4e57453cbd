"""Locks and properties of WebDAV in the database, known to every process of the door.

WsgiDAV's own managers work on a dictionary. This one reads all rows of a folder once per request and writes each change
through. Two requests that change the same key at the same moment are not told of each other: the later one counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, MutableMapping
from functools import cached_property
from typing import Any

from wsgidav.lock_man.lock_manager import LockManager
from wsgidav.lock_man.lock_storage import LockStorageDict
from wsgidav.prop_man.property_manager import PropertyManager

from common.errors import Unavailable
from storage.models import DavNote, Folder

MOST_NOTES = 10_000
LOCK, PROPERTY = "lock", "prop"
LONGEST_LOCK_SECONDS = 86400
_MARK = "bytes:"


class Notes(MutableMapping[str, Any]):
    """The notes of one kind in a folder, by key."""

    def __init__(self, folder: Folder, kind: str) -> None:
        self._rows = DavNote.objects.filter(folder=folder, kind=kind)
        self._folder, self._kind = folder, kind

    @cached_property
    def _known(self) -> dict[str, Any]:
        return {key: _plain(value) for key, value in self._rows.values_list("key", "value")[: MOST_NOTES + 1]}

    def __getitem__(self, key: str) -> Any:
        return self._known[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if len(self._known) >= MOST_NOTES and key not in self._known:
            raise Unavailable("There are too many locks or properties in this project.", code="disk_full")
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        DavNote.objects.update_or_create(
            folder=self._folder, kind=self._kind, digest=digest, defaults={"key": key, "value": _storable(value)}
        )
        self._known[key] = value

    def __delitem__(self, key: str) -> None:
        del self._known[key]
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        self._rows.filter(digest=digest).delete()

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._known))

    def __len__(self) -> int:
        return len(self._known)


class _Locks(LockStorageDict):
    LOCK_TIME_OUT_MAX = LONGEST_LOCK_SECONDS

    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self._notes = notes

    def open(self) -> None:
        """The notes are what there is."""
        self._dict = self._notes


class _Properties(PropertyManager):
    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self._dict, self._loaded = notes, True

    def _sync(self) -> None:
        """Every change is written through."""


def locks_of(folder: Folder) -> LockManager:
    """The lock manager of the folder, for one request."""
    return LockManager(_Locks(Notes(folder, LOCK)))


def properties_of(folder: Folder) -> PropertyManager:
    """The property manager of the folder, for one request."""
    return _Properties(Notes(folder, PROPERTY))


def any_lock(folder: Folder) -> bool:
    """True when something in the folder is locked (or was, and nobody has looked since)."""
    return DavNote.objects.filter(folder=folder, kind=LOCK).exists()


def _storable(value: Any) -> Any:
    if isinstance(value, bytes):
        return _MARK + value.decode("latin-1")
    if isinstance(value, dict):
        return {key: _storable(inner) for key, inner in value.items()}
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_MARK):
        return value[len(_MARK) :].encode("latin-1")
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value
