"""WebDAV: an independent conformance suite, and what it does not ask."""

import re
import subprocess

import pytest
from pymacaroons import Macaroon

DAV = "{DAV:}"


@pytest.mark.slow
def test_litmus_passes_whole(link, tmp_path):
    done = subprocess.run(
        ["litmus", "-k", link.url, "anybody", link.token], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    found = re.findall(r"summary for `(\w+)': of (\d+) tests run: (\d+) passed", done.stdout)
    assert [name for name, ran, passed in found if ran != passed] == [], done.stdout
    assert sum(int(passed) for _, _, passed in found) == 104, done.stdout


def propfind(link, path="", depth="1", body=b"", **headers):
    return link.ask("PROPFIND", path, headers={"Depth": depth, **headers}, content=body)


def test_endless_depth_is_refused_politely(link):
    for headers in ({"Depth": "infinity"}, {}):
        answer = link.ask("PROPFIND", "", headers=headers)
        assert answer.status_code == 403
        assert "propfind-finite-depth" in answer.text


def test_a_folder_is_listed_without_links_and_what_is_hidden(site, link):
    (link.root / "ä b").mkdir()
    (link.root / "a&<b>.txt").write_bytes(b"x")
    (link.root / "out").symlink_to("/etc")
    whole = site.link("")
    (site.root / ".portolan").mkdir(exist_ok=True)
    answer = propfind(link)
    assert answer.status_code == 207
    hrefs = re.findall(r"href>([^<]+)<", answer.text)
    base = "/links/" + link.id
    assert sorted(hrefs) == [f"{base}/", f"{base}/%C3%A4%20b/", f"{base}/a%26%3Cb%3E.txt"]
    assert ".portolan" not in propfind(whole).text
    assert propfind(whole, ".portolan", "0").status_code == 400


def test_what_is_deleted_is_in_the_trash(link):
    (link.root / "a").mkdir()
    (link.root / "a" / "b").write_bytes(b"x")
    assert link.ask("DELETE", "a").status_code == 204
    assert not (link.root / "a").exists()
    assert link.door.do("trash", project=link.project) == ["raw/a"]
    assert link.ask("DELETE", "").status_code == 403
    assert link.root.is_dir()


def test_moves_stay_in_the_link_and_need_their_rights(site, link):
    (link.root / "a").write_bytes(b"a")
    (link.root / "b").write_bytes(b"b")
    for target in (site.link("").url + "x", "http://elsewhere.example/x", link.url + "../x", link.url, "", "/x"):
        answer = link.ask("MOVE", "a", headers={"Destination": target})
        assert answer.status_code in (400, 403), target
    add_only = site.link(rights=["list", "read", "write-new"])
    assert add_only.ask("MOVE", "a", headers={"Destination": add_only.url + "c"}).status_code == 403
    assert add_only.ask("COPY", "a", headers={"Destination": add_only.url + "b"}).status_code == 403
    assert add_only.ask("COPY", "a", headers={"Destination": add_only.url + "c"}).status_code == 201
    assert link.ask("MOVE", "a", headers={"Destination": link.url + "b", "Overwrite": "F"}).status_code == 412
    assert link.ask("MOVE", "a", headers={"Destination": link.url + "b"}).status_code == 204
    assert (link.root / "b").read_bytes() == b"a"
    assert link.door.do("trash", project=link.project) == ["raw/b"]


def test_links_on_disk_are_neither_followed_nor_written_through(site, link):
    outside = site.root / "other"
    outside.mkdir()
    (outside / "victim").write_bytes(b"v")
    (link.root / "out").symlink_to("../other")
    for method, path, headers in (
        ("PROPFIND", "out/", {"Depth": "1"}),
        ("DELETE", "out/victim", {}),
        ("MKCOL", "out/new", {}),
        ("COPY", "out/victim", {"Destination": link.url + "taken"}),
        ("MOVE", "out/victim", {"Destination": link.url + "taken"}),
        ("PUT", "out/victim", {}),
    ):
        assert link.ask(method, path, headers=headers).status_code in (400, 403, 404, 405, 409), method
    (link.root / "f").write_bytes(b"f")
    assert link.ask("COPY", "f", headers={"Destination": link.url + "out/victim"}).status_code >= 400
    assert link.ask("DELETE", "out").status_code in (204, 400, 403, 404)
    assert (outside / "victim").read_bytes() == b"v"


def test_a_lock_of_one_link_holds_for_the_other(site, link):
    (link.root / "a").write_bytes(b"a")
    body = b'<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
    body += b"<D:locktype><D:write/></D:locktype><D:owner>me</D:owner></D:lockinfo>"
    locked = link.ask("LOCK", "a", content=body, headers={"Timeout": "Second-60"})
    assert locked.status_code == 200
    other = site.link("")
    assert other.ask("PUT", "raw/a", content=b"b").status_code == 423
    assert other.ask("DELETE", "raw/a").status_code == 423
    token = locked.headers["lock-token"]
    assert link.ask("PUT", "a", content=b"b", headers={"If": f"({token})"}).status_code == 204
    assert link.ask("UNLOCK", "a", headers={"Lock-Token": token}).status_code == 204
    assert other.ask("PUT", "raw/a", content=b"c").status_code == 204


BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
) + b']><D:propfind xmlns:D="DAV:"><D:prop>&j;</D:prop></D:propfind>'  # fmt: skip
FILE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
LONG = b"<D:propfind xmlns:D='DAV:'>" + b"x" * 2**21


@pytest.mark.parametrize(
    "body", [BOMB, FILE, b"<", b"<x/>", b"\x00" * 100, b"<D:propfind xmlns:D='DAV:'>" + b"x" * 2**21]
)
def test_hostile_xml_is_refused(link, body):
    answer = propfind(link, body=body)
    assert 400 <= answer.status_code < 500
    assert "root:" not in answer.text


def test_a_narrowed_token_sees_its_part_only(link):
    for name in ("a", "b"):
        (link.root / name).mkdir()
        (link.root / name / "f").write_bytes(b"x")
    macaroon = Macaroon.deserialize(link.token)
    macaroon.add_first_party_caveat("path:/a/")
    macaroon.add_first_party_caveat("activity:LIST,DOWNLOAD")
    link.token = macaroon.serialize()
    assert propfind(link, "a/").status_code == 207
    assert link.ask("GET", "a/f").status_code == 200
    for method, path in (("PROPFIND", ""), ("PROPFIND", "b/"), ("GET", "b/f"), ("PUT", "a/g"), ("DELETE", "a/f")):
        assert link.ask(method, path, headers={"Depth": "1"}).status_code == 403, (method, path)
