"""``manage.py check_proxy --project ID --as USER``: a resumable upload goes through the proxy as it should."""

import hashlib
import http.client
import os
import time
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from common.errors import PortolanError
from storage.services import files, links
from storage.services.links import NewLink

SIZE = 9 * 1024**2
HALF = SIZE // 2
WAIT_SECONDS = 10.0


class Command(BaseCommand):
    """Sends a file to the door's public address, cuts the line, goes on, and fetches it again."""

    help = "Proves that uploads and downloads of transfer links work through the proxy in front of the door."

    def add_arguments(self, parser: ArgumentParser) -> None:  # noqa: D102
        parser.add_argument("--project", required=True, help="Id of a project to try it in; it is left as it was.")
        parser.add_argument("--as", dest="username", required=True, help="A member who may write into it.")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: D102
        name = f"proxy-check-{os.urandom(4).hex()}"
        rights = ["list", "read", "write-new", "delete"]
        try:
            user = User.objects.get(username=options["username"])
            made = links.create_link(user, options["project"], path=name, rights=rights, expires_in=600, label=name)
        except (User.DoesNotExist, PortolanError) as error:
            raise CommandError(str(error)) from error
        try:
            self._try(made)
        except (OSError, http.client.HTTPException, httpx.HTTPError) as error:
            raise CommandError(f"The door at {made.url} can't be reached: {error}") from error
        finally:
            links.revoke_link(user, options["project"], made.link.pk)
            files.delete(user, options["project"], [name])
        self.stdout.write("The proxy is fit for the door. What the check left is in the project's trash.")

    def _try(self, made: NewLink) -> None:
        data = os.urandom(SIZE)
        client = httpx.Client(headers={"Authorization": f"Bearer {made.token}"}, timeout=60)
        url = f"{made.url}check.bin"
        self._say(client.request("PROPFIND", made.url, headers={"Depth": "1"}).status_code == 207, "methods of WebDAV")
        _send_half(url, made.token, data)
        self._say(
            _received(client, url) > 0,
            "bytes arrive while they are sent",
            "Switch request buffering off for the door (nginx: proxy_request_buffering off).",
        )
        at = _received(client, url)
        span = {"Content-Range": f"bytes {at}-{SIZE - 1}/{SIZE}"}
        sent = client.put(url, content=data[at:], headers=span)
        self._say(
            sent.status_code == 201,
            "a cut upload is gone on with",
            f"The answer was {sent.status_code}; is a limit on the size of bodies in the way (client_max_body_size 0)?",
        )
        back = client.get(url, headers={"Range": "bytes=100-"})
        same = hashlib.sha256(back.content).digest() == hashlib.sha256(data[100:]).digest()
        self._say(back.status_code == 206 and same, "a part is fetched, and is the same")

    def _say(self, right: bool, what: str, hint: str = "") -> None:
        if not right:
            raise CommandError(f"FAILED: {what}. {hint}".strip())
        self.stdout.write(f"ok: {what}")


def _send_half(url: str, token: str, data: bytes) -> None:
    """The first half of the upload is sent, and the line is cut a moment later."""
    at = urlsplit(url)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    line = kind(at.netloc, timeout=60)
    line.putrequest("PUT", at.path)
    line.putheader("Authorization", f"Bearer {token}")
    line.putheader("Content-Length", str(SIZE))
    line.endheaders()
    line.send(data[:HALF])
    time.sleep(0.5)
    line.close()


def _received(client: httpx.Client, url: str) -> int:
    """How many bytes the door has, once it has any (or after a while)."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = int(client.head(f"{url}?upload").headers.get("upload-offset", "0"))
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.25)
