"""Files in, by PUT: whole or not at all, and gone on with."""

import hashlib
import os
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from tests.live import wait_until

MIB = 1024**2
CUTS = int(os.environ.get("LINK_CUTS", "25"))


@pytest.fixture(scope="session")
def big() -> bytes:
    """Enough to be an upload that can be gone on with."""
    return random.Random(11).randbytes(9 * MIB + 5)


def raw_put(link, path, headers, body, *, answer=False):
    """What a client sends that goes away after ``body`` (or reads the answer)."""
    at = urlsplit(link.url + path)
    head = {"Host": at.netloc, "Authorization": f"Bearer {link.token}", **headers}
    with socket.create_connection((at.hostname, at.port), timeout=30) as line:
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        line.sendall(f"PUT {at.path} HTTP/1.1\r\n{lines}\r\n".encode() + body)
        if answer:
            return line.recv(65536)
        time.sleep(0.05)
    return b""


def leftovers(link):
    """What lies in the hidden area."""
    area = link.root.parent / ".portolan" / "uploads"
    return sorted(path.suffix for path in area.iterdir()) if area.exists() else []


def test_a_new_file_is_there_whole(link, data):
    answer = link.ask("PUT", "movie.mrc", content=data)
    assert answer.status_code == 201
    assert (link.root / "movie.mrc").read_bytes() == data
    assert link.ask("HEAD", "movie.mrc").headers["etag"] == answer.headers["etag"]
    assert link.door.do("counters", project=link.project) == {"bytes": len(data), "files": 1, "kept": 0}
    log = link.log(lambda rows: rows)
    assert log[0][:4] == ["create", "movie.mrc", len(data), "ok"]
    counted = link.traffic()
    assert (counted["bytes_in"], counted["files_in"]) == (len(data), 1)


def test_a_file_of_unknown_length_is_there_whole(link, data):
    answer = link.ask("PUT", "movie.mrc", content=(data[at : at + 70_000] for at in range(0, len(data), 70_000)))
    assert answer.status_code == 201
    assert (link.root / "movie.mrc").read_bytes() == data


def test_a_large_file_is_an_upload_with_its_sum(link, big):
    assert link.ask("PUT", "movie.mrc", content=big).status_code == 201
    assert (link.root / "movie.mrc").read_bytes() == big
    assert leftovers(link) == []


def test_an_empty_file_is_a_file(link):
    assert link.ask("PUT", "empty", content=b"").status_code == 201
    assert (link.root / "empty").stat().st_size == 0


def test_replacing_needs_the_right_and_happens_at_once(site, link, data):
    for size in (100, 9 * MIB):
        (link.root / "a.txt").write_bytes(b"before")
        add_only = site.link(rights=["write-new", "list"])
        assert add_only.ask("PUT", "a.txt", content=data[:100]).status_code == 403
        assert (link.root / "a.txt").read_bytes() == b"before"
        body = random.Random(size).randbytes(size)
        assert link.ask("PUT", "a.txt", content=body).status_code == 204
        assert (link.root / "a.txt").read_bytes() == body


def test_conditions_are_kept(link):
    assert link.ask("PUT", "a", content=b"1", headers={"If-None-Match": "*"}).status_code == 201
    assert link.ask("PUT", "a", content=b"2", headers={"If-None-Match": "*"}).status_code == 412
    tag = link.ask("HEAD", "a").headers["etag"]
    assert link.ask("PUT", "a", content=b"3", headers={"If-Match": tag}).status_code == 204
    assert link.ask("PUT", "a", content=b"4", headers={"If-Match": tag}).status_code == 412
    assert (link.root / "a").read_bytes() == b"3"


def test_a_missing_folder_and_a_folder_are_no_place(link):
    (link.root / "sub").mkdir()
    assert link.ask("PUT", "gone/a", content=b"1").status_code == 409
    assert link.ask("PUT", "sub", content=b"1").status_code == 405
    assert link.ask("PUT", "", content=b"1").status_code in (403, 405)


@pytest.mark.parametrize("length", [1000, 2 * MIB, None])
def test_a_cut_leaves_no_file_and_no_rest(link, data, length):
    headers = {"Content-Length": length} if length else {"Transfer-Encoding": "chunked"}
    body = data[:500] if length else b"1f4\r\n" + data[:500] + b"\r\n"
    raw_put(link, "a.mrc", headers, body)
    link.log(lambda rows: any(row[3] == "cut" for row in rows))
    assert not (link.root / "a.mrc").exists()
    assert leftovers(link) == []
    assert link.door.do("counters", project=link.project) == {"bytes": 0, "files": 0, "kept": 0}


def test_a_cut_large_file_is_gone_on_with(link, big):
    raw_put(link, "m.mrc", {"Content-Length": len(big)}, big[: 5 * MIB])
    link.log(lambda rows: any(row[3] == "cut" for row in rows))
    assert not (link.root / "m.mrc").exists()
    state = link.ask("HEAD", "m.mrc?upload").headers
    at = int(state["upload-offset"])
    assert (state["upload-length"], state["upload-complete"]) == (str(len(big)), "?0")
    assert 4 * MIB <= at <= 5 * MIB
    span = {"Content-Range": f"bytes {at}-{len(big) - 1}/{len(big)}"}
    assert link.ask("PUT", "m.mrc", content=big[at:], headers=span).status_code == 201
    assert (link.root / "m.mrc").read_bytes() == big
    assert link.ask("HEAD", "m.mrc?upload").headers["upload-complete"] == "?1"


def test_many_cuts_end_in_the_same_bytes(link, big):
    chance, at, cuts = random.Random(5), 0, 0
    while at < len(big):
        left = len(big) - at
        sent = chance.randrange(1, 2 * MIB) if cuts < CUTS and left > 2 * MIB else left
        if at == 0 and sent < MIB:
            sent += MIB
        if sent > left // 2 and cuts < CUTS:
            sent = min(sent, max(left // CUTS, 1)) if at else sent
        span = {} if at == 0 else {"Content-Range": f"bytes {at}-{len(big) - 1}/{len(big)}"}
        if sent == left:
            answer = link.ask("PUT", "m.mrc", content=big[at:], headers=span)
            assert answer.status_code == 201, answer.text
            break
        raw_put(link, "m.mrc", {**span, "Content-Length": left}, big[at : at + sent])
        cuts += 1
        before = at

        def moved(before=before, sent=sent):
            state = link.ask("HEAD", "m.mrc?upload").headers
            return int(state["upload-offset"]) >= before + sent

        wait_until(moved, what="the bytes of the cut")
        at = int(link.ask("HEAD", "m.mrc?upload").headers["upload-offset"])
        assert at == before + sent, "no byte is lost or made up"
    assert cuts >= CUTS
    assert hashlib.sha256((link.root / "m.mrc").read_bytes()).digest() == hashlib.sha256(big).digest()


def test_a_whole_put_after_a_cut_begins_anew(link, big):
    raw_put(link, "m.mrc", {"Content-Length": len(big)}, big[: 5 * MIB])
    link.log(lambda rows: any(row[3] == "cut" for row in rows))
    assert link.ask("PUT", "m.mrc", content=big[::-1]).status_code == 201
    assert (link.root / "m.mrc").read_bytes() == big[::-1]
    assert link.door.do("counters", project=link.project)["kept"] == 0


def test_parts_can_be_sent_one_by_one(link, big):
    for at in range(0, len(big), 4 * MIB):
        part = big[at : at + 4 * MIB]
        span = {"Content-Range": f"bytes {at}-{at + len(part) - 1}/{len(big)}"}
        answer = link.ask("PUT", "m.mrc", content=part, headers=span)
        last = at + len(part) == len(big)
        assert answer.status_code == (201 if last else 202)
        assert last or answer.headers["upload-offset"] == str(at + len(part))
    assert (link.root / "m.mrc").read_bytes() == big


def test_a_wrong_beginning_is_refused_and_nothing_is_lost(link, big):
    span = {"Content-Range": f"bytes 0-{4 * MIB - 1}/{len(big)}"}
    assert link.ask("PUT", "m.mrc", content=big[: 4 * MIB], headers=span).status_code == 202
    wrong = {"Content-Range": f"bytes {5 * MIB}-{len(big) - 1}/{len(big)}"}
    answer = link.ask("PUT", "m.mrc", content=big[5 * MIB :], headers=wrong)
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_offset")
    assert link.ask("HEAD", "m.mrc?upload").headers["upload-offset"] == str(4 * MIB)


BAD_SPANS = [
    "bytes 5-4/10", "bytes 0-9/5", "bytes 0-3/10", "bytes */10", "bytes 0-9/*", "items 0-9/10", "bytes -1-9/10",
    "bytes 0-9/99999999999999999999", "bytes 9-18/9223372036854775808",
]  # fmt: skip


@pytest.mark.parametrize("span", BAD_SPANS)
def test_a_bad_content_range_is_refused(link, span):
    assert link.ask("PUT", "a", content=b"0123456789", headers={"Content-Range": span}).status_code == 400


def test_going_on_with_nothing_is_refused(link):
    answer = link.ask("PUT", "a", content=b"56789", headers={"Content-Range": "bytes 5-9/10"})
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_begun")


@pytest.mark.parametrize("length", ["-1", "9223372036854775808", "99999999999999999999999", "1e3"])
def test_a_bad_length_is_refused(link, length):
    answer = raw_put(link, "a", {"Content-Length": length}, b"x", answer=True)
    assert answer.split()[1] in (b"400", b"413") or answer == b""


def test_quota_is_told_before_the_first_byte(door, data):
    made = door.do("project", quota=1000)
    one = door.do("link", user="contributor", project=made["id"], path="raw", rights=["write-new"])
    at = urlsplit(one["url"])
    for length in (1001, 20 * MIB):
        head = f"PUT {at.path}a HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer {one['token']}\r\n"
        with socket.create_connection((at.hostname, at.port), timeout=30) as line:
            line.sendall(f"{head}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n".encode())
            said = line.recv(65536)
        assert said.startswith(b"HTTP/1.1 507"), said
    answer = httpx.put(
        one["url"] + "b", content=(data[:900] for _ in range(3)), headers={"Authorization": f"Bearer {one['token']}"}
    )
    assert answer.status_code == 507
    assert door.do("counters", project=made["id"]) == {"bytes": 0, "files": 0, "kept": 0}


def test_an_upload_that_was_asked_for_is_waited_for(link, data):
    at = urlsplit(link.url)
    head = f"PUT {at.path}a HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer {link.token}\r\n"
    with socket.create_connection((at.hostname, at.port), timeout=30) as line:
        line.sendall(f"{head}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n".encode())
        assert line.recv(65536).startswith(b"HTTP/1.1 100")
        line.sendall(b"hello")
        assert b" 201 " in line.recv(65536)
    assert (link.root / "a").read_bytes() == b"hello"


def test_two_at_once_leave_one_of_both(link):
    bodies = [bytes([number]) * (9 * MIB) for number in (1, 2)]
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda body: link.ask("PUT", "m", content=body).status_code, bodies))
    assert set(answers) & {201, 204}
    assert (link.root / "m").read_bytes() in bodies
