"""Files and folders out, by GET and HEAD."""

import io
import random
import tarfile
import zipfile

import httpx
import pytest


@pytest.fixture
def movie(link, data):
    (link.root / "movie 1.mrc").write_bytes(data)
    return data


def test_a_file_comes_whole_with_its_marks(link, movie):
    answer = link.ask("GET", "movie%201.mrc")
    assert answer.status_code == 200
    assert answer.content == movie
    assert answer.headers["content-length"] == str(len(movie))
    assert answer.headers["accept-ranges"] == "bytes"
    assert "attachment" in answer.headers["content-disposition"]
    head = link.ask("HEAD", "movie%201.mrc")
    assert head.status_code == 200
    assert head.headers["content-length"] == str(len(movie))
    assert head.headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize(("asked", "start", "end"), [("5-9", 5, 10), ("1000000-", 1_000_000, None), ("-7", -7, None)])
def test_a_part_is_the_right_part(link, movie, asked, start, end):
    answer = link.ask("GET", "movie%201.mrc", headers={"Range": f"bytes={asked}"})
    assert answer.status_code == 206
    assert answer.content == movie[start:end]
    assert answer.headers["content-range"].endswith(f"/{len(movie)}")


def test_a_part_outside_is_refused_and_several_get_the_whole(link, movie):
    assert link.ask("GET", "movie%201.mrc", headers={"Range": f"bytes={len(movie)}-"}).status_code == 416
    several = link.ask("GET", "movie%201.mrc", headers={"Range": "bytes=0-1,5-6"})
    assert (several.status_code, len(several.content)) == (200, len(movie))


def test_what_the_client_has_is_not_sent_again(link, movie):
    tag = link.ask("HEAD", "movie%201.mrc").headers["etag"]
    same = link.ask("GET", "movie%201.mrc", headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    part = {"Range": "bytes=0-4", "If-Range": tag}
    assert link.ask("GET", "movie%201.mrc", headers=part).status_code == 206
    assert link.ask("GET", "movie%201.mrc", headers=part | {"If-Range": '"other"'}).status_code == 200


def test_the_token_works_as_password_and_in_the_address_for_reading_only(link, movie):
    url = link.url + "movie%201.mrc"
    assert httpx.get(url, auth=("anybody", link.token)).content == movie
    assert httpx.get(url, params={"authz": link.token}).content == movie
    assert httpx.put(url + "2", params={"authz": link.token}, content=b"x").status_code == 401


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Basic !"}, {"Authorization": ""}]
)
def test_without_the_token_nobody_gets_in(link, movie, headers):
    answer = httpx.get(link.url, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "bad_link_token"
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_folder_is_a_page_and_json(link, movie):
    (link.root / "sub <b>").mkdir()
    (link.root / "out").symlink_to("/etc")
    page = link.ask("GET")
    assert page.headers["content-type"].startswith("text/html")
    assert "movie 1.mrc" in page.text
    assert "sub &lt;b&gt;" in page.text
    assert "out" not in page.text.split("<tbody>")[1]
    rows = link.ask("GET", "?format=json").json()["results"]
    assert [(row["name"], row["kind"], row["size"]) for row in rows] == [
        ("sub <b>", "folder", 0),
        ("movie 1.mrc", "file", len(movie)),
    ]
    assert link.ask("GET", "sub%20%3Cb%3E").headers["location"] == "./sub%20%3Cb%3E/"


def test_a_large_folder_comes_in_pages(link):
    for number in range(1005):
        (link.root / f"{number}.txt").touch()
    first = link.ask("GET", "?format=json").json()
    second = link.ask("GET", f"?format=json&cursor={first['next_cursor']}").json()
    names = [row["name"] for page in (first, second) for row in page["results"]]
    assert names == [f"{number}.txt" for number in range(1005)]


def test_archives_hold_the_folder(link, movie):
    for name in ("sub", "empty"):
        (link.root / name).mkdir()
    (link.root / "sub" / ("long name " * 20 + "x")).write_bytes(b"z")
    (link.root / "sub" / "out").symlink_to("/etc/passwd")
    long = "sub/" + "long name " * 20 + "x"
    zipped = link.ask("GET", "?archive=zip")
    assert zipped.headers["content-length"] == str(len(zipped.content))
    with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if not name.endswith(("/", ".txt"))}
        assert "raw/empty/" in archive.namelist()
    assert found == {"raw/movie 1.mrc": movie, f"raw/{long}": b"z"}
    tarred = link.ask("GET", "?archive=tar")
    assert tarred.headers["content-length"] == str(len(tarred.content))
    with tarfile.open(fileobj=io.BytesIO(tarred.content)) as archive:
        found = {item.name: archive.extractfile(item).read() for item in archive if item.isfile()}
        folders = {item.name for item in archive if item.isdir()}
    assert found == {"raw/movie 1.mrc": movie, f"raw/{long}": b"z"}
    assert folders == {"raw", "raw/empty", "raw/sub"}
    assert link.ask("GET", "?archive=rar").status_code == 400


def test_a_link_to_one_file_opens_that_file_only(site, data):
    (site.root / "raw" / "a.mrc").write_bytes(data)
    (site.root / "raw" / "b.mrc").write_bytes(b"secret")
    one = site.link("raw/a.mrc", rights=["read"])
    assert one.url.endswith("/a.mrc")
    assert one.ask("GET").content == data
    other = httpx.get(one.url.replace("a.mrc", "b.mrc"), headers=one.bearer)
    assert (other.status_code, other.json()["code"]) == (403, "path_outside")
    assert httpx.get(one.url.removesuffix("a.mrc"), headers=one.bearer).status_code in (403, 404)


@pytest.mark.parametrize("rights", [["list"], ["read"], ["write-new"]])
def test_rights_are_kept_apart(site, rights):
    (site.root / "raw" / "a.txt").write_bytes(b"a")
    here = site.link(rights=rights)
    assert (here.ask("GET", "a.txt").status_code == 200) == (rights == ["read"])
    assert (here.ask("GET").status_code == 200) == (rights == ["list"])
    assert (here.ask("PUT", "new.txt", content=b"n").status_code == 201) == (rights == ["write-new"])
    assert here.ask("PUT", "a.txt", content=b"n").status_code == 403
    assert here.ask("GET", "?archive=zip").status_code == 403


HOSTILE = [
    "..", "../", "%2e%2e/", "..%2f", "%2e%2e%2fsecret.txt", "x/../../secret.txt", ".portolan/", "a%00b", "a%0ab",
    "%5c..%5c", "x" * 300, "/".join(["d"] * 120), "%ff%fe", "out", "out/secret.txt", "inside/secret.txt",
    "%252e%252e/", "a%e2%80%ae",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_hostile_paths_give_nothing(link, site, path):
    (site.root / "secret.txt").write_bytes(b"secret")
    (link.root / "out").symlink_to("/etc")
    (link.root / "inside").symlink_to("..")
    raw = httpx.URL(link.url).raw_path + path.encode()
    for method in ("GET", "HEAD", "PUT"):
        url = httpx.URL(link.url).copy_with(raw_path=raw)
        answer = httpx.request(method, url, headers=link.bearer, timeout=30)
        assert 400 <= answer.status_code < 500, (method, answer.status_code)
        assert b"secret" not in answer.content.replace(b"secret.txt", b"")
    assert (site.root / "secret.txt").read_bytes() == b"secret"


def test_a_link_swapped_in_gives_nothing(link, site, movie):
    (site.root / "secret.txt").write_bytes(b"s" * 100)
    chance = random.Random(1)
    for _ in range(30):
        (link.root / "movie 1.mrc").unlink()
        if chance.random() < 0.5:
            (link.root / "movie 1.mrc").symlink_to("../secret.txt")
        else:
            (link.root / "movie 1.mrc").write_bytes(movie)
        answer = link.ask("GET", "movie%201.mrc")
        assert answer.status_code in (400, 404) or answer.content == movie


def test_what_was_done_is_logged_without_the_secret(link, movie):
    link.ask("GET", "movie%201.mrc")
    link.ask("GET", "gone.txt")
    link.ask("GET", "?authz=" + link.token)
    log = link.log(lambda rows: len(rows) >= 3)
    assert log[0][:4] == ["read", "movie 1.mrc", len(movie), "ok"]
    assert log[0][4] == "127.0.0.1"
    assert log[1][3] == "file_not_found"
    counted = link.traffic()
    assert (counted["bytes_out"], counted["files_out"]) == (len(movie), 1)
    assert link.token not in link.door.log()
    assert link.id not in link.door.log()
