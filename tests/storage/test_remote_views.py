"""Pages of remote folders and of storage sites."""

import pytest

from common.errors import Unavailable
from storage.models import RemoteFolder, SiteKind, StorageSite
from storage.sites import rows
from tests.storage.sites.stand_in import StandIn, stand_in

WHERE = {"base_url": "https://archive.example.org:2880", "prefix": "/data/portolan"}


@pytest.fixture
def folder(project, owner, monkeypatch) -> RemoteFolder:
    monkeypatch.setitem(rows.ADAPTERS, SiteKind.WEBDAV, stand_in)
    words = {"settings": {"token_file": "/etc/token"}, "offered": True, "probe": {"ok": True}, **WHERE}
    site = StorageSite.objects.create(name="archive", kind="webdav", **words)
    return RemoteFolder.objects.create(project=project, site=site, label="Cold", attached_by=owner)


def test_files_show_the_way_to_a_remote_folder_and_it_is_browsed(folder, viewer, project, browser_of):
    browser = browser_of(viewer)
    assert "Cold" in browser.get(f"/projects/{project.pk}/").content.decode()
    page = browser.get(f"/projects/{project.pk}/remote/{folder.pk}/?path=raw").content.decode()
    assert "movie 2.mrc" in page
    assert "can’t be taken back before its end" in page


def test_a_credential_is_shown_once_with_its_commands_and_then_listed(folder, viewer, project, browser_of):
    browser, address = browser_of(viewer), f"/projects/{project.pk}/remote/{folder.pk}/"
    made = browser.post(address, {"path": "raw", "rights": ["list", "read"], "hours": "1", "label": "Grace"})
    page = made.content.decode()
    assert made.headers["Cache-Control"].startswith("max-age=0")
    assert f"{WHERE['base_url']}{WHERE['prefix']}/{project.pk}/data/raw/" in page
    assert "RCLONE_WEBDAV_BEARER_TOKEN=MDA" in page
    for listed in (address, f"/projects/{project.pk}/links/"):
        page = browser.get(listed).content.decode()
        assert "Grace" in page
        assert "MDA" not in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hours": "13"}, "at the latest"),
        ({"rights": ["overwrite"]}, "This needs the role"),
        ({"path": "../x"}, "not allowed"),
        ({"path": "nothing"}, "There is no"),
        ({"rights": []}, "Tick at least one"),
    ],
)
def test_what_is_wrong_is_told_in_the_form(folder, viewer, project, browser_of, change, words):
    sent = {"path": "raw", "rights": ["read"], "hours": "1"} | change
    answer = browser_of(viewer).post(f"/projects/{project.pk}/remote/{folder.pk}/", sent)
    assert answer.status_code == 400
    assert words in answer.content.decode()


def test_a_site_that_is_away_leaves_the_page_there(folder, viewer, project, browser_of, monkeypatch):
    def away(self, path, **more):
        raise Unavailable("The site does not answer.", hint="Try again later.")

    monkeypatch.setattr(StandIn, "page", away)
    answer = browser_of(viewer).get(f"/projects/{project.pk}/remote/{folder.pk}/")
    assert answer.status_code == 200
    assert "The site does not answer. Try again later." in answer.content.decode()


def test_an_owner_attaches_and_detaches_by_page(folder, owner, project, browser_of):
    browser, address = browser_of(owner), f"/projects/{project.pk}/remote/"
    assert "Detach" in browser.get(address).content.decode()
    browser.post(f"{address}{folder.pk}/detach/")
    assert not project.remote_folders.filter(detached_at=None).exists()
    assert "archive" in browser.get(address).content.decode()
    browser.post(f"{address}attach/", {"site": "archive", "label": "Again"})
    assert project.remote_folders.get(detached_at=None).label == "Again"


def test_an_operator_adds_a_store_and_is_told_what_is_wrong(operator, browser_of):
    browser = browser_of(operator)
    good = {"name": "tape", "kind": "webdav", "settings": '{"token_file": "/etc/token"}', **WHERE}
    for change, words in (
        ({"settings": "{"}, "no JSON"),
        ({"base_url": "http://tape.example.org"}, "https://"),
        ({"settings": '{"token_file": "eyJh"}'}, "absolute path"),
    ):
        answer = browser.post("/operator/storage/", good | change)
        assert answer.status_code == 400
        assert words in answer.content.decode()
    assert browser.post("/operator/storage/", good).status_code == 302
    page = browser.get("/operator/storage/tape/").content.decode()
    assert "Not probed since" in page
    assert browser.post("/operator/storage/tape/", good | {"offered": "on"}).status_code == 302
    assert StorageSite.objects.get(name="tape").offered
