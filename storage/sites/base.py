"""What every kind of storage site can do for a project's folder on it.

Paths are relative to that folder, cleaned by ``storage.paths``. An adapter raises ``NotFound``, ``UserError`` for what
this site can't give, ``StateConflict`` for what is in the way, and ``Unavailable`` for everything that the site itself
does wrong; nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from django.utils import timezone

from common.errors import UserError
from storage.links.rights import Right


@dataclass(frozen=True, kw_only=True)
class SiteEntry:
    """One name in a folder; ``kind`` is file or folder. Stores without real folders know no date of one."""

    name: str
    path: str
    kind: str
    size: int = 0
    modified: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some entries in the site's order; ``next_cursor`` is empty on the last page."""

    entries: list[SiteEntry]
    next_cursor: str = ""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a credential is to open: exactly ``path`` (a folder with all below it, or one file), ``rights``, the end."""

    path: str
    is_file: bool
    rights: frozenset[Right]
    ends_at: datetime

    @property
    def seconds(self) -> int:
        """How long it is from now to the end."""
        return max(1, int((self.ends_at - timezone.now()) / timedelta(seconds=1)))


@dataclass(frozen=True, kw_only=True)
class Address:
    """A URL of the site itself; ``method`` is set where the URL is good for that one HTTP method only."""

    url: str
    method: str = ""


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A credential just given. ``token`` goes into the Authorization header; empty where the URLs hold all."""

    addresses: list[Address]
    token: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Found:
    """One thing that a probe tried: what it saw, and what to change where that is not ``ok``."""

    ok: bool
    title: str
    words: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """All that a probe tried. ``limits`` are names of what the site can't confine, so that it is never handed out."""

    found: list[Found]
    limits: frozenset[str] = frozenset()

    @property
    def ok(self) -> bool:
        """True when nothing was wrong."""
        return all(one.ok for one in self.found)


class SiteAdapter(Protocol):
    """A project's folder on a site."""

    @property
    def new_is_file(self) -> bool:
        """Whether a path that is not there yet is taken for a file to be made; else for a folder."""

    def make(self, path: str = "") -> None:
        """The folder ``path`` is there, where this site has folders."""

    def page(self, path: str, *, cursor: str = "", limit: int = 100) -> Page:
        """What is directly in ``path``; an empty page where the project's own folder is not there yet."""

    def stat(self, path: str) -> SiteEntry:
        """The entry of ``path``; NotFound."""

    def issue(self, ask: Ask) -> Issued:
        """A credential for exactly what is asked; UserError ``bad_rights`` when this site can't narrow it so far."""


def at_time(seconds: float | None) -> datetime | None:
    """The time of a Unix time stamp."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


def refused(message: str, hint: str) -> UserError:
    """The error for rights that a site can't give so narrowly."""
    return UserError(message, code="bad_rights", field="rights", hint=hint)
