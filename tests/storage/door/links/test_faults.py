"""What goes wrong while a link is used: it ends, its limits are reached, clients dawdle, folders are huge."""

import os
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.live import wait_until

MIB = 1024**2
MANY = int(os.environ.get("LINK_MANY_FILES", "2000"))
ZIP_GIB = int(os.environ.get("LINK_ZIP_GIB", "2"))


def rss(door) -> int:
    return max(psutil.Process(pid).memory_info().rss for pid in door.pids())


@pytest.mark.parametrize("end", ["revoke", "expire", "member"])
def test_a_download_stops_when_the_link_ends(link, end):
    with (link.root / "big").open("wb") as file:
        file.truncate(20 * 1024 * MIB)
    with pytest.raises(httpx.RemoteProtocolError):
        _read_and_end(link, end)
    codes = {"revoke": "link_revoked", "expire": "link_ended", "member": "right_missing"}
    link.log(lambda rows: any(row[3] == codes[end] for row in rows))


def _read_and_end(link, end) -> None:
    got, ended = 0, False
    with httpx.stream("GET", link.url + "big", headers=link.bearer) as answer:
        for block in answer.iter_raw():
            got += len(block)
            if not ended and got > 8 * MIB:
                _end(link, end)
                ended = True


@pytest.mark.parametrize("end", ["revoke", "member"])
@pytest.mark.parametrize("length", [512 * MIB, None])
def test_an_upload_stops_when_the_link_ends(link, end, length):
    stop = threading.Event()

    def body():
        for number in range(512):
            if number == 8:
                _end(link, end)
            if number > 8:
                stop.wait(0.1)
            yield b"x" * MIB

    headers = {"Content-Length": str(length)} if length else {}
    answer = link.ask("PUT", "big", content=body(), headers=headers)
    assert answer.status_code == (410 if end == "revoke" else 403)
    assert not (link.root / "big").exists()
    wait_until(lambda: link.door.do("counters", project=link.project)["kept"] == 0, what="the room")


def _end(link, how) -> None:
    if how == "revoke":
        link.revoke()
    elif how == "expire":
        link.door.do("end_link", link=link.id)
    else:
        link.door.do("role", project=link.project, user="contributor", role=None)


def test_a_revoked_link_is_refused_within_a_second(link):
    assert link.ask("GET").status_code == 200
    link.revoke()
    time.sleep(1)
    for method in ("GET", "PUT", "PROPFIND"):
        assert link.ask(method, "" if method != "PUT" else "a").status_code == 410


def test_bytes_are_limited_in_both_directions(site):
    (site.root / "raw" / "a").write_bytes(b"x" * 600)
    here = site.link(max_bytes=1000)
    assert here.ask("GET", "a").status_code == 200
    over = here.ask("GET", "a")
    assert (over.status_code, over.json()["code"]) == (413, "link_bytes_used")
    assert here.ask("PUT", "b", content=b"y" * 401).status_code == 413
    assert here.ask("PUT", "c", content=(b"y" * 100 for _ in range(5))).status_code == 413
    assert here.ask("PUT", "b", content=b"y" * 400).status_code == 201
    assert not (here.root / "c").exists()
    assert here.traffic()["spent_bytes"] == 1000


def test_uses_are_limited(site):
    (site.root / "raw" / "a").write_bytes(b"x")
    here = site.link(max_uses=2)
    assert [here.ask("GET", "a").status_code for _ in range(3)] == [200, 200, 403]
    assert here.ask("GET").status_code == 200, "looking is no use"


def test_a_link_is_kept_to_its_network_whatever_a_client_says(site):
    here = site.link(networks=["192.0.2.0/24"])
    assert here.ask("GET").json()["code"] == "network_refused"
    # this door believes in one proxy before it: what the last one says counts, and nothing before
    assert here.ask("GET", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 200
    assert here.ask("GET", headers={"X-Forwarded-For": "192.0.2.7, 198.51.100.1"}).status_code == 403


@pytest.mark.slow
def test_slow_clients_hold_nobody_up(link):
    at = urlsplit(link.url)
    head = f"PUT {at.path}%d HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer {link.token}\r\n"
    head += "Content-Length: 9000000\r\n\r\n"
    lines = []
    for number in range(100):
        line = socket.create_connection((at.hostname, at.port), timeout=10)
        line.sendall((head % number).encode() + b"x")
        lines.append(line)
    started = time.monotonic()
    assert link.ask("PUT", "quick", content=b"x" * MIB).status_code == 201
    assert link.ask("GET", "quick").status_code == 200
    assert time.monotonic() - started < 20
    for line in lines:
        line.close()


@pytest.mark.slow
def test_a_folder_of_many_files_is_listed_and_never_deeply(link):
    for number in range(MANY):
        (link.root / f"{number:06}.mrc").touch()
    before = rss(link.door)
    assert link.ask("PROPFIND", headers={"Depth": "infinity"}).status_code == 403
    answer = link.ask("PROPFIND", headers={"Depth": "1"})
    assert answer.text.count("href>") == 2 * (MANY + 1)
    assert rss(link.door) - before < 25 * MIB


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_of_any_size_takes_no_memory(link, kind):
    size = ZIP_GIB * 1024 * MIB
    with (link.root / "sparse").open("wb") as file:
        file.truncate(size)
    before, got = rss(link.door), 0
    with httpx.stream("GET", f"{link.url}?archive={kind}", headers=link.bearer, timeout=120) as answer:
        for block in answer.iter_raw(MIB):
            got += len(block)
    assert got == int(answer.headers["content-length"]) > size
    assert rss(link.door) - before < 40 * MIB
