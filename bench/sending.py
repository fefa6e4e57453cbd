"""One client for all servers that take uploads: HTTP/1.1 by hand, bytes by ``sendfile``, so that it costs little."""

import base64
import os
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

CHUNK = 64 * 2**20
TUS = {"Tus-Resumable": "1.0.0"}


class Sender:
    """One connection. ``request`` answers (status, headers)."""

    def __init__(self, url: str, source: Path) -> None:
        self.where = urlsplit(url)
        self.plug = socket.create_connection((self.where.hostname or "", self.where.port or 80), timeout=600)
        self.source = source.open("rb")

    def request(
        self, method: str, path: str, headers: dict[str, str], *, at: int = 0, count: int = 0
    ) -> tuple[int, dict[str, str]]:
        """The answer to a request whose body is ``count`` bytes of the source from ``at`` on."""
        words = {"Host": self.where.netloc, "Content-Length": str(count)} | headers
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {text}" for name, text in words.items())]
        self.plug.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        end = at + count
        self.plug.setblocking(True)
        while at < end:
            at += os.sendfile(self.plug.fileno(), self.source.fileno(), at, min(end - at, 2**30))
        return self._answer()

    def close(self) -> None:
        """The connection has ended."""
        self.plug.close()
        self.source.close()

    def _answer(self) -> tuple[int, dict[str, str]]:
        text = b""
        while b"\r\n\r\n" not in text:
            more = self.plug.recv(65536)
            if not more:
                raise ConnectionError(f"the server ended the connection: {text!r}")
            text += more
        head, _, body = text.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        left = int(headers.get("content-length", 0)) - len(body)
        while left > 0:
            left -= len(self.plug.recv(65536))
        return int(first.split()[1]), headers


def put(url: str, source: Path) -> None:
    """The file is at ``url``, by one PUT."""
    sender = Sender(url, source)
    status, _ = sender.request("PUT", sender.where.path, {}, count=source.stat().st_size)
    _expect(status, 200, 201, 204)
    sender.close()


def patch_all(url: str, source: Path, *, start: int = 0, length: int | None = None) -> None:
    """The bytes [start, start + length) are in the tus upload ``url``, in pieces of ``CHUNK``."""
    size = source.stat().st_size if length is None else length
    sender, offset = Sender(url, source), 0
    while offset < size:
        headers = TUS | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        count = min(CHUNK, size - offset)
        status, told = sender.request("PATCH", sender.where.path, headers, at=start + offset, count=count)
        _expect(status, 204)
        offset = int(told["upload-offset"])
    sender.close()


def patch_parts(url: str, source: Path, streams: int) -> None:
    """The file is in the tus upload ``url``, by parallel parts below it."""
    size = source.stat().st_size
    step = -(-size // streams)
    spans = [(start, min(step, size - start)) for start in range(0, size, step)]
    threads = [threading.Thread(target=_part, args=(url, source, *span)) for span in spans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _part(url: str, source: Path, start: int, length: int) -> None:
    sender = Sender(url, source)
    word = base64.b64encode(str(start).encode()).decode()
    headers = TUS | {"Upload-Concat": "partial", "Upload-Length": str(length), "Upload-Metadata": f"start {word}"}
    status, _ = sender.request("POST", f"{sender.where.path}/parts/", headers)
    _expect(status, 201)
    sender.close()
    patch_all(f"{url}/parts/{start}", source, start=start, length=length)


def _expect(status: int, *wanted: int) -> None:
    if status not in wanted:
        raise ConnectionError(f"the server answered {status}")
