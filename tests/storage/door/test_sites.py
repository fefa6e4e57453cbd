"""What every kind of storage site must do, tried on the real ones: our own door, XRootD with macaroons, and S3.

XRootD is tried in both ways of getting macaroons. What a credential opens is asked by plain HTTP, as its holder would.
"""

import os
import shutil
import ssl
import subprocess
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from django.utils import timezone

from common.errors import NotFound, UserError
from storage.links.rights import Right
from storage.models import Folder, RemoteFolder, RemoteLink, SiteKind, StorageSite, TransferLink
from storage.services.remote_commands import commands_for
from storage.sites.base import Address, Ask, Issued, SiteAdapter
from storage.sites.posix import PosixAdapter
from storage.sites.probing import probe
from storage.sites.rows import adapter_of
from tests.live import wait_until

pytestmark = pytest.mark.slow
REFUSED = (400, 401, 403, 404, 405, 409, 410, 501)
SECRET = b"another project's data"
KINDS = ("posix", "xrootd by secret", "xrootd by certificate", "s3")
LIMITS = ["files", "above"]


@dataclass
class Tried:
    """A project's folder on a site, beside another's; ``root`` is the folder on disk."""

    kind: str
    adapter: SiteAdapter
    root: Path
    client: httpx.Client
    place: object = None
    served: object = None
    made: list = field(default_factory=list)

    def write(self, path: str, data: bytes, *, root: Path | None = None) -> Path:
        """A file is there, as the site's own writers leave it."""
        file = (root or self.root) / path
        if self.kind == "s3":  # it remembers what is in a folder, so that writers go through it
            store = self.adapter.store
            store.client().put_object(Bucket=store.bucket, Key=str(file.relative_to(self.served.root)), Body=data)
            return file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        if "xrootd" in self.kind:
            shutil.chown(file, "xrootd", "xrootd")
            for above in file.parents:
                if above == self.served.root:
                    break
                shutil.chown(above, "xrootd", "xrootd")
        return file

    def issue(self, path: str, *rights: Right, is_file: bool = False, seconds: int = 3600) -> "Holder":
        """A credential as its holder has it."""
        if self.kind == "posix":
            words = {"path": path, "rights": [right.value for right in rights]}
            made = self.place.door.do("link", user="contributor", project=self.place.id, **words)
            self.made.append(made["id"])
            issued = Issued(addresses=[Address(url=made["url"])], token=made["token"])
        else:
            ends_at = timezone.now() + timedelta(seconds=seconds)
            issued = self.adapter.issue(Ask(path=path, is_file=is_file, rights=frozenset(rights), ends_at=ends_at))
        return Holder(client=self.client, issued=issued, path=path)

    def end(self) -> None:
        """What our own door issued has ended; at other sites nothing can do that but time."""
        for link in self.made:
            self.place.door.do("end_link", link=link)


@dataclass
class Holder:
    """Who has a credential and asks the site with it."""

    client: httpx.Client
    issued: Issued
    path: str

    def do(self, method: str, below: str = "", content: bytes | None = None, headers=None) -> httpx.Response:
        """The site's answer; ``below`` is a path under what was opened, and is sent as it is."""
        fit = [one for one in self.issued.addresses if one.method in ("", method)] or self.issued.addresses
        parts = urlsplit(fit[0].url)
        raw = parts.path + below + (f"?{parts.query}" if parts.query else "")
        known = {"Authorization": f"Bearer {self.issued.token}"} if self.issued.token else {}
        sent = self.client.build_request(
            method, fit[0].url, content=content, headers=known | (headers or {}), extensions={"target": raw.encode()}
        )
        return answer_to(self.client, sent)


def answer_to(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """The site's answer, asked for again where the site had let go of the kept connection."""
    try:
        return client.send(request)
    except httpx.RemoteProtocolError:
        return client.send(request)


@pytest.fixture(params=KINDS)
def site(request, tmp_path):
    """Each kind of site, with a project's folder on it."""
    kind, project = request.param, str(uuid.uuid4())
    verify: ssl.SSLContext | bool = True
    if kind == "posix":
        place = request.getfixturevalue("place")
        folder = Folder(site=StorageSite(root=str(place.root.parent)), project_id=place.id)
        made = Tried(
            kind=kind,
            adapter=PosixAdapter(folder=folder, link=TransferLink()),
            root=place.root,
            place=place,
            client=None,
        )
    elif kind == "s3":
        server = request.getfixturevalue("s3_server")
        row = StorageSite(kind=SiteKind.S3, base_url=server.url, prefix="portolan", settings=server.settings())
        root = server.root / "portolan" / project / "data"
        made = Tried(kind=kind, adapter=_adapter(row, project), root=root, served=server, client=None)
    else:
        server = request.getfixturevalue("xrootd_doors")
        settings = server.by_secret() if "secret" in kind else server.by_certificate()
        words = {"base_url": server.urls["data"], "prefix": "/store/portolan", "settings": settings}
        row = StorageSite(kind=SiteKind.WEBDAV, probe={"ok": True, "limits": LIMITS}, **words)
        root, verify = server.root / "portolan" / project / "data", ssl.create_default_context(cafile=server.ca_file)
        made = Tried(kind=kind, adapter=_adapter(row, project), root=root, served=server, client=None)
    with httpx.Client(verify=verify, timeout=60) as client:
        made.client = client
        yield made


def _adapter(row: StorageSite, project: str) -> SiteAdapter:
    return adapter_of(RemoteFolder(site=row, project_id=project))


def opened(site: Tried) -> tuple[str, bool]:
    """What is opened in these tests: a folder, or the one file where a site opens files only."""
    return ("raw/a b ü.mrc", True) if site.kind == "s3" else ("raw", False)


def below(site: Tried, name: str = "a b ü.mrc") -> str:
    """The path of a file below what is opened."""
    return "" if site.kind == "s3" else name.replace(" ", "%20").replace("ü", "%C3%BC")


def test_it_lists_and_tells_of_one_name(site):
    site.adapter.make()
    site.write("raw/movie 2.mrc", b"12")
    site.write("raw/movie 10.mrc", b"1234567890")
    site.write("notes ü.txt", b"123")
    top = site.adapter.page("")
    assert [(one.name, one.kind, one.size) for one in top.entries if one.kind == "folder"] == [("raw", "folder", 0)]
    assert [(one.path, one.size) for one in top.entries if one.kind == "file"] == [("notes ü.txt", 3)]
    first = site.adapter.page("raw", limit=1)
    rest = site.adapter.page("raw", limit=5, cursor=first.next_cursor)
    assert {one.path: one.size for one in (*first.entries, *rest.entries)} == {
        "raw/movie 2.mrc": 2,
        "raw/movie 10.mrc": 10,
    }
    assert not rest.next_cursor
    found = site.adapter.stat("raw/movie 10.mrc")
    assert (found.kind, found.size, found.name) == ("file", 10, "movie 10.mrc")
    assert site.adapter.stat("raw").kind == "folder"
    for call in (site.adapter.page, site.adapter.stat):
        with pytest.raises(NotFound):
            call("nothing")


def test_a_reader_reads_and_does_nothing_else(site):
    file = site.write("raw/a b ü.mrc", b"a movie")
    path, is_file = opened(site)
    holder = site.issue(path, Right.READ, is_file=is_file)
    answer = holder.do("GET", below(site))
    assert (answer.status_code, answer.content) == (200, b"a movie")
    assert holder.do("GET", below(site), headers={"Range": "bytes=2-4"}).content == b"mov"
    for method, content in (("PUT", b"x"), ("DELETE", None), ("MKCOL", None), ("MOVE", None)):
        assert holder.do(method, below(site), content).status_code in REFUSED, method
    assert holder.do("PUT", below(site, "new.mrc"), b"x").status_code in REFUSED
    assert file.read_bytes() == b"a movie"
    assert not (file.parent / "new.mrc").exists()


def test_a_writer_adds_and_does_not_read(site):
    path, is_file = opened(site)
    rights = [Right.WRITE_NEW, Right.OVERWRITE] if site.kind == "s3" else [Right.WRITE_NEW]
    there = site.write("raw/there.mrc", b"it was there")
    holder = site.issue(path, *rights, is_file=is_file)
    assert holder.do("PUT", below(site), b"sent").status_code in (200, 201, 204)
    assert (site.root / "raw" / "a b ü.mrc").read_bytes() == b"sent"
    for method in ("GET", "DELETE"):
        assert holder.do(method, below(site)).status_code in REFUSED, method
    if site.kind != "s3":
        assert holder.do("PUT", below(site, "there.mrc"), b"another").status_code in (*REFUSED, 412)
    assert there.read_bytes() == b"it was there"


def test_it_opens_no_other_path(site):
    site.write("raw/a b ü.mrc", b"a movie")
    site.write("raw2/secret", SECRET)
    other = site.root.parent.parent if site.kind != "posix" else site.root.parent
    elsewhere = other / str(uuid.uuid4()) / "data"
    site.write("secret", SECRET, root=elsewhere)
    path, is_file = opened(site)
    rights = [Right.READ] if site.kind == "s3" else [Right.LIST, Right.READ, Right.WRITE_NEW]
    if "xrootd" in site.kind:
        rights.remove(Right.LIST)  # refused there: see the limits
    holder = site.issue(path, *rights, is_file=is_file)
    up = "../" * (3 if "/" in path else 2)
    names = [
        "../raw2/secret", "%2e%2e/raw2/secret", "..%2fraw2%2fsecret", "./../raw2/secret", "//../raw2/secret",
        f"{up}{elsewhere.parent.name}/data/secret", f"..%2f{up}{elsewhere.parent.name}%2fdata%2fsecret",
    ]  # fmt: skip
    for name in names:
        assert holder.do("GET", below(site)).status_code == 200
        answer = holder.do("GET", name)
        assert SECRET not in answer.content, name
        if site.kind != "s3":  # there a longer path is another key, which the signature does not fit either
            assert holder.do("PUT", name.replace("secret", "new"), b"x").status_code in (*REFUSED, 412), name
        assert answer.status_code in REFUSED, name
    for moved in (elsewhere / "secret", site.root / "raw2" / "secret"):
        swapped = _swapped(site, holder, moved)
        known = {"Authorization": f"Bearer {holder.issued.token}"} if holder.issued.token else {}
        answer = answer_to(site.client, site.client.build_request("GET", swapped, headers=known))
        assert answer.status_code in REFUSED
        assert SECRET not in answer.content
    assert not [above for above, _, names in os.walk(other) if "new" in names]


def _swapped(site: Tried, holder: Holder, file: Path) -> str:
    """The address with the path of another file instead."""
    url = holder.issued.addresses[0].url
    if site.kind == "posix":
        return url.rstrip("/") + "/../" + file.name
    path = urlsplit(url).path
    served = site.served.root.parent
    return url.replace(path, f"/{file.relative_to(served)}", 1)


def test_it_ends(site):
    site.write("raw/a b ü.mrc", b"a movie")
    path, is_file = opened(site)
    holder = site.issue(path, Right.READ, is_file=is_file, seconds=2)
    site.end()
    wait_until(lambda: holder.do("GET", below(site)).status_code in REFUSED, what="the end of the credential")


def test_what_a_site_cannot_confine_is_not_issued(site):
    ends_at = timezone.now() + timedelta(hours=1)
    asks = {
        "xrootd": [("raw/a.mrc", True, {Right.READ}), ("raw", False, {Right.LIST}), ("", False, {Right.OVERWRITE})],
        "s3": [("raw", False, {Right.READ}), ("a", True, {Right.LIST}), ("a", True, {Right.WRITE_NEW})],
    }
    for path, is_file, rights in asks.get(site.kind.partition(" ")[0], ()):
        with pytest.raises(UserError) as refused:
            site.adapter.issue(Ask(path=path, is_file=is_file, rights=frozenset(rights), ends_at=ends_at))
        assert refused.value.code == "bad_rights"
        assert refused.value.hint


# --- probes


@pytest.mark.parametrize("way", ["by_secret", "by_certificate"])
def test_a_probe_finds_xrootd_right_and_says_what_it_cannot_confine(xrootd_doors, way):
    row = _xrootd(xrootd_doors, "data", getattr(xrootd_doors, way)())
    found = probe(row)
    assert found.ok, found
    assert found.limits == set(LIMITS)
    assert not list((xrootd_doors.root / "portolan").glob(".portolan-probe-*"))


def test_a_probe_finds_that_macaroons_with_a_name_open_all_that_the_name_may(xrootd_doors):
    found = probe(_xrootd(xrootd_doors, "careless", xrootd_doors.careless()))
    assert not found.ok
    wrong = {one.title: one for one in found.found if not one.ok}
    assert {"Path", "Rights"} <= set(wrong)
    assert "handed out" in wrong["Path"].hint


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"secret_file": "/nowhere/secret"}, "Door"),
        ({"ca_file": "/etc/hostname"}, "Settings"),
        ({"site_name": "ANOTHER"}, "Writing"),
    ],
)
def test_a_probe_says_in_words_what_is_wrong_with_a_door(xrootd_doors, change, title):
    found = probe(_xrootd(xrootd_doors, "data", xrootd_doors.by_secret() | change))
    assert not found.ok
    assert found.found[-1].title == title
    assert found.found[-1].hint


def _xrootd(doors, door: str, settings: dict) -> StorageSite:
    return StorageSite(
        kind=SiteKind.WEBDAV, base_url=doors.urls[door], prefix="/store/portolan", settings=settings
    )  # fmt: skip


def test_a_probe_finds_s3_right_and_a_wrong_key_or_bucket(s3_server):
    words = {"kind": SiteKind.S3, "base_url": s3_server.url, "prefix": "portolan"}
    assert probe(StorageSite(settings=s3_server.settings(), **words)).ok
    for change in ({"access_key": "another"}, {"bucket": "nowhere"}):
        found = probe(StorageSite(settings=s3_server.settings() | change, **words))
        assert not found.ok
        assert found.found[-1].hint
    silent = probe(StorageSite(settings=s3_server.settings(), **words | {"base_url": "http://127.0.0.1:9"}))
    assert silent.found[-1].words == "The site does not answer."


# --- the printed commands


def test_the_printed_commands_work_at_xrootd(xrootd_doors, tmp_path):
    project = str(uuid.uuid4())
    folder = RemoteFolder(site=_xrootd(xrootd_doors, "data", xrootd_doors.by_secret()), project_id=project)
    adapter = adapter_of(folder)
    adapter.make()
    everything = [right.value for right in Right]
    link = RemoteLink(folder=folder, rights=everything)
    ask = Ask(path="", is_file=False, rights=frozenset(Right), ends_at=timezone.now() + timedelta(hours=1))
    commands = {one.name: one.text for one in commands_for(link, adapter.issue(ask))}
    (tmp_path / "my-data" / "in it").mkdir(parents=True)
    (tmp_path / "my-data" / "in it" / "ü 1.mrc").write_bytes(b"one")
    (tmp_path / "movie.mrc").write_bytes(b"a movie")
    for name in ("rclone_up", "curl_up"):
        _run(commands[name], tmp_path, xrootd_doors)
    root = xrootd_doors.root / "portolan" / project / "data"
    assert (root / "in it" / "ü 1.mrc").read_bytes() == b"one"
    assert (root / "movie.mrc").read_bytes() == b"a movie"
    shutil.rmtree(tmp_path / "my-data")
    (tmp_path / "movie.mrc").unlink()
    assert "movie.mrc" in _run(commands["davix_list"], tmp_path, xrootd_doors)
    for name in ("curl_down", "rclone_down"):
        _run(commands[name], tmp_path, xrootd_doors)
    assert (tmp_path / "movie.mrc").read_bytes() == b"a movie"
    assert (tmp_path / "my-data" / "in it" / "ü 1.mrc").read_bytes() == b"one"
    (tmp_path / "movie.mrc").unlink()
    _run(commands["davix_down"], tmp_path, xrootd_doors)
    assert (tmp_path / "movie.mrc").read_bytes() == b"a movie"
    _run(commands["curl_delete"], tmp_path, xrootd_doors)
    assert not (root / "movie.mrc").exists()


def test_the_printed_commands_work_at_s3(s3_server, tmp_path):
    row = StorageSite(kind=SiteKind.S3, base_url=s3_server.url, prefix="portolan", settings=s3_server.settings())
    folder, path = RemoteFolder(site=row, project_id=uuid.uuid4()), "raw/it's a ü.mrc"
    rights = [Right.READ, Right.WRITE_NEW, Right.OVERWRITE, Right.DELETE]
    link = RemoteLink(folder=folder, path=path, is_file=True, rights=[right.value for right in rights])
    ask = Ask(path=path, is_file=True, rights=frozenset(rights), ends_at=timezone.now() + timedelta(hours=1))
    commands = {one.name: one.text for one in commands_for(link, adapter_of(folder).issue(ask))}
    (tmp_path / "movie.mrc").write_bytes(b"a movie")
    _run(commands["curl_put"], tmp_path)
    _run(commands["curl_get"], tmp_path)
    assert (tmp_path / "it's a ü.mrc").read_bytes() == b"a movie"
    _run(commands["curl_delete"], tmp_path)
    with pytest.raises(NotFound):
        adapter_of(folder).stat(path)


def _run(text: str, folder: Path, doors=None) -> str:
    """What the block prints, typed into a shell in ``folder``; the site's authority is known to the machine."""
    known = {}
    if doors is not None:
        known = {"CURL_CA_BUNDLE": doors.ca_file, "SSL_CERT_FILE": doors.ca_file}
        known["X509_CERT_DIR"] = str(doors.home / "certs")
    done = subprocess.run(
        ["bash", "-c", text], cwd=folder, env=os.environ | known, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return unquote(done.stdout)
