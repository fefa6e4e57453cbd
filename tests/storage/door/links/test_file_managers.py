"""What macOS' Finder, Windows' Explorer and Cyberduck ask when a file is saved, request by request.

The sequences are those that their clients of WebDAV are known for: an empty file first, a lock on it, then the bytes
under the lock. They log in by Basic with any name and the token as the password, after a first refusal.
"""

import re

import httpx
import pytest

LOCKINFO = (
    b'<?xml version="1.0" encoding="utf-8"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    b"<D:locktype><D:write/></D:locktype><D:owner><D:href>%s</D:href></D:owner></D:lockinfo>"
)
WIN32_TIMES = (
    b'<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:">'
    b"<D:set><D:prop><Z:Win32CreationTime>Thu, 26 Nov 2026 10:00:00 GMT</Z:Win32CreationTime>"
    b"<Z:Win32LastModifiedTime>Thu, 26 Nov 2026 10:00:00 GMT</Z:Win32LastModifiedTime>"
    b"<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>"
)
BYTES = b"frames of a movie " * 1000


@pytest.fixture
def client(link):
    """Asks as somebody whose password is the link's token; gives the answers of WebDAV."""
    with httpx.Client(base_url=link.url, auth=("anybody", link.token), timeout=60) as opened:
        yield opened


def locked(client, path, owner, seconds):
    """The token of a lock on the file, as clients send it back."""
    answer = client.request(
        "LOCK", path, content=LOCKINFO % owner, headers={"Timeout": f"Second-{seconds}", "Depth": "0"}
    )
    assert answer.status_code in (200, 201), answer.text
    assert "lockdiscovery" in answer.text
    return answer.headers["lock-token"]


def test_the_first_request_without_a_password_asks_for_one(link):
    answer = httpx.request("PROPFIND", link.url, headers={"Depth": "0"}, timeout=60)
    assert answer.status_code == 401
    assert "basic" in answer.headers["www-authenticate"].lower()


def test_finder_saves_a_file_with_its_companion(client, link):
    offers = client.request("OPTIONS", "")
    assert {"1", "2"} <= {part.strip() for part in offers.headers["dav"].split(",")}  # else Finder mounts read-only
    assert client.request("PROPFIND", "", headers={"Depth": "1"}).status_code == 207
    for name, data in (("movie.tiff", BYTES), ("._movie.tiff", b"\0" * 4096)):
        assert client.request("PROPFIND", name, headers={"Depth": "0"}).status_code == 404
        assert client.put(name, content=b"").status_code == 201
        token = locked(client, name, b"finder", 600)
        told = {"If": f"({token})", "X-Expected-Entity-Length": str(len(data))}
        # Finder doesn't tell a length: chunks, with its own header beside them.
        sent = client.put(name, content=iter([data[:7000], data[7000:]]), headers=told)
        assert sent.status_code == 204, sent.text
        found = client.request("PROPFIND", name, headers={"Depth": "0"})
        assert re.search(rf"getcontentlength>{len(data)}<", found.text)
        assert client.request("UNLOCK", name, headers={"Lock-Token": token}).status_code == 204
        assert (link.root / name).read_bytes() == data


def test_explorer_saves_a_file_with_its_times_and_gives_it_another_name(client, link):
    offers = client.request("OPTIONS", "", headers={"translate": "f"})
    assert offers.headers["ms-author-via"] == "DAV"  # else Windows takes it for a web page
    name = "new%20file.mrc"
    assert client.request("PROPFIND", name, headers={"Depth": "0"}).status_code == 404
    assert client.put(name, content=b"").status_code == 201
    token = locked(client, name, b"DESKTOP\\me", 3600)
    held = {"If": f"({token})"}
    for data in (b"", BYTES):
        if data:
            assert client.head(name).status_code == 200
            assert client.put(name, content=data, headers=held).status_code == 204
        times = client.request("PROPPATCH", name, content=WIN32_TIMES, headers=held)
        assert times.status_code == 207
        assert "HTTP/1.1 200" in times.text
    assert client.request("UNLOCK", name, headers={"Lock-Token": token}).status_code == 204
    moved = {"Destination": f"{link.url}other%20name.mrc", "Overwrite": "F"}
    assert client.request("MOVE", name, headers=moved).status_code == 201
    assert (link.root / "other name.mrc").read_bytes() == BYTES
    assert "26 Nov 2026" in client.request("PROPFIND", "other%20name.mrc", headers={"Depth": "0"}).text


def test_explorer_locks_a_name_before_there_is_a_file(client, link):
    token = locked(client, "reserved.mrc", b"DESKTOP\\me", 3600)
    assert client.put("reserved.mrc", content=BYTES).status_code == 423
    assert client.put("reserved.mrc", content=BYTES, headers={"If": f"({token})"}).status_code in (201, 204)
    assert client.request("UNLOCK", "reserved.mrc", headers={"Lock-Token": token}).status_code == 204
    assert (link.root / "reserved.mrc").read_bytes() == BYTES


def test_cyberduck_makes_a_folder_and_saves_into_it(client, link):
    assert client.request("PROPFIND", "", headers={"Depth": "1"}).status_code == 207
    assert client.request("MKCOL", "Grid%201/").status_code == 201
    assert client.head("Grid%201/movie.tiff").status_code == 404
    sent = client.put("Grid%201/movie.tiff", content=BYTES, headers={"Expect": "100-continue"})
    assert sent.status_code == 201
    listed = client.request("PROPFIND", "Grid%201/", headers={"Depth": "1"})
    assert re.search(r"getlastmodified>[^<]+GMT<", listed.text)
    assert re.search(r"getetag>[^<]+<", listed.text)
    assert (link.root / "Grid 1" / "movie.tiff").read_bytes() == BYTES
