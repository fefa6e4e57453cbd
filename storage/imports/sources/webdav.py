"""WebDAV folders: one PROPFIND a folder, with the checksums that Nextcloud and ownCloud keep.

A share link of Nextcloud (``…/s/<token>``, as B2DROP gives them) is the folder ``public.php/webdav/`` for the user
``<token>``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from common.errors import UserError
from storage.imports.digests import of_words
from storage.imports.guard import Reach
from storage.imports.sources.base import Facts, Found, Look, as_length, decoded

ASKED = (
    b'<?xml version="1.0"?><d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop><d:resourcetype/>'
    b"<d:getcontentlength/><d:getetag/><d:getlastmodified/><oc:checksums/></d:prop></d:propfind>"
)
DAV, OWNCLOUD = "{DAV:}", "{http://owncloud.org/ns}"
_SHARE = re.compile(r"(?P<above>https?://[^?#]*?)(?:/index\.php)?/s/(?P<token>[A-Za-z0-9]+)/?(?:[?#].*)?")


class WebdavSource:
    """A folder, or a file, on a WebDAV server."""

    def __init__(self, address: str, user: str, password: str) -> None:
        share = _SHARE.fullmatch(address)
        if share is not None:
            address, user = f"{share['above']}/public.php/webdav/", share["token"]
        self.home = address
        self._entry = f"{user}:{password}" if user or password else ""

    def signer(self, method: str, url: str) -> Mapping[str, str]:
        """User and password."""
        if not self._entry:
            return {}
        return {"authorization": f"Basic {base64.b64encode(self._entry.encode()).decode()}"}

    def begin(self) -> list[str]:
        """The folder itself."""
        return [self.home]

    def look(self, reach: Reach, place: str) -> Look:
        """One folder: its files, and the folders in it."""
        entries = self._entries(reach, place, "1")
        base = urlsplit(self.home).path
        base = base if base.endswith("/") else f"{base}/"
        files, places = [], []
        for url, properties in entries:
            path = urlsplit(url).path
            if properties.find(f"{DAV}resourcetype/{DAV}collection") is not None:
                if path.rstrip("/") != urlsplit(place).path.rstrip("/"):
                    places.append(url if url.endswith("/") else f"{url}/")
                continue
            inside = path.startswith(base)
            name = decoded(path[len(base) :] if inside else path.rpartition("/")[2])
            files.append(Found(name=name, address=url, facts=_facts(properties)))
        return Look(files=files, places=[found for found in places if urlsplit(found).path.startswith(base)])

    def measure(self, reach: Reach, address: str) -> Facts:
        """What the server says of one file."""
        entries = self._entries(reach, address, "0")
        return _facts(entries[0][1]) if entries else Facts(size=None)

    def _entries(self, reach: Reach, place: str, depth: str) -> list[tuple[str, Element[Any]]]:
        """(address, properties) of all that the answer speaks of; addresses are kept on the server that was asked."""
        headers = {"depth": depth, "content-type": "application/xml"}
        answer, url, body = reach.read("PROPFIND", place, headers, ASKED)
        if answer.status_code != 207:
            raise _no_webdav()
        try:
            found = fromstring(body)
        except (ParseError, DefusedXmlException, ValueError) as error:
            raise _no_webdav() from error
        entries = []
        for response in found.iter(f"{DAV}response"):
            href = (response.findtext(f"{DAV}href") or "").strip()
            properties = _good_properties(response)
            if href and properties is not None:
                entries.append((urljoin(url, urlsplit(href)._replace(scheme="", netloc="").geturl()), properties))
        return entries


def _good_properties(response: Element[Any]) -> Element[Any] | None:
    for part in response.iter(f"{DAV}propstat"):
        if " 200" in (part.findtext(f"{DAV}status") or ""):
            return part.find(f"{DAV}prop")
    return None


def _facts(properties: Element[Any]) -> Facts:
    words = " ".join(found.text or "" for found in properties.iter(f"{OWNCLOUD}checksum"))
    return Facts(
        size=as_length(properties.findtext(f"{DAV}getcontentlength")),
        etag=(properties.findtext(f"{DAV}getetag") or "").strip(),
        modified=(properties.findtext(f"{DAV}getlastmodified") or "").strip(),
        sums=of_words(words),
    )


def _no_webdav() -> UserError:
    hint = "Nextcloud shows the WebDAV address under “Files settings”; a share link works as well."
    return UserError("This address is no WebDAV folder.", code="source_unreadable", field="address", hint=hint)
