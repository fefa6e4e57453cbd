"""What works at a storage site and, above all, whether its credentials open no more than they say.

A probe works in a folder of its own, ``<prefix>/.portolan-probe-<number>/``, and takes it away again. A site that lets
a credential reach beyond its path, its rights or its end is not used at all.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from django.utils import timezone

from common.errors import PortolanError
from storage.links.rights import Activity
from storage.models import SiteKind, StorageSite
from storage.sites import macaroons
from storage.sites.base import Found, Probed
from storage.sites.rows import door_of, store_of
from storage.sites.s3 import Store, told
from storage.sites.settings import checked
from storage.sites.webdav import ABOVE, FILES, Door, MacaroonAsk, send

OLD = "before:2001-01-01T00:00:00Z"
REFUSED = (400, 401, 403, 404, 405, 409)
SOON = timedelta(minutes=5)
UNSAFE = "Its credentials can't be handed out. See “Connect a store that has its own door” in the operators' guide."


def probe(site: StorageSite) -> Probed:
    """What was tried at the site and what came of it; stops at the first thing without which the rest is idle."""
    try:
        checked(site.kind, site.base_url, site.prefix, site.settings)
        found = {SiteKind.POSIX: _posix, SiteKind.WEBDAV: _webdav, SiteKind.S3: _s3}[SiteKind(site.kind)](site)
    except PortolanError as error:
        return Probed(found=[Found(ok=False, title="Settings", words=error.message, hint=error.hint)])
    return found


def note(site: StorageSite, probed: Probed) -> None:
    """The row says what was found, unless it was changed or probed anew since it was read."""
    told = {
        "ok": probed.ok,
        "limits": sorted(probed.limits),
        "checks": [{"ok": one.ok, "title": one.title, "words": one.words, "hint": one.hint} for one in probed.found],
    }
    rows = StorageSite.objects.filter(pk=site.pk, probed_at=site.probed_at)
    rows.update(probe=told, probed_at=timezone.now())


def _posix(site: StorageSite) -> Probed:
    root = Path(site.root)
    try:
        trial = root / f".portolan-probe-{uuid.uuid4().hex}"
        with trial.open("xb") as file:
            file.write(b"probe")
            os.fsync(file.fileno())
        trial.unlink()
        free = shutil.disk_usage(root).free
    except OSError as error:
        words = f"{root} can't be written to: {error.strerror}."
        return Probed(found=[Found(ok=False, title="Folder", words=words, hint="Is it mounted, and ours?")])
    return Probed(found=[Found(ok=True, title="Folder", words=f"Written to; {free // 10**9} GB are free.")])


# --- WebDAV with macaroons


@dataclass(kw_only=True)
class _Trial:
    """One probe of a door: two folders ``a`` and ``b`` of its own, as two projects have."""

    door: Door
    client: httpx.Client
    home: str
    found: list[Found] = field(default_factory=list)
    limits: set[str] = field(default_factory=set)

    def token(self, path: str, *activities: Activity) -> str:
        ask = MacaroonAsk(path=f"{self.home}{path}", activities=list(activities), ends_at=timezone.now() + SOON)
        return self.door.macaroon(ask)

    def ask(self, method: str, path: str, token: str, **words: Any) -> int:
        url = self.door.url_of(f"{self.home}{path}")
        # The client would tidy "a/.." away before it is sent.
        raw = {"target": f"{self.home}{path}".encode()}
        return send(self.client, method, url, token, extensions=raw, **words)[0]

    def note(self, ok: bool, title: str, words: str, hint: str = "") -> bool:
        self.found.append(Found(ok=ok, title=title, words=words, hint="" if ok else hint))
        return ok


def _webdav(site: StorageSite) -> Probed:
    door = door_of(site)
    with door.client() as client:
        trial = _Trial(door=door, client=client, home=f"{site.prefix}/.portolan-probe-{uuid.uuid4().hex}/")
        try:
            if _writes(trial):
                _confines(trial)
                _finds_limits(trial)
        except PortolanError as error:
            trial.note(False, "Door", error.message, error.hint or "Is the address right, and does the site know us?")
        finally:
            _tidies(trial)
    return Probed(found=trial.found, limits=frozenset(trial.limits))


def _writes(trial: _Trial) -> bool:
    """Macaroons are given, and what is written with one can be read with another."""
    token = trial.token("", Activity.UPLOAD, Activity.MANAGE, Activity.READ_METADATA)
    trial.note(True, "Macaroon", "The site gives macaroons.")
    for folder in ("", "a/", "b/"):
        trial.ask("MKCOL", folder, token)
    answers = [trial.ask("PUT", name, token, content=b"probe") for name in ("a/one", "a/one.more", "b/two")]
    words = f"It takes new files (it answers {answers[0]})."
    if not trial.note(all(answer in (200, 201, 204) for answer in answers), "Writing", words, "May we write there?"):
        return False
    read = trial.ask("GET", "a/one", trial.token("a/", Activity.DOWNLOAD, Activity.READ_METADATA))
    return trial.note(read == httpx.codes.OK, "Reading", f"A file can be read (it answers {read}).", "May we read?")


def _confines(trial: _Trial) -> None:
    """Beyond path, rights and end everything is refused, also when the connection has served something before."""
    narrow = trial.token("a/", Activity.LIST, Activity.DOWNLOAD, Activity.READ_METADATA)
    tries: list[tuple[str, str, str, str, dict[str, Any]]] = [
        ("Path", "GET", "b/two", narrow, {}),
        ("Rights", "PUT", "a/new", narrow, {"content": b"x"}),
        ("Rights", "DELETE", "a/one.more", narrow, {}),
        ("End", "GET", "a/one", macaroons.narrowed(narrow, OLD), {}),
        ("Nobody", "GET", "a/one", "", {}),
    ]
    for title, method, path, token, more in tries:
        trial.ask("GET", "a/one", narrow)  # what a server remembers of this must not help the next request
        answer = trial.ask(method, path, token, **more)
        done = "is refused" if answer in REFUSED else "is NOT refused"
        words = f"{method} beyond what the macaroon opens {done} (it answers {answer})."
        trial.note(answer in REFUSED, title, words, UNSAFE)


def _finds_limits(trial: _Trial) -> None:
    """What the site can't confine, and is therefore never handed out."""
    one = trial.token("a/one", Activity.DOWNLOAD, Activity.READ_METADATA)
    if trial.ask("GET", "a/one.more", one) not in REFUSED:
        trial.limits.add(FILES)
        trial.note(True, "Single files", "A credential for one file opens names that begin alike: folders only.")
    listing = trial.token("a/", Activity.LIST, Activity.READ_METADATA)
    if trial.ask("PROPFIND", "a/..", listing, headers={"Depth": "1"}) not in REFUSED:
        trial.limits.add(ABOVE)
        trial.note(
            True, "Listing", "The folder above is listed too: listing is given for a project's whole folder only."
        )


def _tidies(trial: _Trial) -> None:
    with suppress(PortolanError):
        token = trial.token("", Activity.DELETE, Activity.MANAGE, Activity.READ_METADATA)
        for name in ("a/one", "a/one.more", "a/new", "b/two", "a/", "b/", ""):
            trial.ask("DELETE", name, token)


# --- S3


def _s3(site: StorageSite) -> Probed:
    store, found = store_of(site), list[Found]()
    key = f"{site.prefix.strip('/')}/.portolan-probe-{uuid.uuid4().hex}".lstrip("/")
    steps: list[Callable[[Store, str], Iterator[Found]]] = [_s3_writes, _s3_confines]
    try:
        for step in steps:
            found.extend(step(store, key))
            if not all(one.ok for one in found):
                break
    except PortolanError as error:
        hint = error.hint or "Are bucket and key right?"
        found.append(Found(ok=False, title="Store", words=error.message, hint=hint))
    finally:
        with suppress(PortolanError), told(key):
            for name in (key, f"{key}-b"):
                store.client().delete_object(Bucket=store.bucket, Key=name)
    return Probed(found=found)


def _s3_writes(store: Store, key: str) -> Iterator[Found]:
    with told(key):
        client = store.client()
        for name in (key, f"{key}-b"):
            client.put_object(Bucket=store.bucket, Key=name, Body=b"probe")
        read = client.get_object(Bucket=store.bucket, Key=key)["Body"].read()
    yield Found(ok=read == b"probe", title="Store", words="Objects can be written and read.")


def _s3_confines(store: Store, key: str) -> Iterator[Found]:
    with told(key):
        words = {"Params": {"Bucket": store.bucket, "Key": key}, "ExpiresIn": 300}
        url = store.client().generate_presigned_url("get_object", **words)
    with httpx.Client(verify=store.settings.get("ca_file") or True, trust_env=False, timeout=20) as client:
        tries = [
            ("Path", "GET", url.replace(key, f"{key}-b", 1)),
            ("Rights", "DELETE", url),
            ("End", "GET", url.replace("X-Amz-Expires=300", "X-Amz-Expires=301", 1)),
            ("Nobody", "GET", url.partition("?")[0]),
        ]
        answer, _ = send(client, "GET", url)
        yield Found(ok=answer == httpx.codes.OK, title="Address", words=f"A presigned URL works (it answers {answer}).")
        for title, method, other in tries:
            answer, _ = send(client, method, other)
            done = "is refused" if answer in REFUSED else "is NOT refused"
            text = f"{method} beyond what the URL opens {done} (it answers {answer})."
            yield Found(ok=answer in REFUSED, title=title, words=text, hint=UNSAFE if answer not in REFUSED else "")
