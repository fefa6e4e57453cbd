"""tus 1.0.0 at a real door: what the protocol's text says, point by point."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import blake3
import httpx
import pytest
import xxhash
from tusclient.client import TusClient

from tests.storage.door.conftest import BYTES, TUS, Refused

SUM = {
    "sha1": lambda data: hashlib.sha1(data).digest(),
    "sha256": lambda data: hashlib.sha256(data).digest(),
    "xxh128": lambda data: xxhash.xxh3_128(data).digest(),
    "blake3": lambda data: blake3.blake3(data).digest(),
}


def b64(value: bytes | str) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def metadata(**values: str) -> str:
    return ",".join(f"{key} {b64(value)}" for key, value in values.items())


@pytest.fixture
def collection(door) -> str:
    return f"http://localhost:{door.port}/uploads/"


@pytest.fixture
def bearer(place) -> dict[str, str]:
    return {"Authorization": f"Bearer {place.door.do('token', user='contributor', scopes=['read', 'data'])}"}


# --- core


def test_file_sent_in_two_parts_appears_whole_under_its_name(place, data):
    url = place.begin(size=len(data))
    first = place.patch(url, data[:1_500_000])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "1500000")
    assert not (place.root / "raw").exists()
    assert place.head(url).headers["upload-offset"] == "1500000"
    last = place.patch(url, data[1_500_000:], offset=1_500_000)
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(data)))
    assert (place.root / "raw/movie.mrc").read_bytes() == data
    row = place.row(url)
    assert (row["state"], row["sha256"]) == ("done", hashlib.sha256(data).hexdigest())
    assert (row["used_bytes"], row["used_files"]) == (len(data), 1)
    assert list((place.root / ".portolan/uploads").iterdir()) == []


def test_head_tells_offset_length_and_is_never_cached(place):
    url = place.begin(size=10)
    place.patch(url, b"abcd")
    head = place.head(url)
    assert head.status_code == 200
    assert head.headers["cache-control"] == "no-store"
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("4", "10")
    assert head.headers["tus-resumable"] == "1.0.0"
    assert head.headers["upload-metadata"] == metadata(path="raw/movie.mrc")


def test_head_of_a_done_upload_says_all_bytes_are_there(place):
    url = place.begin(size=4)
    place.patch(url, b"abcd")
    assert place.head(url).headers["upload-offset"] == "4"
    assert place.patch(url, b"", offset=4).status_code == 204


def test_wrong_offset_is_409_and_changes_nothing(place):
    url = place.begin(size=10)
    place.patch(url, b"abcd")
    for offset in (0, 3, 5):
        answer = place.patch(url, b"xy", offset=offset)
        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_offset")
    assert place.part(url).read_bytes() == b"abcd"


@pytest.mark.parametrize("offset", ["", "-1", "1.5", "x", "9223372036854775808", "99999999999999999999", "٣"])
def test_offset_that_is_no_number_is_400(place, offset):
    url = place.begin(size=10)
    headers = [(key, value.encode()) for key, value in {**BYTES, "Upload-Offset": offset}.items()]
    answer = place.client.patch(url, content=b"abcd", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_header")
    assert place.part(url).read_bytes() == b""


def test_other_version_is_412_and_names_ours(place):
    url = place.begin()
    for headers in ({}, {"Tus-Resumable": "0.2.2"}):
        answer = place.client.patch(url, content=b"a", headers={**BYTES, "Upload-Offset": "0", **headers} | headers)
        if headers:
            assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")
    without = place.client.head(url)
    assert (without.status_code, without.headers["tus-version"]) == (412, "1.0.0")


def test_other_content_type_is_415_and_no_byte_is_kept(place):
    url = place.begin()
    answer = place.patch(url, b"abc", **{"Content-Type": "text/plain"})
    assert (answer.status_code, place.part(url).read_bytes()) == (415, b"")


def test_longer_than_announced_is_413_and_no_byte_is_kept(place):
    url = place.begin(size=10)
    assert place.patch(url, b"a" * 11).status_code == 413
    assert place.head(url).headers["upload-offset"] == "0"


def test_longer_than_announced_without_a_length_is_413_and_goes_back(place):
    url = place.begin(size=10)
    place.patch(url, b"abcd")
    answer = place.patch(url, iter([b"efgh", b"ijklm"]), offset=4)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_long")
    assert place.head(url).headers["upload-offset"] == "4"


def test_body_without_a_length_is_taken(place, data):
    url = place.begin(size=len(data))
    assert place.patch(url, (data[i : i + 70_000] for i in range(0, len(data), 70_000))).status_code == 204
    assert (place.root / "raw/movie.mrc").read_bytes() == data


def test_patch_hidden_in_a_post_is_understood(place):
    url = place.begin(size=4)
    headers = {**BYTES, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert place.client.post(url, content=b"abcd", headers=headers).status_code == 204
    assert (place.root / "raw/movie.mrc").read_bytes() == b"abcd"


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_other_methods_are_405(place, method):
    assert place.client.request(method, place.begin(), headers=TUS).status_code == 405


def test_options_tells_what_is_offered(place, collection):
    answer = place.client.options(collection)
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert set(answer.headers["tus-extension"].split(",")) == {
        "creation", "creation-with-upload", "creation-defer-length", "expiration", "checksum", "termination",
        "concatenation",
    }  # fmt: skip
    assert set(answer.headers["tus-checksum-algorithm"].split(",")) == set(SUM)


def test_empty_file_is_done_at_once(place):
    url = place.begin(path="empty.txt", size=0)
    assert (place.root / "empty.txt").read_bytes() == b""
    assert place.head(url).headers["upload-offset"] == "0"
    assert place.row(url)["state"] == "done"


# --- creation


def test_client_that_knows_only_tus_makes_and_fills_an_upload(place, collection, bearer):
    headers = {**TUS, **bearer, "Upload-Length": "4", "Upload-Metadata": metadata(project=place.id, path="a/b.txt")}
    made = place.client.post(collection, headers=headers)
    assert (made.status_code, made.headers["upload-offset"]) == (201, "0")
    assert place.patch(made.headers["location"], b"abcd").status_code == 204
    assert (place.root / "a/b.txt").read_bytes() == b"abcd"


def test_creation_with_upload_takes_the_first_bytes(place, collection, bearer):
    headers = {**BYTES, **bearer, "Upload-Length": "6", "Upload-Metadata": metadata(project=place.id, path="b.txt")}
    made = place.client.post(collection, headers=headers, content=b"abcd")
    assert (made.status_code, made.headers["upload-offset"]) == (201, "4")
    assert place.patch(made.headers["location"], b"ef", offset=4).status_code == 204
    assert (place.root / "b.txt").read_bytes() == b"abcdef"


def test_creation_with_more_bytes_than_announced_leaves_nothing(place, collection, bearer):
    headers = {**BYTES, **bearer, "Upload-Length": "2", "Upload-Metadata": metadata(project=place.id, path="b.txt")}
    assert place.client.post(collection, headers=headers, content=b"abcd").status_code == 413
    place.begin(path="b.txt")


@pytest.mark.parametrize(
    ("length", "meta", "status"),
    [
        ("", {"path": "x"}, 400),
        ("-1", {"path": "x"}, 400),
        ("9223372036854775808", {"path": "x"}, 400),
        ("5", {}, 400),
        ("5", {"path": "../x"}, 400),
        ("5", {"path": "a\x00b"}, 400),
        ("5", {"path": "n" * 300}, 400),
        ("5", {"path": ".portolan/uploads/x"}, 400),
        ("5", {"path": "/etc/passwd"}, 400),
        ("5", {"path": "x", "sha256": "12"}, 400),
    ],
)
def test_bad_creation_is_refused_before_the_first_byte(place, collection, bearer, length, meta, status):
    headers = {**TUS, **bearer, "Upload-Length": length, "Upload-Metadata": metadata(project=place.id, **meta)}
    answer = place.client.post(collection, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not (place.root / ".portolan/uploads").exists() or not list((place.root / ".portolan/uploads").iterdir())


@pytest.mark.parametrize("text", ["path ###", "path " + base64.b64encode(b"\xff\xfe").decode(), "path YQ==,path YQ=="])
def test_metadata_that_is_not_text_in_base64_is_400(place, collection, bearer, text):
    answer = place.client.post(collection, headers={**TUS, **bearer, "Upload-Length": "5", "Upload-Metadata": text})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_metadata")


@pytest.mark.parametrize(
    ("authorization", "status"),
    [(None, 401), ("Bearer nonsense", 401), ("Bearer a b", 401), ("Basic YTpi", 401)],
)
def test_creation_needs_a_token(place, collection, authorization, status):
    headers = {**TUS, "Upload-Length": "5", "Upload-Metadata": metadata(project=place.id, path="x")}
    if authorization:
        headers["Authorization"] = authorization
    answer = place.client.post(collection, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (status, 'Bearer realm="portolan"')


@pytest.mark.parametrize(("user", "scopes", "status"), [("viewer", ["data"], 403), ("stranger", ["data"], 404),
                                                         ("contributor", ["read"], 403)])  # fmt: skip
def test_creation_asks_for_role_and_scope(place, collection, user, scopes, status):
    token = place.door.do("token", user=user, scopes=scopes)
    headers = {**TUS, "Upload-Length": "5", "Upload-Metadata": metadata(project=place.id, path="x")}
    answer = place.client.post(collection, headers={**headers, "Authorization": f"Bearer {token}"})
    assert answer.status_code == status


# --- checksum


@pytest.mark.parametrize("name", SUM)
def test_right_checksum_is_taken(place, name, data):
    url = place.begin(size=len(data))
    answer = place.patch(url, data, **{"Upload-Checksum": f"{name} {b64(SUM[name](data))}"})
    assert answer.status_code == 204
    assert (place.root / "raw/movie.mrc").read_bytes() == data


@pytest.mark.parametrize("name", SUM)
def test_wrong_checksum_is_460_and_its_bytes_are_discarded(place, name):
    url = place.begin(size=10)
    place.patch(url, b"abcd")
    answer = place.patch(url, b"efghij", offset=4, **{"Upload-Checksum": f"{name} {b64(SUM[name](b'other'))}"})
    assert (answer.status_code, answer.json()["code"]) == (460, "checksum_mismatch")
    assert place.head(url).headers["upload-offset"] == "4"
    assert place.patch(url, b"EFGHIJ", offset=4).status_code == 204
    assert place.row(url)["sha256"] == hashlib.sha256(b"abcdEFGHIJ").hexdigest()


@pytest.mark.parametrize("value", ["md5 AAAA", "sha1", "sha1 ???", "sha1 AAAA", ""])
def test_checksum_that_can_not_be_checked_is_400(place, value):
    url = place.begin(size=10)
    assert place.patch(url, b"abcd", **{"Upload-Checksum": value}).json()["code"] == "bad_checksum"
    assert place.part(url).read_bytes() == b""


def test_whole_file_is_checked_against_the_announced_sha256(place, data):
    url = place.begin(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    assert place.patch(url, data).status_code == 204
    assert place.row(url)["state"] == "done"


def test_whole_file_with_another_sha256_never_appears_and_can_be_sent_again(place, data):
    url = place.begin(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    assert place.patch(url, data[:-1] + b"!").status_code == 460
    assert not (place.root / "raw/movie.mrc").exists()
    assert place.head(url).headers["upload-offset"] == "0"
    assert place.patch(url, data).status_code == 204


# --- expiration and termination


def test_end_is_told_and_moves_with_use(place):
    url = place.begin(size=10)
    place.door.do("age", upload=place.ids[url], days=10)
    before = parsedate_to_datetime(place.head(url).headers["upload-expires"])
    after = parsedate_to_datetime(place.patch(url, b"a").headers["upload-expires"])
    assert after - before > timedelta(days=9)
    assert after - datetime.now(UTC) < timedelta(days=14, minutes=1)


def test_ended_upload_is_410_and_its_room_is_given_back(place):
    url = place.begin(size=10)
    place.patch(url, b"abcd")
    place.door.do("age", upload=place.ids[url], days=15)
    assert place.patch(url, b"ef", offset=4).status_code == 410
    assert place.head(url).status_code == 410
    assert place.door.do("end_idle") >= 1
    assert place.row(url)["state"] == "expired"
    assert list((place.root / ".portolan/uploads").iterdir()) == []
    place.begin(size=10)


def test_delete_ends_the_upload_and_frees_its_name(place):
    url = place.begin(size=10)
    place.patch(url, b"abcd")
    assert place.client.delete(url, headers=TUS).status_code == 204
    assert place.row(url)["state"] == "cancelled"
    assert not place.part(url).exists()
    assert place.head(url).status_code == 410
    assert place.client.delete(url, headers=TUS).status_code == 410
    place.begin(size=10)


def test_delete_of_a_done_upload_leaves_the_file(place):
    url = place.begin(size=4)
    place.patch(url, b"abcd")
    assert place.client.delete(url, headers=TUS).status_code == 409
    assert (place.root / "raw/movie.mrc").read_bytes() == b"abcd"


# --- a browser's and a library's view


def test_only_the_portals_pages_may_call(place):
    url, portal = place.begin(), "http://localhost:8000"
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "tus-resumable"}
    answer = place.client.options(url, headers={"Origin": portal, **asked})
    assert answer.headers["access-control-allow-origin"] == portal
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert "Upload-Offset" in answer.headers["access-control-allow-headers"]
    head = place.client.head(url, headers={**TUS, "Origin": portal})
    assert "Upload-Offset" in head.headers["access-control-expose-headers"]
    for other in ("http://evil.example", "http://localhost:8000.evil.example", "null"):
        assert "access-control-allow-origin" not in place.client.options(url, headers={"Origin": other}).headers


def test_every_answer_is_safe_to_open(place):
    for answer in (place.head(place.begin()), place.client.get(f"http://localhost:{place.door.port}/")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_health_answers(place):
    assert place.client.get(f"http://localhost:{place.door.port}/healthz").json() == {"status": "ok"}


def test_tuspy_uploads_and_resumes(place, data, tmp_path):
    source = tmp_path / "movie.mrc"
    source.write_bytes(data)
    url = place.begin(size=len(data))
    uploader = TusClient(url).uploader(str(source), chunk_size=1_000_000, url=url)
    uploader.upload_chunk()
    resumed = TusClient(url).uploader(str(source), chunk_size=1_000_000, url=url)
    assert resumed.offset == 1_000_000
    resumed.upload()
    assert (place.root / "raw/movie.mrc").read_bytes() == data


def test_tuspy_creates_with_a_token(place, collection, bearer, data, tmp_path):
    source = tmp_path / "movie.mrc"
    source.write_bytes(data)
    client = TusClient(collection, headers=bearer)
    client.uploader(str(source), metadata={"project": place.id, "path": "x/movie.mrc"}, chunk_size=900_000,
                    upload_checksum=True).upload()  # fmt: skip
    assert (place.root / "x/movie.mrc").read_bytes() == data


def test_secret_is_in_no_log(place):
    url = place.begin(size=4)
    place.patch(url, b"abcd")
    place.client.get(url)
    assert url.rpartition("/")[2] not in place.door.log()


# --- refused before the first byte


def test_begin_refuses_a_name_in_use_a_file_as_folder_and_a_second_upload(place):
    (place.root / "a.txt").write_text("here")
    for path, code in (("a.txt", "name_taken"), ("a.txt/b.txt", "name_taken"), ("../x", "bad_path")):
        with pytest.raises(Refused, match=code):
            place.begin(path=path)
    place.begin(path="b.txt")
    with pytest.raises(Refused, match="upload_open"):
        place.begin(path="b.txt")


def test_begin_again_with_the_same_sha256_goes_on_under_a_new_address(place):
    found = hashlib.sha256(b"abcd").hexdigest()
    old = place.begin(size=4, sha256=found)
    place.patch(old, b"ab")
    new = place.begin(size=4, sha256=found)
    assert place.head(old).status_code == 404
    assert place.patch(new, b"cd", offset=2).status_code == 204
    assert place.row(new)["state"] == "done"


def test_overwrite_replaces_the_file_at_once_and_counts_once(place):
    for content in (b"abcd", b"xy"):
        url = place.begin(path="a.txt", size=len(content), overwrite=True)
        assert place.patch(url, content).status_code == 204
    assert (place.root / "a.txt").read_bytes() == b"xy"
    assert (place.row(url)["used_bytes"], place.row(url)["used_files"]) == (2, 1)


def test_quota_is_kept_for_open_uploads(door):
    made = door.do("project", quota=100)
    door.do("begin", user="owner", project=made["id"], path="a", size=60)
    with pytest.raises(Refused, match="quota_exceeded"):
        door.do("begin", user="owner", project=made["id"], path="b", size=41)
    door.do("begin", user="owner", project=made["id"], path="c", size=40)


def test_httpx_speaks_to_the_address_the_ticket_names(place):
    assert httpx.URL(place.begin()).port == place.door.port
