#!/usr/bin/env python3
"""Go on with an upload that was begun elsewhere: PORTOLAN_UPLOAD='<its address>' python3 portolan-upload.py FILE

Needs Python 3.8 and nothing else. Ended by Ctrl-C or a cut line, the same command goes on. Each piece carries its
SHA-256. The address is a secret: it is read from the environment, so that it stands in no list of processes.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import sys
import time
from collections.abc import Callable
from typing import BinaryIO
from urllib.parse import urlsplit

PIECE = 16 * 1024 * 1024
PAUSES = [0, 1, 2, 5, 10] + [30] * 40
TUS = {"Tus-Resumable": "1.0.0"}


def ask(method: str, url: str, headers: dict, body: bytes | None = None) -> tuple:
    """(status, headers, text) of one request; OSError when the line is cut."""
    where = urlsplit(url)
    kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
    line = kind(where.netloc, timeout=120)
    try:
        line.request(method, where.path, body=body, headers=dict(TUS, **headers))
        answer = line.getresponse()
        return answer.status, answer.headers, answer.read().decode("utf-8", "replace")
    finally:
        line.close()


def patiently(method: str, url: str, headers: dict, body: bytes | None = None) -> tuple:
    """Like ask, again and again while the line is cut or the server is busy."""
    for pause in PAUSES:
        time.sleep(pause)
        try:
            status, told, text = ask(method, url, headers, body)
        except (OSError, http.client.HTTPException) as error:
            print(f"The line is cut ({error}); trying again.", file=sys.stderr)
            continue
        if status in (408, 423, 429, 460) or (status >= 500 and status != 507):
            continue
        return status, told, text
    sys.exit("The server can't be reached. Type the same command again later; nothing is lost.")


def refused(status: int, text: str) -> None:
    """The program ends with the server's words."""
    try:
        problem = json.loads(text)
        sys.exit("{} {}".format(problem.get("detail", ""), problem.get("hint", "")))
    except ValueError:
        sys.exit(f"The server answered {status}.")


def send(url: str, file: BinaryIO, start: int, length: int, told: Callable) -> None:
    """The bytes [start, start + length) of the file are in the upload, or the part of one, at url."""
    while True:
        status, headers, text = patiently("HEAD", url, {})
        if status != 200:
            refused(status, text or "")
        offset = int(headers["Upload-Offset"])
        while offset < length:
            file.seek(start + offset)
            piece = file.read(min(PIECE, length - offset))
            digest = base64.b64encode(hashlib.sha256(piece).digest()).decode()
            words = {
                "Content-Type": "application/offset+octet-stream",
                "Upload-Offset": str(offset),
                "Upload-Checksum": "sha256 " + digest,
            }
            status, headers, text = patiently("PATCH", url, words, piece)
            if status == 409 and "wrong_offset" in text:
                break
            if status != 204:
                refused(status, text)
            offset = int(headers["Upload-Offset"])
            told(len(piece))
        else:
            return


def main() -> None:
    """The whole file is in the project."""
    url = os.environ.get("PORTOLAN_UPLOAD", "")
    if len(sys.argv) != 2 or not url:
        sys.exit(__doc__)
    status, _, text = patiently("GET", url + "/parts/", {})
    if status != 200:
        refused(status, text)
    known = json.loads(text)
    size = os.path.getsize(sys.argv[1])
    if size != known["size"]:
        sys.exit(f"This is another file: it has {size} bytes, the upload is of {known['size']}.")
    done = [known["received"]]

    def told(count: int) -> None:
        done[0] += count
        print(f"\r{known['path']}: {100 * min(done[0], size) // max(1, size)} %", end="", flush=True)

    with open(sys.argv[1], "rb") as file:
        for part in known["parts"]:
            send(f"{url}/parts/{part['start']}", file, part["start"], part["length"], told)
        if not known["parts"]:
            send(url, file, 0, size, told)
    status, headers, text = patiently("HEAD", url, {})
    if status != 200 or headers.get("Upload-Offset") != str(size):
        refused(status, text or "")
    print(f"\r{known['path']}: all {size} bytes are there.")


if __name__ == "__main__":
    main()
