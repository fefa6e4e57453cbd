"""Folders and files on web servers: the lists that Apache, nginx and others make of a folder, as EMPIAR shows them.

Only links to something directly in the folder count, so the way up, sorted lists and other sites are left alone.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from common.errors import UserError
from storage.imports import digests
from storage.imports.guard import Reach
from storage.imports.sources.base import Facts, Found, Look, as_length, decoded


class WebSource:
    """Addresses: folders (with “/” at the end) or files; with user and password, or a token."""

    def __init__(self, addresses: list[str], user: str, password: str) -> None:
        self._addresses, self.home = addresses, addresses[0]
        self._user, self._password = user, password

    def signer(self, method: str, url: str) -> Mapping[str, str]:
        """User and password, or a bearer token where there is no user."""
        if self._user:
            pair = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
            return {"authorization": f"Basic {pair}"}
        return {"authorization": f"Bearer {self._password}"} if self._password else {}

    def begin(self) -> list[str]:
        """The addresses themselves."""
        return list(self._addresses)

    def look(self, reach: Reach, place: str) -> Look:
        """One folder's list, or one file."""
        if not urlsplit(place).path.endswith("/"):
            answer, url, _ = reach.read("HEAD", place)
            if urlsplit(url).path.endswith("/"):
                return Look(files=[], places=[url])
            name = decoded(urlsplit(place).path.rpartition("/")[2])
            return Look(files=[Found(name=name, address=place, facts=_facts(answer.headers))], places=[])
        answer, url, body = reach.read("GET", place)
        if "html" not in answer.headers.get("content-type", ""):
            raise UserError("This address shows no list of files.", code="source_unreadable", field="address")
        return self._listed(url, body.decode(answer.charset_encoding or "utf-8", "replace"))

    def _listed(self, url: str, text: str) -> Look:
        page = _Links()
        page.feed(text)
        files, places = [], []
        for href in dict.fromkeys(page.found):
            address = _child(url, href)
            if address is None:
                continue
            if address.endswith("/"):
                places.append(address)
            else:
                files.append(Found(name=self._name_of(address), address=address, facts=None))
        return Look(files=files, places=places)

    def _name_of(self, address: str) -> str:
        path = urlsplit(address).path
        for home in self._addresses:
            base = urlsplit(home).path
            if base.endswith("/") and path.startswith(base):
                return decoded(path[len(base) :])
        return decoded(path.rpartition("/")[2])

    def measure(self, reach: Reach, address: str) -> Facts:
        """What the server says of one file."""
        answer, _, _ = reach.read("HEAD", address)
        return _facts(answer.headers)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """The target of a link is noted."""
        if tag == "a":
            self.found += [value.strip() for name, value in attrs if name == "href" and value]


def _child(url: str, href: str) -> str | None:
    """The address of what ``href`` names, when that is directly in the folder ``url``."""
    try:
        base, found = urlsplit(url), urlsplit(urljoin(url, href))
    except ValueError:
        return None
    rest = found.path.removeprefix(base.path)
    inside = (found.scheme, found.netloc) == (base.scheme, base.netloc) and found.path.startswith(base.path)
    if not inside or found.query or not rest or "/" in rest.removesuffix("/"):
        return None
    return found._replace(fragment="").geturl()


def _facts(headers: Mapping[str, str]) -> Facts:
    return Facts(
        size=as_length(headers.get("content-length")),
        etag=headers.get("etag", ""),
        modified=headers.get("last-modified", ""),
        sums=digests.of_headers(headers, whole=True),
    )
