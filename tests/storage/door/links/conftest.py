"""A project at the door with a link to its folder ``raw``."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.live import wait_until
from tests.storage.door.conftest import Door

ALL = ["list", "read", "write-new", "overwrite", "delete"]


@dataclass
class Opened:
    """A link, and a client that has its token. ``root`` is the directory that it opens."""

    door: Door
    project: str
    root: Path
    id: str
    url: str
    token: str
    commands: list[dict] = field(default_factory=list)

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def ask(self, method: str, path: str = "", **more) -> httpx.Response:
        headers = self.bearer | more.pop("headers", {})
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def traffic(self) -> dict:
        return self.door.do("traffic", link=self.id)

    def log(self, until: Callable[[list], object]) -> list:
        """The access log, once ``until`` is true of it (it is written about once a second)."""
        wait_until(lambda: until(self.traffic()["log"]), what="the log")
        return self.traffic()["log"]

    def revoke(self) -> None:
        self.door.do("revoke", user="contributor", project=self.project, link=self.id)


@dataclass
class Site:
    door: Door
    project: str
    root: Path

    def link(self, path: str = "raw", rights=ALL, user: str = "contributor", **more) -> Opened:
        made = self.door.do("link", user=user, project=self.project, path=path, rights=list(rights), **more)
        below = self.root / path
        return Opened(door=self.door, project=self.project, root=below, **made)


@pytest.fixture
def site(door: Door) -> Site:
    made = door.do("project")
    root = Path(made["root"])
    (root / "raw").mkdir()
    return Site(door=door, project=made["id"], root=root)


@pytest.fixture
def link(site: Site) -> Opened:
    return site.link()
