"""What goes wrong between a source and a project ends in the same bytes, or is told."""

import hashlib
import os
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.utils import timezone

from common.errors import QuotaExceeded
from projects.models import AuditEvent, Membership
from storage.imports import lifecycle
from storage.imports.entry import Entry
from storage.models import FileSum, Folder, Import, ImportFile, ImportState
from storage.services import imports
from tests.storage.imports.conftest import until_rest
from tests.storage.imports.servers import PASSWORD, USER, line

pytestmark = pytest.mark.django_db
BIG = os.urandom(6_000_000)


class Scripted(BaseHTTPRequestHandler):
    """Answers as ``server.answers`` says: path -> (status, headers, body)."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
        status, headers, body = self.server.answers.get(self.path, (404, {}, b""))
        self.send_response(status)
        length = {} if "Transfer-Encoding" in headers else {"Content-Length": str(len(body))}
        for name, value in {**length, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def scripted():
    """A server of one's own wording; ``url`` has no slash at its end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    server.answers, server.asked, server.url = {}, [], f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def problems(run):
    return dict(run.items.exclude(code="").values_list("path", "code"))


@pytest.mark.slow
def test_cut_lines_end_in_the_same_bytes_and_no_byte_twice(bring, web, root):
    web.folder("cut", {"big.mrc": BIG})
    with line(web.url, cuts=[10**7, 900_000, 1_500_000, 1, 2_000_000]) as cut:
        run = bring(f"http://127.0.0.1:{cut.port}/cut/big.mrc")
    assert (run.state, run.done_files) == (ImportState.DONE, 1)
    assert (root / "in" / "big.mrc").read_bytes() == BIG
    assert cut.cuts == []
    # At each cut what was on the line is lost: less than half a mebibyte.
    assert cut.through < len(BIG) + 5 * 2**19
    assert FileSum.objects.get(path="in/big.mrc").sha256 == hashlib.sha256(BIG).hexdigest()


@pytest.mark.slow
def test_wrong_password_is_told_and_the_right_one_goes_on(bring, webdav, contributor, project, root):
    address = webdav.folder("locked", {"a.txt": b"a"})
    run = bring(address, kind="webdav", user=USER, password="wrong")
    assert (run.state, run.code, run.secret) == (ImportState.FAILED, "source_login", "")
    imports.start_import(contributor, project.pk, run.pk, Entry(addresses=[], user=USER, password=PASSWORD))
    run = until_rest(run)
    assert (run.state, run.secret) == (ImportState.DONE, "")
    assert (root / "in" / "a.txt").read_bytes() == b"a"


def test_password_is_nowhere_in_the_clear(contributor, project, settings):
    settings.IMPORT_INSIDE_HOSTS = frozenset()
    entry = Entry(addresses=["https://data.example.org/x/?sig=s3cret"], user="ada", password="hunter2")
    run = imports.make_import(
        contributor, project.pk, kind="http", entry=entry, target="in", conflict="skip", starts_itself=False
    )
    kept = " ".join(map(str, [*Import.objects.filter(pk=run.pk).values(), *AuditEvent.objects.values()]))
    assert "hunter2" not in kept
    assert "s3cret" not in kept
    imports.cancel_import(contributor, project.pk, run.pk)
    run.refresh_from_db()
    assert (run.secret, run.addresses) == ("", [""])


def test_file_that_changed_at_the_source_begins_again(bring, scripted, root, monkeypatch):
    old, new = b"old" * 1000, b"newer" * 1000
    scripted.answers["/a.txt"] = (200, {"ETag": '"1"', "Accept-Ranges": "bytes"}, old)
    run = bring(f"{scripted.url}/a.txt", turns=1)
    assert run.state == ImportState.RUNNING
    scripted.answers["/a.txt"] = (200, {"ETag": '"2"'}, new)
    run = until_rest(run)
    assert (run.state, run.done_size, run.size) == (ImportState.DONE, len(new), len(new))
    assert (root / "in" / "a.txt").read_bytes() == new


def test_part_of_an_older_file_is_not_gone_on_with(bring, scripted, root):
    scripted.answers["/a.txt"] = (200, {"ETag": '"1"', "Accept-Ranges": "bytes"}, b"0123456789")
    run = bring(f"{scripted.url}/a.txt", turns=1)
    item = run.items.get()
    part = root / ".portolan" / "imports" / str(run.pk) / f"{item.pk}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"XXXXX")
    ImportFile.objects.update(received=5)
    # The server has another file by now, so it answers with the whole of it.
    scripted.answers["/a.txt"] = (200, {"ETag": '"2"'}, b"abcdefghij")
    run = until_rest(run)
    assert (root / "in" / "a.txt").read_bytes() == b"abcdefghij"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("OC-Checksum", "SHA1:da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("Digest", "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        ("Repr-Digest", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),
        ("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
    ],
)
def test_file_that_is_not_what_the_source_says_is_refused(bring, scripted, root, monkeypatch, header, value):
    monkeypatch.setattr("storage.imports.moving.MOST_TRIES", 2)
    scripted.answers["/a.txt"] = (200, {header: value}, b"not nothing")
    run = bring(f"{scripted.url}/a.txt")
    assert problems(run) == {"in/a.txt": "checksum_mismatch"}
    assert (run.state, run.failed_files, run.reserved_size) == (ImportState.DONE, 1, 0)
    assert not (root / "in" / "a.txt").exists()


def test_import_that_does_not_fit_is_refused_before_its_first_byte(bring, scripted, contributor, project, root):
    scripted.answers["/a.txt"] = (200, {}, b"x" * 5000)
    Folder.objects.update(quota_bytes=4000)
    run = bring(f"{scripted.url}/a.txt")
    assert (run.state, run.code) == (ImportState.LISTED, "quota_exceeded")
    with pytest.raises(QuotaExceeded):
        imports.start_import(contributor, project.pk, run.pk)
    assert {command for command, _, _ in scripted.asked} == {"HEAD"}
    Folder.objects.update(quota_bytes=None)
    imports.start_import(contributor, project.pk, run.pk)
    assert until_rest(run).done_files == 1


def test_file_whose_size_nobody_told_stops_at_the_quota(bring, scripted, root):
    chunks = b"1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n"
    scripted.answers["/a.txt"] = (200, {"Transfer-Encoding": "chunked"}, chunks)
    Folder.objects.update(quota_bytes=4000)
    run = bring(f"{scripted.url}/a.txt")
    assert (run.state, run.code) == (ImportState.FAILED, "quota_exceeded")
    assert not (root / "in").exists() or not list((root / "in").iterdir())


def test_names_that_lead_out_or_cannot_be_stored_are_told_and_left(bring, scripted, root):
    links = "".join(f'<a href="{name}">x</a>' for name in ("a%00b.txt", "%2e%2e", "..%2fup.txt", "ok.txt", "/else.txt"))
    html = {"Content-Type": "text/html"}
    scripted.answers["/d/"] = (200, html, links.encode())
    scripted.answers["/d/ok.txt"] = (200, {}, b"ok")
    run = bring(f"{scripted.url}/d/")
    assert (root / "in" / "ok.txt").read_bytes() == b"ok"
    assert set(problems(run).values()) == {"bad_path"}
    assert (run.done_files, sorted(path.name for path in root.iterdir())) == (1, [".portolan", "in"])


def test_redirect_to_this_machine_is_refused(bring, scripted, settings):
    settings.IMPORT_INSIDE_HOSTS = frozenset({f"127.0.0.1:{scripted.server_port}"})
    scripted.answers["/a.txt"] = (302, {"Location": "http://127.0.0.1:9/secret"}, b"")
    scripted.answers["/b.txt"] = (302, {"Location": "http://localhost:9/secret"}, b"")
    for name in ("a.txt", "b.txt"):
        run = bring(f"{scripted.url}/{name}")
        assert (run.state, run.code) == (ImportState.FAILED, "import_host_refused")


def test_password_does_not_follow_a_redirect_to_another_server(bring, scripted, settings, root):
    settings.IMPORT_INSIDE_HOSTS = frozenset({"127.0.0.1", "localhost"})
    scripted.answers["/a.txt"] = (302, {"Location": f"http://localhost:{scripted.server_port}/b.txt"}, b"")
    scripted.answers["/b.txt"] = (200, {}, b"b")
    run = bring(f"{scripted.url}/a.txt", user="ada", password="hunter2")
    assert run.state == ImportState.DONE
    assert all(bool(secret) == (path == "/a.txt") for _, path, secret in scripted.asked)


def test_import_stops_when_its_maker_may_not_write_any_more(bring, scripted, contributor, project, root):
    scripted.answers["/a.txt"] = (200, {}, b"a")
    run = bring(f"{scripted.url}/a.txt", turns=1)
    Membership.objects.filter(user=contributor).update(role="viewer")
    run = until_rest(run)
    assert (run.state, run.code, run.reserved_size) == (ImportState.FAILED, "role_too_weak", 0)
    assert not (root / "in").exists()


def test_right_that_is_lost_stops_a_stream_in_the_middle(bring, contributor, project, root, web, monkeypatch):
    web.folder("middle", {"big.mrc": BIG})
    run = bring(f"{web.url}middle/big.mrc", turns=1)
    asked = []

    def lost(_):
        asked.append(1)
        Membership.objects.filter(user=contributor).delete()

    monkeypatch.setattr("storage.imports.moving.TICK_SECONDS", 0.0)
    monkeypatch.setattr("storage.imports.moving._keep", lost)
    run = until_rest(run)
    assert asked
    assert run.state == ImportState.FAILED


@pytest.mark.parametrize(
    ("conflict", "names"), [("skip", {"a.txt": b"mine"}), ("rename", {"a.txt": b"mine", "a (2).txt": b"theirs"}),
                            ("replace", {"a.txt": b"theirs"})],
)  # fmt: skip
def test_taken_name_is_left_kept_beside_or_replaced(bring, scripted, root, conflict, names):
    (root / "in").mkdir()
    (root / "in" / "a.txt").write_bytes(b"mine")
    scripted.answers["/a.txt"] = (200, {}, b"theirs")
    run = bring(f"{scripted.url}/a.txt", conflict=conflict)
    assert {path.name: path.read_bytes() for path in (root / "in").iterdir()} == names
    assert (run.state, run.left_out) == (ImportState.DONE, int(conflict == "skip"))


def test_pause_keeps_what_came_and_cancel_gives_it_up(bring, scripted, contributor, project, root):
    scripted.answers["/a.txt"] = (200, {}, b"a" * 100)
    run = bring(f"{scripted.url}/a.txt", turns=1)
    imports.pause_import(contributor, project.pk, run.pk)
    assert until_rest(run).state == ImportState.PAUSED
    imports.cancel_import(contributor, project.pk, run.pk)
    run.refresh_from_db()
    assert (run.state, run.reserved_size, run.reserved_files) == (ImportState.CANCELLED, 0, 0)
    assert not (root / ".portolan" / "imports" / str(run.pk)).exists()


def test_source_that_does_not_answer_is_asked_again_and_given_up_in_the_end(bring):
    run = bring("http://127.0.0.1:9/x/")
    assert (run.state, run.code, run.tries) == (ImportState.FAILED, "source_unreachable", lifecycle.MOST_FAILURES - 1)


def test_import_that_waits_for_its_source_keeps_no_other_from_its_turn(bring):
    run = bring("http://127.0.0.1:9/x/", turns=1)
    assert (run.state, run.tries) == (ImportState.LISTING, 1)
    assert run.turn_at > timezone.now()
    assert not lifecycle.is_tended()
    Import.objects.update(turn_at=timezone.now())
    assert lifecycle.is_tended()


def test_import_that_rested_for_too_long_has_ended(bring, scripted, settings):
    scripted.answers["/a.txt"] = (200, {}, b"a" * 100)
    run = bring(f"{scripted.url}/a.txt", turns=1)
    Import.objects.update(state=ImportState.PAUSED, turn_at=timezone.now() - timedelta(days=13))
    assert lifecycle.end_idle() == 0
    Import.objects.update(turn_at=timezone.now() - timedelta(days=15))
    assert lifecycle.end_idle() == 1
    run.refresh_from_db()
    assert (run.state, run.reserved_size) == (ImportState.CANCELLED, 0)


def test_rename_that_a_killed_worker_did_not_tell_is_seen(bring, scripted, root, monkeypatch):
    scripted.answers["/a.txt"] = (200, {}, b"a")
    run = bring(f"{scripted.url}/a.txt", turns=1)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("storage.imports.placing._note_done", killed)
        with pytest.raises(KeyboardInterrupt):
            until_rest(run)
    assert (root / "in" / "a.txt").read_bytes() == b"a"
    run = until_rest(run)
    assert (run.state, run.done_files, run.left_out) == (ImportState.DONE, 1, 0)
