"""What may go wrong while bytes come in: cuts, kills, full disks, two at once, rights that are lost. No byte is."""

import base64
import hashlib
import os
import random
import socket
import subprocess
import threading
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest
import requests
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError

from tests.live import wait_until
from tests.storage.door.conftest import TUS, Refused


def start_patch(url: str, offset: int, length: int, *more: str) -> socket.socket:
    """A connection on which a PATCH has begun: headers are sent, ``length`` bytes are announced."""
    where = urlsplit(url)
    plug = socket.create_connection((where.hostname, where.port), timeout=30)
    lines = [
        f"PATCH {where.path} HTTP/1.1", f"Host: {where.netloc}", "Tus-Resumable: 1.0.0", f"Upload-Offset: {offset}",
        "Content-Type: application/offset+octet-stream", f"Content-Length: {length}", *more,
    ]  # fmt: skip
    plug.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return plug


def cut(plug: socket.socket) -> None:
    """The connection is gone at once, by a reset, as when a cable is pulled and put back."""
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    plug.close()


def offset_of(place, url: str) -> int:
    head = place.head(url)
    assert head.status_code == 200, head.headers
    return int(head.headers["upload-offset"])


def rest(place, url: str, data: bytes) -> None:
    """The rest is sent, from where the door is; once more when a cut connection's last bytes came in meanwhile."""
    while (offset := offset_of(place, url)) < len(data):
        with suppress(httpx.TransportError):
            assert place.patch(url, data[offset:], offset=offset).status_code in (204, 409)


CUTS = int(os.environ.get("UPLOAD_CUTS") or 60)


def test_upload_cut_at_many_random_bytes_is_whole_in_the_end(place):
    chance = random.Random(20)
    data = chance.randbytes(8 * 1024**2)
    url = place.begin(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    at = furthest = 0
    for _ in range(CUTS):
        upto = min(len(data) - 1, at + chance.randint(1, 2 * len(data) // CUTS))
        plug = start_patch(url, at, len(data) - at)
        plug.sendall(data[at:upto])
        (cut if chance.random() < 0.5 else socket.socket.close)(plug)
        furthest = max(furthest, upto)
        now = offset_of(place, url)
        assert at <= now <= furthest
        at = now
    rest(place, url, data)
    assert (place.root / "raw/movie.mrc").read_bytes() == data
    assert place.row(url)["state"] == "done"


@pytest.mark.slow
def test_real_client_cut_at_random_bytes_sends_at_most_one_piece_again_for_each_cut(place, tmp_path):
    """tuspy through a line that is cut again and again, every time at another byte."""
    chance, piece = random.Random(21), 32 * 1024
    data = chance.randbytes(1024**2)
    (tmp_path / "file").write_bytes(data)
    url = place.begin(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    cuts = CUTS // 3
    with CutLine(place.door.port, [chance.randint(600, piece) for _ in range(3 * cuts)]) as line:
        there = url.replace(f":{place.door.port}", f":{line.port}")
        uploader = TusClient(there).uploader(str(tmp_path / "file"), url=there, chunk_size=piece, retries=0)
        for _ in range(3 * cuts + 10):
            try:
                uploader.offset = uploader.get_offset()
                uploader.upload()
                break
            except (TusCommunicationError, requests.RequestException):
                continue
        assert line.done >= cuts // 2
        assert line.sent <= len(data) + (line.done + 1) * (piece + 8 * 1024) + 400_000
    assert (place.root / "raw/movie.mrc").read_bytes() == data
    assert place.row(url)["state"] == "done"


class CutLine:
    """A line to the door whose connections end, one after the other, after so many bytes; then it holds."""

    def __init__(self, port: int, after: list[int]) -> None:
        self._target, self._after = port, after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.done = self.sent = 0

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._target))
        threading.Thread(target=self._back, args=(far, near), daemon=True).start()
        left = self._after.pop() if self._after else None
        with suppress(OSError):
            while more := near.recv(8192 if left is None else min(8192, left)):
                far.sendall(more)
                self.sent += len(more)
                left = None if left is None else left - len(more)
                if left == 0:
                    self.done += 1
                    cut(near)
                    far.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it, so that it really ends
                    return
        far.close()

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while more := far.recv(65536):
                near.sendall(more)
        with suppress(OSError):
            near.shutdown(socket.SHUT_WR)


def test_cut_in_bytes_with_a_checksum_discards_just_them(place, data):
    url = place.begin(size=len(data))
    place.patch(url, data[:1000])
    plug = start_patch(url, 1000, len(data) - 1000, "Upload-Checksum: sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    plug.sendall(data[1000:-10])
    cut(plug)
    wait_until(lambda: offset_of(place, url) == 1000)
    rest(place, url, data)
    assert (place.root / "raw/movie.mrc").read_bytes() == data


@pytest.mark.slow
def test_door_killed_while_writing_goes_on_where_it_was(place):
    data = random.Random(3).randbytes(24 * 1024**2)
    url = place.begin(size=len(data))
    for stop in (5_000_001, 13_000_007, len(data)):
        at = offset_of(place, url)
        plug = start_patch(url, at, len(data) - at)
        plug.sendall(data[at:stop])
        if stop < len(data):
            wait_until(lambda at=at: place.part(url).stat().st_size > at, what="bytes on disk")
        place.door.kill()
        plug.close()
        place.door.start()
    rest(place, url, data)
    assert (place.root / "raw/movie.mrc").read_bytes() == data
    assert place.row(url)["state"] == "done"


@pytest.mark.slow
def test_door_killed_in_bytes_with_a_checksum_forgets_the_unverified(place, data):
    url = place.begin(size=len(data))
    place.patch(url, data[:1000])
    plug = start_patch(url, 1000, len(data) - 1000, "Upload-Checksum: sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    plug.sendall(b"\0" * (len(data) - 2000))
    wait_until(lambda: place.part(url).stat().st_size > 1000, what="bytes on disk")
    place.door.kill()
    plug.close()
    place.door.start()
    assert offset_of(place, url) == 1000
    rest(place, url, data)
    assert (place.root / "raw/movie.mrc").read_bytes() == data


def test_crash_between_the_rename_and_the_row_is_settled_by_the_next_look(place):
    url = place.begin(size=4)
    plain = place.part(url)
    plain.write_bytes(b"abcd")
    (place.root / "raw").mkdir()
    plain.rename(place.root / "raw/movie.mrc")
    assert offset_of(place, url) == 4
    assert place.row(url)["state"] == "done"


def test_crash_before_the_rename_is_settled_by_the_next_look(place):
    url = place.begin(size=4)
    with place.part(url).open("ab") as part:
        part.write(b"abcd")
    assert offset_of(place, url) == 4
    assert (place.root / "raw/movie.mrc").read_bytes() == b"abcd"


def test_bytes_that_vanished_from_the_storage_end_the_upload(place):
    url = place.begin(size=10)
    place.part(url).unlink()
    assert place.head(url).status_code == 410
    assert place.row(url)["state"] == "cancelled"


def test_vanished_mount_ends_nothing(place):
    url = place.begin(size=4)
    place.patch(url, b"ab")
    away = place.root.with_name("away")
    place.root.rename(away)
    assert place.head(url).status_code == 503
    assert place.patch(url, b"cd", offset=2).status_code == 503
    away.rename(place.root)
    assert place.patch(url, b"cd", offset=2).status_code == 204


@pytest.mark.slow
def test_full_disk_is_507_and_the_upload_goes_on_when_there_is_room(place):
    data = random.Random(5).randbytes(24 * 1024**2)
    url = place.begin(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    place.door.file_size_limit(16 * 1024**2 + 123)
    try:
        answer = place.patch(url, data)
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
        assert offset_of(place, url) == 16 * 1024**2 + 123
    finally:
        place.door.file_size_limit(-1)
    rest(place, url, data)
    assert place.row(url)["state"] == "done"
    assert (place.root / "raw/movie.mrc").read_bytes() == data


def test_second_writer_waits_is_refused_and_may_come_back(place):
    url = place.begin(size=10)
    plug = start_patch(url, 0, 10)
    plug.sendall(b"abc")
    wait_until(lambda: place.head(url).status_code == 423, what="the lock")
    assert place.patch(url, b"x", offset=0).status_code == 423
    plug.sendall(b"defghij")
    assert plug.recv(100).startswith(b"HTTP/1.1 204")
    assert (place.root / "raw/movie.mrc").read_bytes() == b"abcdefghij"


def test_lock_of_a_dead_connection_is_taken_over(place):
    url = place.begin(size=10)
    plug = start_patch(url, 0, 10)
    plug.sendall(b"abc")
    cut(plug)
    assert place.head(url).headers["upload-offset"] in ("0", "3")


def test_two_whole_patches_at_once_give_one_whole_file(place, data):
    url = place.begin(size=len(data))
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(place.patch(url, data).status_code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(204) == 1, answers
    assert set(answers) <= {204, 409, 423}
    assert (place.root / "raw/movie.mrc").read_bytes() == data


def test_name_taken_meanwhile_keeps_every_byte_until_there_is_a_name(place):
    url = place.begin(path="a.txt", size=4)
    (place.root / "a.txt").write_text("other")
    answer = place.patch(url, b"abcd")
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert place.head(url).status_code == 409
    assert place.part(url).read_bytes() == b"abcd"
    assert place.door.do("finish_as", user="contributor", upload=place.ids[url], path="b.txt") == "b.txt"
    assert (place.root / "a.txt").read_text() == "other"
    assert (place.root / "b.txt").read_bytes() == b"abcd"
    assert offset_of(place, url) == 4


def test_name_freed_again_lets_the_next_look_finish(place):
    url = place.begin(path="a.txt", size=4)
    (place.root / "a.txt").write_text("other")
    assert place.patch(url, b"abcd").status_code == 409
    (place.root / "a.txt").unlink()
    assert offset_of(place, url) == 4
    assert (place.root / "a.txt").read_bytes() == b"abcd"


def test_finish_as_refuses_a_name_in_use_and_an_unfinished_upload(place):
    url = place.begin(path="a.txt", size=4)
    (place.root / "b.txt").write_text("other")
    for path, code in (("b.txt", "name_taken"), ("c.txt", "upload_unfinished"), ("../c", "bad_path")):
        with pytest.raises(Refused, match=code):
            place.door.do("finish_as", user="contributor", upload=place.ids[url], path=path)


def test_link_swapped_in_for_a_folder_leads_nowhere(place, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    url = place.begin(path="raw/x/movie.mrc", size=4)
    place.patch(url, b"ab")
    (place.root / "raw").symlink_to(outside)
    answer = place.patch(url, b"cd", offset=2)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_path")
    assert list(outside.iterdir()) == []
    assert place.part(url).read_bytes() == b"abcd"


# --- rights


@pytest.mark.parametrize("role", ["viewer", None])
def test_member_who_may_no_longer_write_is_refused_at_the_next_part(place, role):
    url = place.begin(size=10)
    place.patch(url, b"abcd")
    place.door.do("role", project=place.id, user="contributor", role=role)
    answer = place.patch(url, b"efghij", offset=4)
    assert (answer.status_code, answer.json()["code"]) == (403, "role_too_weak")
    assert place.head(url).status_code == 403
    assert place.client.delete(url, headers=TUS).status_code == 403
    place.door.do("role", project=place.id, user="contributor", role="contributor")
    assert place.patch(url, b"efghij", offset=4).status_code == 204


def test_right_lost_in_the_middle_of_a_part_keeps_the_file_from_appearing(place):
    url = place.begin(size=10)
    plug = start_patch(url, 0, 10)
    plug.sendall(b"abc")
    wait_until(lambda: place.head(url).status_code == 423, what="the lock")
    place.door.do("role", project=place.id, user="contributor", role=None)
    plug.sendall(b"defghij")
    assert plug.recv(100).startswith(b"HTTP/1.1 403")
    assert not (place.root / "raw").exists()
    place.door.do("role", project=place.id, user="contributor", role="contributor")
    assert offset_of(place, url) == 10
    assert (place.root / "raw/movie.mrc").read_bytes() == b"abcdefghij"


def test_archived_project_takes_no_more_bytes(place):
    url = place.begin(size=10)
    place.door.do("archive", project=place.id)
    answer = place.patch(url, b"abcd")
    assert (answer.status_code, answer.json()["code"]) == (403, "project_archived")
    assert place.part(url).read_bytes() == b""


def test_cancel_in_the_middle_of_a_part_leaves_nothing(place):
    url = place.begin(size=10)
    plug = start_patch(url, 0, 10)
    plug.sendall(b"abc")
    wait_until(lambda: place.head(url).status_code == 423, what="the lock")
    place.door.do("cancel", user="contributor", upload=place.ids[url])
    plug.sendall(b"defghij")
    assert plug.recv(100).startswith(b"HTTP/1.1 410")
    assert [entry.name for entry in place.root.iterdir()] == [".portolan"]
    assert list((place.root / ".portolan/uploads").iterdir()) == []


CHANGES = {
    "last": lambda s: s[:-1] + ("A" if s[-1] != "A" else "B"),
    "short": lambda s: s[:-1],
    "long": lambda s: s + "A",
    "case": lambda s: s.swapcase(),
    "below": lambda s: s + "/x",
    "nul": lambda s: s + "%00",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_secret_is_404(place, change):
    url = place.begin()
    above, _, secret = url.rpartition("/")
    assert place.head(f"{above}/{change(secret)}").status_code == 404
    assert place.head(url).status_code == 200


def test_secret_is_not_in_the_database(place):
    url = place.begin()
    place.patch(url, b"abc")
    for file in place.door.home.glob("portolan.sqlite3*"):
        assert url.rpartition("/")[2].encode() not in file.read_bytes()


def test_viewer_and_stranger_can_neither_begin_nor_cancel(place):
    url = place.begin()
    for user, code in (("viewer", "role_too_weak"), ("stranger", "project_not_found")):
        with pytest.raises(Refused, match=code):
            place.begin(user=user, path="other.txt")
    for user, code in (("viewer", "role_too_weak"), ("stranger", "upload_not_found")):
        with pytest.raises(Refused, match=code):
            place.door.do("cancel", user=user, upload=place.ids[url])
    place.door.do("cancel", user="manager", upload=place.ids[url])


def test_storage_that_became_read_only_is_told_and_the_upload_goes_on_when_it_can_be_written(place):
    # Root is not stopped by modes, but by the file system's own flag.
    by_flag, by_mode = (["chattr", "+i"], ["chattr", "-i"]), (["chmod", "500"], ["chmod", "770"])
    flag = by_flag if os.geteuid() == 0 else by_mode
    url = place.begin(path="new/movie.mrc", size=4)
    place.patch(url, b"ab")
    subprocess.run([*flag[0], str(place.root)], check=True, timeout=10)
    try:
        answer = place.patch(url, b"cd", offset=2)
        assert (answer.status_code, answer.json()["code"]) == (403, "storage_refuses")
    finally:
        subprocess.run([*flag[1], str(place.root)], check=True, timeout=10)
    assert offset_of(place, url) == 4
    assert (place.root / "new/movie.mrc").read_bytes() == b"abcd"


def test_disk_that_is_really_full_takes_what_fits_and_goes_on_after_room_is_made(place):
    if os.geteuid() != 0:
        pytest.fail("mounting a small file system needs root; run this in a container")
    data = random.Random(8).randbytes(6 * 1024**2)
    url = place.begin(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    area = place.root / ".portolan"
    kept = [(path.name, path.read_bytes()) for path in (area / "uploads").iterdir()]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(area)], check=True, timeout=10)
    try:
        (area / "uploads").mkdir()
        for name, content in kept:
            (area / "uploads" / name).write_bytes(content)
        answer = place.patch(url, data)
        assert (answer.status_code, answer.json()["code"]) == (507, "disk_full")
        offset = offset_of(place, url)
        assert 3 * 1024**2 < offset < 4 * 1024**2 + 1
        assert place.part(url).read_bytes() == data[:offset]
        subprocess.run(["mount", "-o", "remount,size=16m", str(area)], check=True, timeout=10)
        assert place.patch(url, data[offset:-1], offset=offset).status_code == 204
        assert place.part(url).read_bytes() == data[:-1]
    finally:
        subprocess.run(["umount", str(area)], check=True, timeout=10)


def test_names_that_are_attacks_are_refused_before_the_first_byte(place):
    bearer = {"Authorization": f"Bearer {place.door.do('token', user='contributor', scopes=['data'])}"}
    names = [b"../../etc/passwd", b"a/../../b", b"a\x00b", b"x" * 300, b"\xff\xfe", b"/abs", b".portolan/x"]
    for name in names:
        pairs = (("project", place.id.encode()), ("path", name))
        words = ",".join(f"{key} {base64.b64encode(value).decode()}" for key, value in pairs)
        headers = {**TUS, **bearer, "Upload-Length": "3", "Upload-Metadata": words}
        answer = place.client.post(f"http://localhost:{place.door.port}/uploads/", headers=headers)
        assert answer.status_code == 400, name
    assert [entry.name for entry in place.root.iterdir()] in ([], [".portolan"])
