"""The methods of WebDAV, answered by WsgiDAV in a thread; its provider is ``dav_tree``.

Which rights a method needs is asked here, before WsgiDAV sees it. GET, HEAD and PUT are not its matter: bytes go
through ``giving`` and ``taking``. Only the locks that a PUT has to respect are asked of it.
"""

from __future__ import annotations

import io
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings
from wsgidav.default_conf import DEFAULT_CONFIG
from wsgidav.error_printer import ErrorPrinter
from wsgidav.request_server import RequestServer
from wsgidav.util import add_property_response, get_uri_parent, parse_xml_body
from wsgidav.xml_tools import etree, make_multistatus_el

from common.errors import Forbidden, NotFound, PortolanError, UserError
from storage.door.http import Reply
from storage.door.links.dav_notes import any_lock
from storage.door.links.dav_tree import FolderHere, LinkTree, told
from storage.door.links.visits import Visit, refuse_root
from storage.door.threads import finishing, on_disk, on_rows
from storage.links.rights import Operation
from storage.listing import stat_path

METHODS = ("OPTIONS", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "DELETE", "LOCK", "UNLOCK")
MOST_BODY = 1024**2
ROWS_AT_ONCE = 200
_LONG = ("COPY", "MOVE", "DELETE")
_OF_METHOD = {
    "OPTIONS": Operation.STAT,
    "PROPPATCH": Operation.PROPERTIES,
    "MKCOL": Operation.MAKE_FOLDER,
    "COPY": Operation.COPY,
    "MOVE": Operation.MOVE,
    "DELETE": Operation.DELETE,
    "LOCK": Operation.LOCK,
    "UNLOCK": Operation.LOCK,
}
_TAG = re.compile(r"<(https?://[^/>]+)?(/[^>]*)>")


async def answer(visit: Visit) -> Reply:
    """The reply to one of ``METHODS``."""
    method = visit.request.method
    environ = {"HTTP_DESTINATION": f"/{await _target(visit)}"} if method in ("COPY", "MOVE") else {}
    await _permit(visit, environ.get("HTTP_DESTINATION", "").strip("/"))
    body = await _body(visit)
    if method == "PROPFIND" and visit.operation == Operation.LIST and visit.request.headers.get("depth") == "1":
        return await _listing(visit, body)
    run = finishing if method in _LONG else on_rows
    return await run(_answered, visit, environ, body)


async def respect_locks(visit: Visit) -> None:
    """Nothing happens when no lock of somebody else is on what a PUT would change; else PortolanError of that."""
    if "if" not in visit.request.headers and not await on_rows(any_lock, visit.here.link.folder):
        return
    reply = await on_rows(_answered, visit, {}, b"")
    if reply.status >= 400:
        code = "dav_locked" if reply.status == 423 else "precondition_failed" if reply.status == 412 else "conflict"
        raise PortolanError("A lock or a condition forbids to change this file.", code=code)


async def _permit(visit: Visit, target: str) -> None:
    """What the method needs is allowed, and the link's own root stays as it is."""
    method, path = visit.request.method, visit.path
    if method == "PROPFIND":
        deep = visit.request.headers.get("depth", "infinity").strip() != "0"
        kind = await on_disk(_kind, visit, path) if deep else ""
        await visit.need(Operation.LIST if kind == "folder" else Operation.STAT)
        return
    if method in ("DELETE", "MOVE"):
        refuse_root(visit)
    needed = [_OF_METHOD[method]]
    if target:
        kind = await on_disk(_kind, visit, target)
        if kind and visit.request.headers.get("overwrite", "T").upper() != "F":
            needed += [Operation.REPLACE, *([Operation.DELETE] if kind == "folder" else [])]
    await visit.need(*needed)


def _kind(visit: Visit, path: str) -> str:
    if path == visit.here.base:
        return "folder"
    try:
        return stat_path(visit.here.root, path).kind
    except NotFound:
        return ""


async def _target(visit: Visit) -> str:
    """The path in the project that ``Destination`` names, when it is one of this link's."""
    text = visit.request.headers.get("destination", "")
    found = urlsplit(text)
    hosts = own_hosts(visit)
    path = unquote(found.path)
    number = visit.mount.rpartition("/")[2]
    _, marker, below = path.partition(f"/links/{number}/")
    if not text or (found.netloc and found.netloc not in hosts) or not marker:
        raise Forbidden("Destination must be below this link.", code="path_outside")
    if any(sign in below for sign in "?#;"):
        raise UserError("“?”, “#” and “;” can't be in the new name by WebDAV.", code="bad_path")
    target = visit.here.place(below)
    if target == visit.here.base:
        raise Forbidden("The link's own folder stays as it is.", code="link_root")
    return target


def own_hosts(visit: Visit) -> set[str]:
    """By which names this door is called."""
    return {visit.request.headers.get("host", ""), urlsplit(settings.DOOR_URL).netloc}


async def _body(visit: Visit) -> bytes:
    parts, size = [], 0
    if visit.request.has_body:
        async for chunk in visit.request.body.chunks():
            size += len(chunk)
            if size > MOST_BODY:
                raise UserError("The body of this method has at most 1 MiB.", code="too_long")
            parts.append(chunk)
    return b"".join(parts)


async def _listing(visit: Visit, body: bytes) -> Reply:
    """The answer about a folder and what is in it, made while it is sent: a folder may hold any number of names."""
    first = await on_rows(_answered, visit, {"HTTP_DEPTH": "0"}, body)
    if first.status != 207:
        return first
    rows = _responses(LinkTree(visit.here, visit.mount), visit, body)
    return Reply(status=207, headers=first.headers, stream=_sent(visit, rows))


async def _sent(visit: Visit, rows: Iterator[bytes]) -> AsyncGenerator[bytes]:
    yield b'<?xml version="1.0" encoding="utf-8" ?>\n<multistatus xmlns="DAV:">'
    while block := await on_rows(_some, rows):
        yield block
    yield b"</multistatus>"
    visit.note()


def _some(rows: Iterator[bytes]) -> bytes:
    with told():
        return b"".join(islice(rows, ROWS_AT_ONCE))


def _responses(provider: LinkTree, visit: Visit, body: bytes) -> Iterator[bytes]:
    """One element ``response`` after the other: the folder's, and one for each name in it."""
    environ = _environ(visit, provider, body)
    asked = parse_xml_body(environ, allow_empty=True)
    named = [child.tag for part in (asked if asked is not None else []) if part.tag == "{DAV:}prop" for child in part]
    modes = {part.tag for part in asked} if asked is not None else set()
    mode = "named" if "{DAV:}prop" in modes else "name" if "{DAV:}propname" in modes else "allprop"
    folder = provider.get_resource_inst(environ["PATH_INFO"], environ)
    if not isinstance(folder, FolderHere):
        return
    for resource in chain([folder], folder.members()):
        whole = make_multistatus_el()
        found = resource.get_properties(mode, name_list=named) if named else resource.get_properties(mode)
        add_property_response(whole, resource.get_href(), found)
        yield etree.tostring(whole[0])


class _Server(RequestServer):
    def __init__(self, provider: LinkTree) -> None:
        super().__init__(provider)
        self.allow_propfind_infinite = False

    def do_PUT(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Only whether locks and conditions allow it."""
        path, provider = environ["PATH_INFO"], self._davProvider
        here = provider.get_resource_inst(path, environ)
        self._evaluate_if_headers(here, environ)
        self._check_write_permission(here or provider.get_resource_inst(get_uri_parent(path), environ), "0", environ)
        start_response("204 No Content", [])
        return [b""]


class _App:
    """What WsgiDAV's request server asks of its application."""

    def __init__(self, provider: LinkTree) -> None:
        self.provider = provider

    def resolve_provider(self, path: str) -> tuple[str, LinkTree]:
        """Every path is this link's."""
        return "/", self.provider


def _answered(visit: Visit, more: dict[str, Any], body: bytes) -> Reply:
    provider = LinkTree(visit.here, visit.mount)
    environ = _environ(visit, provider, body) | more
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        started[:] = [status, headers]

    app = ErrorPrinter(None, _Server(provider), DEFAULT_CONFIG)
    content = b"".join(app(environ, start_response))
    status, headers = started
    kept = {name: value for name, value in headers if name.lower() not in ("date", "connection", "content-length")}
    if visit.request.method == "OPTIONS":
        kept |= {"MS-Author-Via": "DAV", "Accept-Ranges": "bytes"}
    return Reply(status=int(status.split()[0]), headers=kept, body=content)


def _environ(visit: Visit, provider: LinkTree, body: bytes) -> dict[str, Any]:
    request = visit.request
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": f"/{visit.path}",
        "SCRIPT_NAME": "",
        "CONTENT_LENGTH": str(len(body)) if request.method != "PUT" else "0",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "wsgidav.app": _App(provider),
        "wsgidav.config": DEFAULT_CONFIG,
        "wsgidav.provider": provider,
        "wsgidav.verbose": 0,
        "wsgidav.auth.user_name": str(visit.here.link.pk),
    }
    environ |= {
        "HTTP_" + name.upper().replace("-", "_"): value
        for name, value in request.headers.items()
        if name not in ("authorization", "content-length", "destination", "if")
    }
    environ["HTTP_HOST"] = request.headers.get("host", "localhost")
    if "if" in request.headers:
        environ["HTTP_IF"] = _TAG.sub(lambda tag: _own_tag(visit, tag), request.headers["if"])
    return environ


def _own_tag(visit: Visit, tag: re.Match[str]) -> str:
    """A resource tag of an If header in the words of ``dav_tree``; others are left as they are."""
    _, marker, below = unquote(tag.group(2)).partition(f"/links/{visit.mount.rpartition('/')[2]}/")
    return f"<{quote('/' + visit.here.place(below))}>" if marker else tag.group(0)
