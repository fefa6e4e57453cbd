"""Files sent in parallel parts, of unknown length, and by two doors on one file system."""

import hashlib
import json
import subprocess
import threading
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.live import ROOT
from tests.storage.door.conftest import BYTES, TUS
from tests.storage.door.test_tus import b64, metadata


@pytest.fixture
def collection(door) -> str:
    return f"http://localhost:{door.port}/uploads/"


@pytest.fixture
def bearer(place) -> dict[str, str]:
    return {"Authorization": f"Bearer {place.door.do('token', user='contributor', scopes=['read', 'data'])}"}


def at(url: str, door) -> str:
    """The same upload at another door."""
    return f"http://localhost:{door.port}/uploads/{url.split('/uploads/')[1]}"


def slot(place, url: str, start: int, length: int) -> httpx.Response:
    headers = {
        **TUS,
        "Upload-Concat": "partial",
        "Upload-Length": str(length),
        "Upload-Metadata": f"start {b64(str(start))}",
    }
    return place.client.post(f"{url}/parts/", headers=headers)


# --- two doors


def test_two_doors_in_turn_make_one_file_and_know_its_checksum_or_that_they_do_not(place, other_door, data):
    url = place.begin(size=len(data))
    there = at(url, other_door)
    third = len(data) // 3
    assert place.patch(url, data[:third]).status_code == 204
    assert place.patch(there, data[third : 2 * third], offset=third).status_code == 204
    assert place.head(url).headers["upload-offset"] == str(2 * third)
    assert place.patch(url, data[2 * third :], offset=2 * third).status_code == 204
    assert (place.root / "raw/movie.mrc").read_bytes() == data
    assert place.row(url)["sha256"] in ("", hashlib.sha256(data).hexdigest())
    assert place.row(url)["sha256"] == ""


def test_what_one_door_remembers_is_not_believed_after_another_began_again(place, other_door, data):
    url = place.begin(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    there, half = at(url, other_door), len(data) // 2
    wrong = bytes(half)
    assert place.patch(url, wrong).status_code == 204
    assert place.patch(there, data[half:], offset=half).status_code == 460
    assert place.patch(there, data[:half]).status_code == 204
    assert place.patch(url, data[half:], offset=half).status_code == 204
    assert place.row(url)["sha256"] == hashlib.sha256(data).hexdigest()
    assert (place.root / "raw/movie.mrc").read_bytes() == data


def test_second_door_waits_for_the_lock_of_the_first(place, other_door, data):
    url, answers = place.begin(size=len(data)), []
    urls = [url, at(url, other_door)] * 3
    threads = [threading.Thread(target=lambda u=u: answers.append(httpx.patch(
        u, content=data, headers={**BYTES, "Upload-Offset": "0"}, timeout=60).status_code)) for u in urls]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(204) == 1, answers
    assert (place.root / "raw/movie.mrc").read_bytes() == data


# --- a length that is told later


def test_length_told_with_the_last_bytes_makes_the_file(place, collection, bearer, data):
    headers = {**TUS, **bearer, "Upload-Defer-Length": "1", "Upload-Metadata": metadata(project=place.id, path="a.bin")}
    made = place.client.post(collection, headers=headers)
    assert made.status_code == 201, made.text
    url = made.headers["location"]
    head = place.head(url)
    assert (head.headers["upload-defer-length"], head.headers.get("upload-length")) == ("1", None)
    assert place.patch(url, data[:1000]).status_code == 204
    assert place.patch(url, iter([data[1000:5000]]), offset=1000).status_code == 204
    assert place.door.do("room", project=place.id)["reserved"] >= 5000
    assert place.patch(url, data[5000:], offset=5000, **{"Upload-Length": str(len(data))}).status_code == 204
    assert (place.root / "a.bin").read_bytes() == data
    assert place.door.do("room", project=place.id) == {"reserved": 0, "reserved_files": 0, "left": None}


def test_length_is_told_once_and_not_below_what_is_there(place, collection, bearer):
    headers = {**TUS, **bearer, "Upload-Defer-Length": "1", "Upload-Metadata": metadata(project=place.id, path="b.bin")}
    url = place.client.post(collection, headers=headers).headers["location"]
    assert place.patch(url, b"abcd").status_code == 204
    assert place.patch(url, b"", offset=4, **{"Upload-Length": "3"}).json()["code"] == "length_changed"
    assert place.patch(url, b"e", offset=4, **{"Upload-Length": "6"}).status_code == 204
    assert place.patch(url, b"f", offset=5, **{"Upload-Length": "7"}).json()["code"] == "length_changed"
    assert place.patch(url, b"f", offset=5).status_code == 204
    assert (place.root / "b.bin").read_bytes() == b"abcdef"


def test_quota_stops_an_upload_of_unknown_length_before_its_bytes(door, collection):
    made = door.do("project", quota=3000)
    token = door.do("token", user="contributor", scopes=["data"])
    headers = {"Upload-Defer-Length": "1", "Upload-Metadata": metadata(project=made["id"], path="c.bin")}
    url = httpx.post(collection, headers={**TUS, **headers, "Authorization": f"Bearer {token}"}).headers["location"]
    assert httpx.patch(url, content=b"a" * 2000, headers={**BYTES, "Upload-Offset": "0"}).status_code == 204
    refused = httpx.patch(url, content=b"a" * 2000, headers={**BYTES, "Upload-Offset": "2000"})
    assert (refused.status_code, refused.json()["code"]) == (413, "quota_exceeded")
    assert httpx.head(url, headers=TUS).headers["upload-offset"] == "2000"


@pytest.mark.parametrize(
    "headers", [{"Upload-Defer-Length": "2"}, {"Upload-Defer-Length": "1", "Upload-Length": "3"}, {}]
)
def test_length_neither_told_nor_deferred_is_400(place, collection, bearer, headers):
    words = {**TUS, **bearer, "Upload-Metadata": metadata(project=place.id, path="d.bin"), **headers}
    assert place.client.post(collection, headers=words).status_code == 400


# --- parts as the protocol has them


def part(place, collection: str, bearer: dict, content: bytes) -> str:
    headers = {
        "Upload-Concat": "partial",
        "Upload-Length": str(len(content)),
        "Upload-Metadata": metadata(project=place.id),
    }
    url = place.client.post(collection, headers={**TUS, **bearer, **headers}).headers["location"]
    if content:
        assert place.patch(url, content).status_code == 204
    return url


def join(place, collection: str, bearer: dict, urls: list[str], **more: str) -> httpx.Response:
    words = {
        "Upload-Concat": "final;" + " ".join(urls),
        "Upload-Metadata": metadata(project=place.id, path="j.bin", **more),
    }
    return place.client.post(collection, headers={**TUS, **bearer, **words})


def test_parts_are_joined_in_the_order_told_and_use_no_room_twice(place, collection, bearer, data):
    cuts = [0, 1, 1_000_003, 2_000_000, len(data)]
    urls = [part(place, collection, bearer, data[a:b]) for a, b in pairwise(cuts)]
    assert place.head(urls[2]).headers["upload-concat"] == "partial"
    assert place.door.do("room", project=place.id)["reserved"] == len(data)
    made = join(place, collection, bearer, urls, sha256=hashlib.sha256(data).hexdigest())
    assert made.status_code == 201, made.text
    assert (place.root / "j.bin").read_bytes() == data
    assert list((place.root / ".portolan/uploads").iterdir()) == []
    assert place.door.do("room", project=place.id)["reserved"] == 0
    assert place.head(made.headers["location"]).headers["upload-offset"] == str(len(data))
    assert place.head(urls[0]).status_code == 410


def test_parts_that_are_not_whole_are_not_joined(place, collection, bearer):
    first = part(place, collection, bearer, b"abc")
    headers = {"Upload-Concat": "partial", "Upload-Length": "3", "Upload-Metadata": metadata(project=place.id)}
    second = place.client.post(collection, headers={**TUS, **bearer, **headers}).headers["location"]
    assert join(place, collection, bearer, [first, second]).json()["code"] == "upload_unfinished"
    place.patch(second, b"def")
    assert join(place, collection, bearer, [first, first]).status_code == 404
    assert join(place, collection, bearer, [first, second]).status_code == 201
    assert (place.root / "j.bin").read_bytes() == b"abcdef"


def test_parts_of_somebody_else_are_not_joined(place, collection, bearer):
    url = part(place, collection, bearer, b"abc")
    other = {"Authorization": f"Bearer {place.door.do('token', user='manager', scopes=['data'])}"}
    assert join(place, collection, other, [url]).status_code == 404
    assert place.patch(url, b"", offset=3).status_code == 204


# --- parts below an upload


def test_parts_below_an_upload_are_joined_by_moving_nothing(place, data):
    url = place.begin(size=len(data))
    cuts = [0, 1024**2, 2 * 1024**2, len(data)]
    for start, end in reversed(list(pairwise(cuts))):
        made = slot(place, url, start, end - start)
        assert (made.status_code, made.headers["location"]) == (201, f"{url}/parts/{start}")
        inode = place.part(url).stat().st_ino
        assert place.patch(f"{url}/parts/{start}", data[start:end]).status_code == 204
    assert (place.root / "raw/movie.mrc").read_bytes() == data
    assert (place.root / "raw/movie.mrc").stat().st_ino == inode
    assert place.head(url).headers["upload-offset"] == str(len(data))
    assert place.head(f"{url}/parts/{cuts[1]}").headers["upload-offset"] == str(1024**2)
    assert place.client.post(f"{url}/parts/", headers={**TUS, "Upload-Concat": "final;x"}).status_code == 201
    noted = place.door.do("sum_of", project=place.id, path="raw/movie.mrc")
    sums = [[a, b - a, hashlib.sha256(data[a:b]).hexdigest()] for a, b in pairwise(cuts)]
    assert (noted["sha256"], noted["parts"]) == ("", sums)
    assert list((place.root / ".portolan/uploads").iterdir()) == []


def test_parts_go_through_two_doors_at_once(place, other_door, data):
    url = place.begin(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    step = 512 * 1024
    starts = list(range(0, len(data), step))

    def send(number: int, start: int) -> None:
        where = url if number % 2 else at(url, other_door)
        chunk = data[start : start + step]
        headers = {
            **TUS,
            "Upload-Concat": "partial",
            "Upload-Length": str(len(chunk)),
            "Upload-Metadata": f"start {b64(str(start))}",
        }
        assert httpx.post(f"{where}/parts/", headers=headers, timeout=60).status_code == 201
        sent = httpx.patch(f"{where}/parts/{start}", content=chunk, headers={**BYTES, "Upload-Offset": "0"}, timeout=60)
        assert sent.status_code == 204, sent.text

    threads = [threading.Thread(target=send, args=pair) for pair in enumerate(starts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (place.root / "raw/movie.mrc").read_bytes() == data
    assert place.row(url)["state"] == "done"


def test_upload_begun_in_parts_goes_on_as_one_stream_from_what_is_there_without_a_gap(place, data):
    url = place.begin(size=len(data))
    half = len(data) // 2
    slot(place, url, 0, half)
    slot(place, url, half, len(data) - half)
    place.patch(f"{url}/parts/0", data[:1000])
    place.patch(f"{url}/parts/{half}", data[half : half + 5000])
    told = place.client.get(f"{url}/parts/").json()
    assert (told["path"], told["size"], told["received"]) == ("raw/movie.mrc", len(data), 6000)
    assert told["parts"] == [
        {"start": 0, "length": half, "offset": 1000},
        {"start": half, "length": len(data) - half, "offset": 5000},
    ]
    assert place.head(url).headers["upload-offset"] == "1000"
    assert place.patch(url, data[1000:], offset=1000).status_code == 204
    assert (place.root / "raw/movie.mrc").read_bytes() == data


def test_cut_part_goes_on_and_a_wrong_checksum_discards_its_bytes_only(place, data):
    url = place.begin(size=len(data))
    slot(place, url, 0, len(data))
    there = f"{url}/parts/0"
    assert place.patch(there, data[:1000]).status_code == 204
    assert (
        place.patch(there, b"x" * 10, offset=1000, **{"Upload-Checksum": f"sha1 {b64(bytes(20))}"}).status_code == 460
    )
    assert place.head(there).headers["upload-offset"] == "1000"
    assert place.patch(there, data[1000:], offset=1000).status_code == 204
    assert (place.root / "raw/movie.mrc").read_bytes() == data


@pytest.mark.parametrize(("start", "length"), [(0, 0), (5, 6), (11, 1), (0, 11), (2**62, 2**62)])
def test_part_outside_the_file_is_refused(place, start, length):
    url = place.begin(size=10)
    assert slot(place, url, start, length).status_code == 400


def test_parts_that_overlap_or_are_unknown_are_refused(place):
    url = place.begin(size=10)
    assert slot(place, url, 0, 6).status_code == 201
    assert slot(place, url, 0, 6).status_code == 201
    assert slot(place, url, 5, 5).json()["code"] == "part_overlaps"
    assert place.patch(f"{url}/parts/3", b"abc").status_code == 404
    assert place.head(f"{url}/parts/x").status_code == 400
    place.patch(f"{url}/parts/0", b"abc")
    other = place.begin(path="other", size=10)
    place.patch(other, b"abc")
    assert slot(place, other, 3, 7).json()["code"] == "upload_begun"


def test_member_removed_in_mid_transfer_is_refused_at_the_next_part(place):
    url = place.begin(size=10)
    slot(place, url, 0, 10)
    place.patch(f"{url}/parts/0", b"abc")
    place.door.do("role", project=place.id, user="contributor", role=None)
    assert place.patch(f"{url}/parts/0", b"def", offset=3).status_code == 403
    assert slot(place, url, 3, 7).status_code == 403
    assert place.client.get(f"{url}/parts/").status_code == 403


def test_cancelled_upload_takes_its_parts_with_it(place):
    url = place.begin(size=10)
    slot(place, url, 0, 10)
    place.patch(f"{url}/parts/0", b"abc")
    assert place.client.delete(url, headers=TUS).status_code == 204
    assert list((place.root / ".portolan/uploads").iterdir()) == []


# --- the client of the protocol's authors


@pytest.mark.slow
@pytest.mark.parametrize("streams", [1, 4])
def test_tus_js_client_uploads_in_parallel_parts(place, collection, bearer, data, tmp_path, streams):
    (tmp_path / "file").write_bytes(data)
    asked = {"endpoint": collection, "headers": bearer, "project": place.id, "path": f"js {streams}.bin",
             "file": str(tmp_path / "file"), "streams": streams}  # fmt: skip
    script = Path(__file__).with_name("client.mjs")
    done = subprocess.run(
        ["node", str(script), json.dumps(asked)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (place.root / f"js {streams}.bin").read_bytes() == data
