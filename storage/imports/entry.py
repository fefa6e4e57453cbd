"""What lets an import in: addresses, user and password, sealed while it lasts and forgotten when it ends."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from accounts.sealing import seal, unseal
from common.errors import Forbidden, UserError
from storage.imports import guard
from storage.imports.sources.base import Source
from storage.imports.sources.s3 import S3Source
from storage.imports.sources.web import WebSource
from storage.imports.sources.webdav import WebdavSource
from storage.models import Import, ImportFile, ImportKind

SEALED = "sealed:"
SHARE = re.compile(r"/s/[A-Za-z0-9]+/?$")
MOST_ADDRESSES = 10_000


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Where a source is and how one gets in. ``user`` is the key's id for S3; ``password`` alone is a bearer token."""

    addresses: list[str]
    region: str = ""
    user: str = ""
    password: str = ""


def check_entry(kind: str, entry: Entry) -> Source:
    """The source, when everything about its address is fine; UserError ``bad_address``, Forbidden else."""
    if not 1 <= len(entry.addresses) <= MOST_ADDRESSES or (kind != ImportKind.HTTP and len(entry.addresses) > 1):
        message = "Give one address; only files on web servers can be listed, one address a line."
        raise UserError(message, code="bad_address", field="address")
    source = source_from(kind, entry)
    addresses = entry.addresses if kind == ImportKind.HTTP else [source.home]
    for address in dict.fromkeys(addresses):
        guard.check_server(address)
    if entry.user or entry.password:
        guard.check_secret_is_safe(source.home)
    return source


def source_from(kind: str, entry: Entry) -> Source:
    """The source that the entry leads to."""
    if kind == ImportKind.WEBDAV:
        return WebdavSource(entry.addresses[0], entry.user, entry.password)
    if kind == ImportKind.S3:
        return S3Source(entry.addresses[0], entry.region, entry.user, entry.password)
    return WebSource(entry.addresses, entry.user, entry.password)


def keep(run: Import, entry: Entry) -> None:
    """The import has the entry in its fields, with what is secret sealed."""
    run.addresses, run.region = [kept(address) for address in entry.addresses], entry.region
    run.secret = seal(json.dumps([entry.user, entry.password])) if entry.user or entry.password else ""


def opened(run: Import) -> Entry:
    """The entry of an import; Forbidden ``source_forgotten`` when its addresses are not known any more."""
    addresses = [told(address) for address in run.addresses]
    if not addresses or not all(addresses):
        raise Forbidden(
            "The address of this source is a secret and is not kept any more.",
            code="source_forgotten",
            hint="Give it again.",
        )
    user, password = json.loads(unseal(run.secret) or '["", ""]') if run.secret else ("", "")
    return Entry(addresses=addresses, region=run.region, user=user, password=password)


def again(run: Import, given: Entry) -> Entry:
    """The entry with which an import that stopped goes on: what is given now, and what is known of before."""
    if given.addresses and shown(given.addresses) != run.source:
        raise UserError("This is another source than the import's.", code="other_source", field="address")
    entry = replace(given, addresses=given.addresses or opened(run).addresses, region=given.region or run.region)
    check_entry(run.kind, entry)
    return entry


def forget(run: Import) -> dict[str, object]:
    """The fields of an import without its secrets."""
    return {"secret": "", "addresses": ["" if address.startswith(SEALED) else address for address in run.addresses]}


def shown(addresses: list[str]) -> str:
    """The addresses for people: without queries, in which secrets may be, nor the token of a share."""
    first = SHARE.sub("/s/…", urlsplit(addresses[0])._replace(query="", fragment="").geturl())
    return first[:1900] + (f" and {len(addresses) - 1} more" if len(addresses) > 1 else "")


def kept(address: str) -> str:
    """An address as it is kept: sealed where it has a query or is a share, which may be a secret."""
    return SEALED + seal(address) if "?" in address or SHARE.search(address) else address


def told(address: str) -> str:
    """The address that was kept; "" where it is not known any more."""
    return unseal(address.removeprefix(SEALED)) if address.startswith(SEALED) else address


def address_of(item: ImportFile) -> str:
    """The address of a file; Forbidden ``source_forgotten`` when it is not known any more."""
    address = told(item.address)
    if not address:
        message = "The address of this file was a secret and is not kept any more."
        raise Forbidden(message, code="source_forgotten", hint="Begin the import again.")
    return address
