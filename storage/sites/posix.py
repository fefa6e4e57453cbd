"""A mounted file system: the project's own folder, opened by links of our own door."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from django.conf import settings

from storage.links import tokens
from storage.links.rights import Right
from storage.listing import Entry, list_page, root_of, stat_path
from storage.models import Folder, TransferLink
from storage.paths import ensure_dir
from storage.sites.base import Address, Ask, Issued, Page, SiteEntry


@dataclass(frozen=True, kw_only=True)
class PosixAdapter:
    """``link`` is the row that ``issue`` completes: who asks, and limits that only our own door knows."""

    folder: Folder
    link: TransferLink
    new_is_file: bool = False

    def make(self, path: str = "") -> None:
        """The folder ``path`` is there."""
        ensure_dir(root_of(self.folder), path)

    def page(self, path: str, *, cursor: str = "", limit: int = 100) -> Page:
        """A page of the directory."""
        found = list_page(root_of(self.folder), path, cursor=cursor, limit=limit)
        return Page(entries=[_entry(one) for one in found.entries], next_cursor=found.next_cursor)

    def stat(self, path: str) -> SiteEntry:
        """The entry of ``path``; NotFound."""
        return _entry(stat_path(root_of(self.folder), path))

    def issue(self, ask: Ask) -> Issued:
        """The row of the link is there; call it in a transaction."""
        self.link.folder, self.link.path, self.link.is_file = self.folder, ask.path, ask.is_file
        self.link.rights = [right.value for right in Right if right in ask.rights]
        self.link.expires_at = ask.ends_at
        self.link.save(force_insert=True)
        return Issued(addresses=[Address(url=url_of(self.link))], token=tokens.mint(self.link))


def url_of(link: TransferLink) -> str:
    """The address of what the link opens; no secret is in it."""
    name = quote(link.path.rpartition("/")[2]) if link.is_file else ""
    return f"{settings.DOOR_URL}/links/{link.pk}/{name}"


def _entry(found: Entry) -> SiteEntry:
    return SiteEntry(name=found.name, path=found.path, kind=found.kind, size=found.size, modified=found.modified)
