"""COPY from another server (``Source``) or to one (``Destination``): third-party copies as grid tools ask for them.

The door fetches no address that a stranger names: only servers on the operator's list (``COPY_HOSTS``), by http or
https, and a redirect only from one to another of them. What the client puts into ``TransferHeader…`` is sent to that
server, and to no other one. The answer is 202 and tells every few seconds how far it is; its last line is
``success`` or ``failure``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from urllib.parse import urljoin, urlsplit

import httpx
from django.conf import settings

from common.errors import Forbidden, PortolanError, StateConflict, Unavailable, UserError
from storage.door.http import Reply
from storage.door.links.dav import own_hosts
from storage.door.links.giving import file_blocks
from storage.door.links.taking import Part, receive
from storage.door.links.visits import Visit
from storage.door.pouring import Cut
from storage.door.threads import on_disk
from storage.links.rights import Operation
from storage.paths import exists_beneath
from storage.streaming import open_for_reading

MOST_REDIRECTS = 5
MARKER_SECONDS = 5.0
TIMEOUT = httpx.Timeout(30.0, read=120.0, write=120.0)
PREFIX = "transferheader"
REDIRECTS = (301, 302, 303, 307, 308)


def is_far(visit: Visit) -> bool:
    """True when a COPY names another server."""
    headers = visit.request.headers
    found = urlsplit(headers.get("destination", ""))
    return "source" in headers or bool(found.netloc and found.netloc not in own_hosts(visit))


async def copy(visit: Visit) -> Reply:
    """The answer to COPY from or to another server; what can be refused is refused before it begins."""
    pull = "source" in visit.request.headers
    url = allowed(visit.request.headers["source" if pull else "destination"])
    if pull:
        there = await on_disk(exists_beneath, visit.here.root, visit.path)
        if there and visit.request.headers.get("overwrite", "T").upper() == "F":
            raise StateConflict("This file is there already.", code="precondition_failed")
        await visit.need(Operation.REPLACE if there else Operation.CREATE)
    else:
        await visit.need(Operation.READ)
    headers = {"Content-Type": "text/perf-marker-stream", "Cache-Control": "no-store"}
    return Reply(status=202, headers=headers, stream=_told(visit, url, pull=pull))


def allowed(url: str) -> str:
    """``url``, when it is on a server of the operator's list; Forbidden ``copy_host_refused`` else."""
    found = urlsplit(url)
    if found.scheme not in ("http", "https") or not found.hostname or "@" in found.netloc:
        raise UserError("Copies go by http or https, without a name in the address.", code="bad_address")
    if not {found.netloc.lower(), found.hostname} & settings.COPY_HOSTS:
        raise Forbidden(
            "This door does not copy from or to that server.", code="copy_host_refused", hint="Ask the operator."
        )
    return url


async def _told(visit: Visit, url: str, *, pull: bool) -> AsyncGenerator[bytes]:
    work = asyncio.ensure_future((_pull if pull else _push)(visit, url))
    outcome = "cut"
    try:
        while not (await asyncio.wait([work], timeout=MARKER_SECONDS))[0]:
            yield _marker(visit)
        try:
            work.result()
            outcome = "ok"
            yield b"success: Created\n"
        except PortolanError as error:
            outcome = error.code
            yield f"failure: {error.message}\n".encode()
        except (httpx.HTTPError, OSError, Cut):
            outcome = "copy_failed"
            yield b"failure: the other server could not be reached or broke off\n"
    finally:
        work.cancel()
        visit.note(outcome)


def _marker(visit: Visit) -> bytes:
    lines = ("Perf Marker", f"Timestamp: {int(time.time())}", "Stripe Index: 0",
             f"Stripe Bytes Transferred: {visit.size}", "Total Stripe Count: 1", "End")  # fmt: skip
    return ("\n".join(lines) + "\n").encode()


def _headers(visit: Visit) -> dict[str, str]:
    sent = visit.request.headers
    return {name[len(PREFIX) :]: value for name, value in sent.items() if name.startswith(PREFIX) and name != PREFIX}


async def _pull(visit: Visit, url: str) -> None:
    headers, first = _headers(visit), urlsplit(url).netloc
    async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
        for _ in range(MOST_REDIRECTS):
            mine = headers if urlsplit(url).netloc == first else {}
            async with client.stream("GET", url, headers={"accept-encoding": "identity", **mine}) as answer:
                if answer.status_code not in REDIRECTS:
                    await _taken(visit, answer)
                    return
                url = allowed(urljoin(url, answer.headers.get("location", "")))
    raise Unavailable("The other server leads from one address to the next.", code="copy_failed")


async def _taken(visit: Visit, answer: httpx.Response) -> None:
    if answer.status_code != 200:
        raise Unavailable(f"The other server answered {answer.status_code}.", code="copy_failed")
    text = answer.headers.get("content-length", "")
    length = int(text) if text.isascii() and text.isdigit() else None
    await receive(visit, Part(start=0, length=length, total=length), answer.aiter_raw())


async def _push(visit: Visit, url: str) -> None:
    opened = await on_disk(open_for_reading, visit.here.root, visit.path, follow=False)
    try:
        await visit.spend(opened.size)
        headers = {"content-length": str(opened.size), **_headers(visit)}
        blocks = file_blocks(opened, 0, opened.size)

        async def sent() -> AsyncIterator[bytes]:
            while (block := await on_disk(next, blocks, None)) is not None:
                await visit.still()
                yield block
                visit.went(len(block))

        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
            answer = await client.put(url, content=sent(), headers=headers)
    finally:
        opened.handle.close()
        await visit.give_back(opened.size - visit.size)
    if answer.status_code not in (200, 201, 204):
        raise Unavailable(f"The other server answered {answer.status_code}.", code="copy_failed")
    visit.files_out = 1
