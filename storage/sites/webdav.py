"""dCache and XRootD: the site's own WebDAV door, opened by its own macaroons for exactly one path, rights and end.

``path:`` ends with a slash for a folder, because some servers compare plain text: ``/p1`` would open ``/p10`` too. A
project's folder is ``<prefix>/<project id>/data/``: XRootD 5.5 lists what is above where ``/..`` is asked for, and
above is then nothing but ``data``.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote, unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError

import httpx
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from django.utils import timezone
from django.utils.http import parse_http_date_safe

from common.errors import NotFound, Unavailable
from storage.links.rights import Activity, Right
from storage.ordering import natural
from storage.paths import is_plain
from storage.sites import macaroons
from storage.sites.base import Address, Ask, Issued, Page, SiteEntry, at_time, refused
from storage.sites.settings import secret

TIMEOUT = httpx.Timeout(20.0, connect=10.0)
MOST_ANSWER = 32 * 1024 * 1024
OURS = timedelta(minutes=5)
FILES, ABOVE = "files", "above"
ACTIVITIES: dict[Right, tuple[Activity, ...]] = {
    Right.LIST: (Activity.LIST, Activity.READ_METADATA),
    Right.READ: (Activity.DOWNLOAD, Activity.READ_METADATA),
    Right.WRITE_NEW: (Activity.UPLOAD, Activity.READ_METADATA),
    Right.DELETE: (Activity.DELETE, Activity.READ_METADATA),
    # dCache replaces with UPLOAD and DELETE, XRootD with MANAGE as well.
    Right.OVERWRITE: (Activity.UPLOAD, Activity.DELETE, Activity.MANAGE, Activity.READ_METADATA),
}
PROPERTIES = (
    b'<?xml version="1.0"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/>'
    b"<getlastmodified/></prop></propfind>"
)


@dataclass(frozen=True, kw_only=True)
class Door:
    """The site's door: where it is, and how macaroons are got from it."""

    base_url: str
    settings: Mapping[str, str] = field(repr=False)

    @contextmanager
    def client(self, *, known: bool = False) -> Iterator[httpx.Client]:
        """A client that keeps its connection. ``known``: it shows the portal's certificate, where there is one.

        Only a macaroon is asked for by a client that is known: what is then done with it must be the macaroon's doing.
        """
        try:
            context = ssl.create_default_context(cafile=self.settings.get("ca_file"))
            if known and "certificate_file" in self.settings:
                context.load_cert_chain(self.settings["certificate_file"], self.settings["key_file"])
        except (OSError, ssl.SSLError) as error:
            hint = "The operator has to look at ca_file, certificate_file and key_file of the site."
            raise Unavailable("The site's certificate files can't be used.", code="site_secret", hint=hint) from error
        with httpx.Client(verify=context, timeout=TIMEOUT, trust_env=False) as client:
            yield client

    def url_of(self, path: str) -> str:
        """The address of an absolute path on the site."""
        return self.base_url.rstrip("/") + quote(path, safe="/")

    def macaroon(self, ask: MacaroonAsk) -> str:
        """A macaroon for exactly that; asked for, or made with the site's secret where we were given it."""
        words = [activity.value for activity in ask.activities]
        if "secret_file" in self.settings:
            shared = secret("secret_file", self.settings["secret_file"])
            return macaroons.minted(
                location=self.settings["site_name"], secret=shared, path=ask.path, activities=words, ends_at=ask.ends_at
            )
        seconds = max(1, int((ask.ends_at - timezone.now()).total_seconds()))
        headers = {"Content-Type": "application/macaroon-request"}
        if "token_file" in self.settings:
            headers["Authorization"] = f"Bearer {secret('token_file', self.settings['token_file'])}"
        body = {"caveats": [f"activity:{','.join(words)}"], "validity": f"PT{seconds}S"}
        url = self.settings.get("macaroon_url", self.base_url).rstrip("/") + quote(ask.path, safe="/")
        with self.client(known=True) as client:
            status, answer = send(client, "POST", url, headers=headers, json=body)
        if status != httpx.codes.OK:
            raise Unavailable(f"The site gives us no macaroon (it answers {status}).", code="site_refuses")
        return macaroons.told(answer, activities=words, ends_at=ask.ends_at)


@dataclass(frozen=True, kw_only=True)
class MacaroonAsk:
    """An absolute path (a folder's ends with a slash), activities, and an end."""

    path: str
    activities: list[Activity]
    ends_at: datetime


def send(client: httpx.Client, method: str, url: str, token: str = "", **words: object) -> tuple[int, bytes]:
    """(status, body) of the site's answer; Unavailable when there is none, or more than we would read."""
    headers = dict(words.pop("headers", None) or {})  # type: ignore[call-overload]
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        with client.stream(method, url, headers=headers, **words) as answer:  # type: ignore[arg-type]
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MOST_ANSWER:
                    raise Unavailable("The site's answer is too long.", code="site_answer")
            return answer.status_code, bytes(body)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable("The site does not answer.", code="site_silent", hint="Try again later.") from error


@dataclass(frozen=True, kw_only=True)
class WebdavAdapter:
    """``folder`` is the project's folder, an absolute path with a slash at its end."""

    door: Door
    folder: str
    limits: frozenset[str] = frozenset()
    new_is_file: bool = False

    def make(self, path: str = "") -> None:
        """The folder ``path`` is there, with those above it."""
        token = self._ours(Activity.MANAGE, Activity.UPLOAD, Activity.READ_METADATA, Activity.LIST)
        with self.door.client() as client:
            above, _, _ = self.folder.rstrip("/").rpartition("/")
            parts = [above, self.folder.rstrip("/")]
            for part in path.split("/") if path else ():
                parts.append(f"{parts[-1]}/{part}")
            for one in parts:
                status, _ = send(client, "MKCOL", self.door.url_of(f"{one}/"), token)
                if status not in (httpx.codes.CREATED, httpx.codes.METHOD_NOT_ALLOWED, httpx.codes.CONFLICT):
                    raise Unavailable(f"The site makes no folder (it answers {status}).", code="site_refuses")

    def page(self, path: str, *, cursor: str = "", limit: int = 100) -> Page:
        """Folders first; the whole answer is read, for WebDAV knows no pages."""
        try:
            found = self._properties(path, depth="1")
        except NotFound:
            if path:
                raise
            return Page(entries=[])
        entries = sorted(found[1:], key=lambda one: (one.kind == "file", natural(one.name), one.name))
        start = next((at for at, one in enumerate(entries, 1) if one.name == cursor), 0) if cursor else 0
        shown = entries[start : start + limit]
        return Page(entries=shown, next_cursor=shown[-1].name if start + limit < len(entries) else "")

    def stat(self, path: str) -> SiteEntry:
        """The entry of ``path``; NotFound."""
        return self._properties(path, depth="0")[0]

    def issue(self, ask: Ask) -> Issued:
        """The site's own URL with a macaroon of its own for it."""
        self._check(ask)
        path = f"{self.folder}{ask.path}" + ("/" if ask.path and not ask.is_file else "")
        wanted = dict.fromkeys(activity for right in sorted(ask.rights) for activity in ACTIVITIES[right])
        token = self.door.macaroon(MacaroonAsk(path=path, activities=sorted(wanted), ends_at=ask.ends_at))
        return Issued(addresses=[Address(url=self.door.url_of(path))], token=token)

    def _check(self, ask: Ask) -> None:
        if Right.OVERWRITE in ask.rights and not {Right.WRITE_NEW, Right.DELETE} <= ask.rights:
            raise refused(
                "At this site whoever may replace files may also add and delete them.",
                "Tick all three, or only “add new files”.",
            )
        if ask.is_file and FILES in self.limits:
            raise refused(
                "This site can't keep a credential to one file: it would open every name that begins alike.",
                "Choose the folder that the file is in.",
            )
        if ask.path and Right.LIST in ask.rights and ABOVE in self.limits:
            raise refused(
                "This site would also show the names in the folder above.",
                "Untick the listing, or choose the whole folder.",
            )

    def _properties(self, path: str, *, depth: str) -> list[SiteEntry]:
        """The entry of ``path`` first, then, with depth 1, what is in it."""
        token = self._ours(Activity.LIST, Activity.READ_METADATA)
        with self.door.client() as client:
            url = self.door.url_of(f"{self.folder}{path}" + ("/" if depth == "1" and path else ""))
            headers = {"Depth": depth, "Content-Type": "application/xml"}
            status, body = send(client, "PROPFIND", url, token, headers=headers, content=PROPERTIES)
        if status == httpx.codes.NOT_FOUND:
            raise NotFound(f"There is no “{path}” at the site.", code="file_not_found")
        if status != httpx.codes.MULTI_STATUS:
            raise Unavailable(f"The site does not list this (it answers {status}).", code="site_refuses")
        return self._read(path, body)

    def _read(self, path: str, body: bytes) -> list[SiteEntry]:
        try:
            answers = fromstring(body).findall("{DAV:}response")
        except (ParseError, DefusedXmlException, ValueError) as error:
            raise Unavailable("The site's listing can't be read.", code="site_answer") from error
        own, below = None, []
        here = f"{self.folder}{path}".rstrip("/")
        for answer in answers:
            found = unquote(urlsplit(answer.findtext("{DAV:}href", "").strip()).path).rstrip("/")
            above, _, name = found.rpartition("/")
            if found == here:
                own = _entry(answer, path.rpartition("/")[2], path)
            elif above == here and is_plain(name):
                below.append(_entry(answer, name, f"{path}/{name}" if path else name))
        return [own or SiteEntry(name=path, path=path, kind="folder"), *below]

    def _ours(self, *activities: Activity) -> str:
        """A macaroon for the portal itself, for one look."""
        above, _, _ = self.folder.rstrip("/").rpartition("/")
        ask = MacaroonAsk(path=f"{above}/", activities=list(activities), ends_at=timezone.now() + OURS)
        return self.door.macaroon(ask)


def _entry(answer: Element, name: str, path: str) -> SiteEntry:
    folder = answer.find(".//{DAV:}resourcetype/{DAV:}collection") is not None
    size = answer.findtext(".//{DAV:}getcontentlength", "") or "0"
    seconds = parse_http_date_safe(answer.findtext(".//{DAV:}getlastmodified", ""))
    return SiteEntry(
        name=name,
        path=path,
        kind="folder" if folder else "file",
        size=int(size) if size.isdecimal() and not folder else 0,
        modified=at_time(seconds),
    )
