"""COPY from and to other servers: here the door itself by another of its names, which it takes for another server."""

import pytest


@pytest.fixture
def far(site, door):
    """A link of another folder whose address has a name that is on the operator's list and not the door's own."""
    (site.root / "far").mkdir()
    other = site.link("far")
    other.url = other.url.replace("localhost", "127.0.0.1")
    return other


def credentials(other):
    return {"TransferHeaderAuthorization": f"Bearer {other.token}"}


@pytest.mark.parametrize("size", [1000, 9_000_000])
def test_a_file_is_pulled_and_pushed(link, far, data, size):
    body = (data * 3)[:size]
    (far.root / "a b.mrc").write_bytes(body)
    pulled = link.ask("COPY", "got.mrc", headers={"Source": far.url + "a%20b.mrc", **credentials(far)})
    assert (pulled.status_code, pulled.text.splitlines()[-1]) == (202, "success: Created")
    assert (link.root / "got.mrc").read_bytes() == body
    pushed = link.ask("COPY", "got.mrc", headers={"Destination": far.url + "sent.mrc", **credentials(far)})
    assert pushed.text.splitlines()[-1] == "success: Created"
    assert (far.root / "sent.mrc").read_bytes() == body
    log = link.log(lambda rows: len(rows) >= 2)
    assert [row[2:4] for row in log] == [[size, "ok"], [size, "ok"]]
    assert far.token not in link.door.log()


OTHERS = [
    "http://169.254.169.254/latest/", "http://localhost:1/x", "file:///etc/passwd", "http://127.0.0.1@evil.example/",
    "gopher://127.0.0.1/", "http://[::1]/x", "http://user:x@127.0.0.1/", "//127.0.0.1/x",
    "http://127.0.0.1.evil.example/",
]  # fmt: skip


@pytest.mark.parametrize("url", OTHERS)
def test_no_other_server_is_asked(link, url):
    answer = link.ask("COPY", "x", headers={"Source": url})
    assert answer.status_code in (400, 403)
    assert not (link.root / "x").exists()


def test_a_failure_is_told_and_leaves_nothing(link, far):
    gone = link.ask("COPY", "x", headers={"Source": far.url + "gone", **credentials(far)})
    assert gone.text == "failure: The other server answered 404.\n"
    refused = link.ask("COPY", "x", headers={"Source": far.url + "gone"})
    assert "401" in refused.text
    assert not (link.root / "x").exists()


def test_rights_and_names_are_held_to(site, link, far):
    (far.root / "a").write_bytes(b"a")
    (link.root / "x").write_bytes(b"x")
    asked = {"Source": far.url + "a", **credentials(far)}
    assert link.ask("COPY", "x", headers={**asked, "Overwrite": "F"}).status_code == 412
    reader = site.link(rights=["list", "read"])
    assert reader.ask("COPY", "y", headers=asked).status_code == 403
    writer = site.link(rights=["list", "write-new"])
    assert writer.ask("COPY", "x", headers={"Destination": far.url + "y", **credentials(far)}).status_code == 403
    assert link.ask("COPY", "../y", headers=asked).status_code in (400, 403, 404)
