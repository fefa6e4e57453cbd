"""A site that is only told of: what an adapter answers without any server behind it."""

from dataclasses import dataclass

from common.errors import NotFound
from storage.links.rights import Right
from storage.sites.base import Address, Ask, Issued, Page, SiteEntry, refused

FILES = {"raw/movie.mrc": 5, "raw/movie 2.mrc": 7, "notes.txt": 3}


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A site with the few files above in each project's folder."""

    folder: str
    new_is_file: bool = False

    def make(self, path: str = "") -> None:
        """All folders are there."""

    def page(self, path: str, *, cursor: str = "", limit: int = 100) -> Page:
        above, found = f"{path}/" if path else "", dict[str, SiteEntry]()
        for one, size in FILES.items():
            if one.startswith(above):
                name, slash, _ = one.removeprefix(above).partition("/")
                kind, size = ("folder", 0) if slash else ("file", size)
                found[name] = SiteEntry(name=name, path=above + name, kind=kind, size=size)
        if path and not found:
            raise NotFound(f"There is no “{path}” at the site.", code="file_not_found")
        return Page(entries=list(found.values())[:limit])

    def stat(self, path: str) -> SiteEntry:
        if path in FILES:
            return SiteEntry(name=path.rpartition("/")[2], path=path, kind="file", size=FILES[path])
        self.page(path)
        return SiteEntry(name=path, path=path, kind="folder")

    def issue(self, ask: Ask) -> Issued:
        if Right.OVERWRITE in ask.rights:
            raise refused("Nothing is replaced here.", "Untick it.")
        url = f"https://archive.example.org:2880{self.folder}{ask.path}" + ("" if ask.is_file else "/")
        return Issued(addresses=[Address(url=url)], token=f"MDA{ask.path.encode().hex():x<80}")


def stand_in(site, folder):
    """What ``storage.sites.rows.ADAPTERS`` has for a kind."""
    return StandIn(folder=folder)
