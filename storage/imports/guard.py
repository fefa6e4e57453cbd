"""The only way in which imports reach the network: every address is looked at, after every question to the name
service and on every redirect.

A server is refused by its name (the operator's lists), and by the addresses that its name leads to: loopback, private,
link-local and other special ones are for servers that the operator named as inside. The connection then goes to the
very address that was looked at, so that a name whose answer changes in between gains nothing. A secret goes only to
the server that it was given for, and never in the clear over a public network.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx
from django.conf import settings

from common.errors import Forbidden, NotFound, Unavailable, UserError

TIMEOUT = httpx.Timeout(30.0, connect=15.0, read=60.0)
MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
DENIED, GONE = (401, 403), (404, 410)
LISTING_LIMIT = 64 * 1024**2
PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

# Headers that let a request in, by its method and address.
Signer = Callable[[str, str], Mapping[str, str]]


def nobody(method: str, url: str) -> Mapping[str, str]:
    """Headers of a request that needs no password."""
    return {}


def check_server(url: str) -> SplitResult:
    """The parts of ``url``, when its server is one to import from; UserError ``bad_address``, Forbidden else."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise UserError("This address can't be read.", code="bad_address", field="address") from error
    if not port or not parts.hostname:
        raise UserError("An address begins with https:// or http://.", code="bad_address", field="address")
    if "@" in parts.netloc:
        hint = "Give them in the fields for user and password."
        raise UserError(
            "User and password don't belong in the address.", code="bad_address", field="address", hint=hint
        )
    allowed = not settings.IMPORT_HOSTS or _named(parts.hostname, port, settings.IMPORT_HOSTS)
    if not allowed or _named(parts.hostname, port, settings.IMPORT_REFUSED_HOSTS):
        raise _refused(parts.hostname)
    return parts


def is_inside(parts: SplitResult) -> bool:
    """True for a server that the operator named as one of their own networks."""
    return _named(parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0), settings.IMPORT_INSIDE_HOSTS)


def check_secret_is_safe(url: str) -> None:
    """Nothing happens when a password may be sent to ``url``; UserError ``secret_in_clear`` else."""
    parts = check_server(url)
    if parts.scheme != "https" and not is_inside(parts):
        raise UserError(
            "A password is only sent over https.",
            code="secret_in_clear",
            field="address",
            hint="Use the https address.",
        )


def _named(host: str, port: int, names: frozenset[str]) -> bool:
    host = host.lower().rstrip(".")
    return any(fnmatch(host, name.lower()) or fnmatch(f"{host}:{port}", name.lower()) for name in names)


def _refused(host: str) -> Forbidden:
    return Forbidden(
        f"This portal does not import from “{host}”.", code="import_host_refused", hint="Ask the operator.",
        field="address",
    )  # fmt: skip


def is_public(text: str) -> bool:
    """True for an address of the public Internet; what is wrapped into an IPv6 address is unwrapped first."""
    found = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inside = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inside = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inside is not None:
            return is_public(str(inside))
        if found.teredo is not None or found.is_site_local:
            return False
    return found.is_global and not found.is_multicast


def addresses_of(parts: SplitResult) -> list[str]:
    """The addresses to which a connection may go; Forbidden ``import_host_refused`` when one of them is not public."""
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"The name “{host}” can't be found."
        raise Unavailable(message, code="source_unreachable", hint="Look at the address.") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not is_inside(parts) and not all(is_public(address) for address in addresses):
        raise _refused(host)
    return addresses


class Guarded(httpx.BaseTransport):
    """Requests go to the address that was looked at, in the name of the host that was asked for.

    Each host has connections of its own, so that none is shared by two names on one address.
    """

    def __init__(self) -> None:
        self._hosts: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer of the first address that takes a connection."""
        parts = check_server(str(request.url))
        host = parts.hostname or ""
        way = self._hosts.setdefault(parts.netloc, httpx.HTTPTransport(trust_env=False))
        addresses = addresses_of(parts)
        for number, address in enumerate(addresses):
            sent = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return way.handle_request(sent)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if number == len(addresses) - 1:
                    raise
        raise httpx.ConnectError("no address", request=request)

    def close(self) -> None:
        """No connection is open any more."""
        for way in self._hosts.values():
            way.close()


class Reach:
    """Requests to one source; may be used by several threads."""

    def __init__(self, home: str, signer: Signer = nobody) -> None:
        self._home, self._signer = _origin(home), signer
        self._client = httpx.Client(transport=Guarded(), timeout=TIMEOUT, trust_env=False)

    def __enter__(self) -> Reach:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @contextmanager
    def open(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Iterator[tuple[httpx.Response, str]]:
        """(answer, whose body is not read yet; the address that gave it after redirects).

        Forbidden ``source_login`` or ``source_denied``, NotFound ``source_missing``, Unavailable ``source_unreachable``
        for what is no success; 416 is left to the caller.
        """
        with _plainly(url):
            for _ in range(MOST_REDIRECTS + 1):
                check_server(url)
                mine = self._signer(method, url) if _origin(url) == self._home else {}
                asked = {"accept-encoding": "identity", **(headers or {}), **mine}
                with self._client.stream(method, url, headers=asked, content=body or None) as answer:
                    if answer.status_code not in REDIRECTS:
                        _check_status(answer, url)
                        yield answer, url
                        return
                    url = _further(url, answer.headers.get("location", ""))
        raise Unavailable("The source leads from one address to the next.", code="source_unreachable")

    def read(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[httpx.Response, str, bytes]:
        """(answer, its address, its body of a size that a listing may have)."""
        with self.open(method, url, headers, body) as (answer, found):
            blocks, size = [], 0
            for block in answer.iter_raw():
                size += len(block)
                if size > LISTING_LIMIT:
                    raise UserError("The source's list of files is too long.", code="source_unreadable")
                blocks.append(block)
            return answer, found, b"".join(blocks)


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or PORTS.get(parts.scheme, 0)


def _further(url: str, location: str) -> str:
    further = urljoin(url, location).partition("#")[0]
    if urlsplit(url).scheme == "https" and urlsplit(further).scheme != "https":
        raise Forbidden("The source leads from https to an unprotected address.", code="import_host_refused")
    return further


def _check_status(answer: httpx.Response, url: str) -> None:
    status = answer.status_code
    if status < 400 or status == 416:
        return
    if status in DENIED:
        hint = "Look at the user and password, or whether the share has ended."
        code = "source_login" if status == 401 else "source_denied"
        raise Forbidden(f"The source refuses access (status {status}).", code=code, hint=hint)
    if status in GONE:
        raise NotFound(f"The source has nothing at this address (status {status}).", code="source_missing")
    if status in (408, 425, 429) or status >= 500:
        text = answer.headers.get("retry-after", "")
        wait = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
        raise Unavailable(f"The source can't answer now (status {status}).", code="source_unreachable", wait=wait)
    raise UserError(f"The source does not do this (status {status}).", code="source_unreadable")


@contextmanager
def _plainly(url: str) -> Iterator[None]:
    """Inside, an error of the network leaves in plain words, without the address (a secret may be in it)."""
    host = urlsplit(url).hostname
    try:
        yield
    except httpx.TimeoutException as error:
        raise Unavailable(f"“{host}” did not answer in time.", code="source_unreachable") from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        message = f"The connection to “{host}” could not be made, or broke off."
        raise Unavailable(message, code="source_unreachable") from error
