"""One request by a link: who is here, with what, and what is noted of it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl
from uuid import UUID

from django.conf import settings

from common.errors import Forbidden, NotFound, PortolanError, UserError
from storage.door.http import Request
from storage.door.pouring import Chunk
from storage.door.threads import on_rows
from storage.links import traffic
from storage.links.access import MEMO_SECONDS, Pass, enter
from storage.links.rights import Operation
from storage.links.traffic import Done, Ledger

log = logging.getLogger("portolan.door")
COLLECTION = "/links/"
WRITE_SECONDS = 1.0
ledger = Ledger()


@dataclass(kw_only=True)
class Visit:
    """A request by a link. ``path`` is the asked path in the project; ``size`` counts the bytes that were moved."""

    request: Request
    here: Pass
    mount: str
    asked: str
    query: dict[str, str]
    operation: str = ""
    size: int = 0
    files_in: int = 0
    files_out: int = 0
    noted: bool = False
    needed: tuple[Operation, ...] = ()
    _checked: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> str:
        """The path in the project; UserError ``bad_path``, Forbidden ``path_outside``."""
        return self.here.place(self.asked)

    async def need(self, *operations: Operation) -> None:
        """``operations`` are allowed now, and will be asked again while bytes move; else Forbidden or NotFound."""
        self.operation, self.needed = operations[0].value, operations
        await on_rows(self.here.require, *operations)
        self._checked = time.monotonic()

    async def still(self) -> None:
        """What was needed is still allowed; asked at most every half second, so it costs nothing to ask often."""
        if time.monotonic() - self._checked < MEMO_SECONDS:
            return
        await on_rows(self.here.require, *self.needed)
        self._checked = time.monotonic()

    def came(self, size: int) -> None:
        """``size`` bytes came in."""
        self.size += size
        ledger.moved(self.here.link.pk, bytes_in=size)

    def went(self, size: int) -> None:
        """``size`` bytes went out."""
        self.size += size
        ledger.moved(self.here.link.pk, bytes_out=size)

    async def watched(self, chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
        """``chunks`` that come in, counted, for as long as the link allows it."""
        async for chunk in chunks:
            await self.still()
            self.came(len(chunk))
            write_soon()
            yield chunk

    async def spend(self, size: int) -> None:
        """One use and ``size`` bytes of the link's limits are taken; QuotaExceeded or Forbidden when there are none."""
        link = self.here.link
        if link.max_uses is not None:
            await on_rows(traffic.use, link)
        if link.max_bytes is not None:
            await on_rows(traffic.spend, link, size)

    async def give_back(self, size: int) -> None:
        """``size`` bytes that were taken have not moved."""
        if self.here.link.max_bytes is not None:
            await on_rows(traffic.give_back, self.here.link, size)

    def note(self, outcome: str = "ok") -> None:
        """The request is over and is written to the access log, once."""
        if self.noted:
            return
        self.noted = True
        if outcome == "ok" and self.operation in (Operation.STAT, ""):
            return  # clients ask this all the time, and nothing moved
        done = Done(
            link_id=self.here.link.pk,
            address=self.here.address,
            operation=self.operation or self.request.method.lower()[:12],
            path=self.asked,
            size=self.size,
            outcome=outcome,
        )
        whole = outcome == "ok"
        ledger.note(done, files_in=self.files_in if whole else 0, files_out=self.files_out if whole else 0)
        write_soon()


async def enter_by(request: Request, prefix: str) -> Visit:
    """The visit that ``request`` asks for; see ``storage.links.access.enter`` for what is refused."""
    number, _, asked = request.path.removeprefix(COLLECTION).partition("/")
    try:
        link_id = UUID(number)
    except ValueError as error:
        raise NotFound("There is no such link.", code="link_not_found") from error
    if "\ufffd" in asked:  # what the server puts where an address is not UTF-8
        raise UserError("An address must be UTF-8.", code="bad_path", field="path")
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    address, token = address_of(request), _token(request, query)
    try:
        here = await on_rows(enter, link_id, token, address)
    except PortolanError as error:
        if error.code != "bad_link_token":
            _note_refused(request, link_id, address, asked, error.code)
        raise
    return Visit(request=request, here=here, mount=f"{prefix}{COLLECTION}{number}", asked=asked, query=query)


def _note_refused(request: Request, link_id: UUID, address: str, asked: str, code: str) -> None:
    what = request.method.lower()[:12]
    ledger.note(Done(link_id=link_id, address=address, operation=what, path=asked, size=0, outcome=code))
    write_soon()


def _valid(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return ""


def _token(request: Request, query: dict[str, str]) -> str:
    """The token as bearer, as the password of Basic, or, for reading only, as ``?authz=`` (a browser, a QR code)."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return query.get("authz", "").removeprefix("Bearer ") if request.method in ("GET", "HEAD") else ""


def address_of(request: Request) -> str:
    """Where the request comes from: what the outermost of our own proxies says, else the connection's other end."""
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    ours = settings.DOOR_PROXY_HOPS
    return _valid(hops[-ours] if 0 < ours <= len(hops) else request.peer)


_due = False
_writers: set[asyncio.Task[None]] = set()


def write_soon() -> None:
    """What was noted will be in the database within about a second, or as soon as the database takes it."""
    global _due
    if not _due:
        _due = True
        task = asyncio.get_running_loop().create_task(_write_later())
        _writers.add(task)
        task.add_done_callback(_writers.discard)


async def _write_later() -> None:
    global _due
    try:
        await asyncio.sleep(WRITE_SECONDS)
    finally:
        _due = False  # what is noted from here on asks for a writing of its own
    try:
        await on_rows(ledger.write)
    except Exception:
        log.exception("the log of links can't be written now; it is tried again")
        write_soon()


async def settle() -> None:
    """Everything noted is in the database."""
    await on_rows(ledger.write)


def refuse_root(visit: Visit) -> None:
    """Nothing happens but for the link's own root, which can't be written over, moved or deleted."""
    if visit.path == visit.here.base:
        raise Forbidden("The link's own folder stays as it is.", code="link_root")
