import re

import pytest
from django.urls import reverse

from storage.models import Folder, LinkAccess, TransferLink
from storage.services import links


def url(name, project, *more):
    return reverse(f"storage:{name}", args=[project.pk, *more])


@pytest.fixture
def made(contributor, project):
    return links.create_link(
        contributor, project.pk, path="raw", rights=["list", "write-new"], expires_in=86400, expected_bytes=2_000_000
    )


def test_a_link_is_made_and_its_secret_is_shown_once(browser_of, contributor, project):
    client = browser_of(contributor)
    words = {
        "path": "raw",
        "rights": ["list", "read", "write-new"],
        "days": 7,
        "label": "Krios",
        "networks": "192.0.2.0/24",
    }
    page = client.post(url("links", project), words)
    assert page.status_code == 200
    link = TransferLink.objects.get()
    assert (link.path, link.networks) == ("raw", ["192.0.2.0/24"])
    token = re.search(r'id="link-token" readonly value="([^"]+)"', page.content.decode()).group(1)
    text = page.content.decode()
    assert "rclone" in text
    assert "data:image/svg+xml" in text
    assert page.headers["Cache-Control"].startswith("max-age=0") or "no-store" in page.headers["Cache-Control"]
    for again in (url("links", project), url("link", project, link.pk)):
        assert token not in client.get(again).content.decode()


def test_what_is_refused_is_said_beside_the_field(browser_of, contributor, project):
    client = browser_of(contributor)
    for words, said in (
        ({"path": "../x", "rights": ["read"], "days": 7}, "is not allowed in a path"),
        ({"path": "gone", "rights": ["read"], "days": 7}, "There is no"),
        ({"path": "", "rights": [], "days": 7}, "Tick at least one"),
        ({"path": "", "rights": ["read"], "days": 7, "networks": "the lab"}, "appear to be an IPv4 or IPv6"),
    ):
        page = client.post(url("links", project), words)
        assert page.status_code == 400
        assert said in page.content.decode()
    Folder.objects.update(quota_bytes=1000)
    page = client.post(url("links", project), {"rights": ["write-new"], "days": 7, "expected_gigabytes": "5"})
    assert "but the project has" in page.content.decode()
    assert not TransferLink.objects.exists()


def test_a_viewer_can_tick_only_what_a_viewer_may(browser_of, viewer, project):
    page = browser_of(viewer).get(url("links", project)).content.decode()
    assert re.search(r'value="delete"\s+disabled', page)
    assert not re.search(r'value="read"[^>]*disabled', page)


def test_the_issuer_sees_the_log_and_others_do_not(browser_of, contributor, viewer, manager, stranger, project, made):
    LinkAccess.objects.create(link=made.link, address="192.0.2.9", operation="read", path="a", outcome="ok")
    page = url("link", project, made.link.pk)
    for person, sees in ((contributor, True), (manager, True), (viewer, False)):
        assert ("192.0.2.9" in browser_of(person).get(page).content.decode()) == sees
    assert browser_of(stranger).get(page).status_code == 404


def test_the_counters_tell_speed_and_time_left(browser_of, contributor, project, made):
    TransferLink.objects.update(bytes_in=1_000_000, files_in=3)
    live = url("link_live", project, made.link.pk)
    first = browser_of(contributor).get(live).content.decode()
    assert "3 files" in first
    assert "nothing moves" in first
    again = browser_of(contributor).get(f"{live}?was=0&at={made.link.created_at.timestamp() - 10:.3f}").content.decode()
    assert "/s" in again
    assert "left" in again
    assert browser_of(contributor).get(f"{live}?was=x&at=1e400").status_code == 200


def test_revoking_is_one_click_for_those_who_may(browser_of, contributor, viewer, project, made):
    revoke = url("link_revoke", project, made.link.pk)
    assert browser_of(viewer).post(revoke).status_code == 403
    assert browser_of(contributor).get(revoke).status_code == 405
    assert browser_of(contributor).post(revoke).status_code == 302
    made.link.refresh_from_db()
    assert not made.link.live
    assert "Revoked" in browser_of(contributor).get(url("links", project)).content.decode()


def test_the_way_in_for_large_data_leads_to_a_fitting_form(browser_of, contributor, viewer, project):
    client = browser_of(contributor)
    page = client.get(url("send", project)).content.decode()
    assert page.count("?source=") == 3
    form = client.get(url("links", project) + "?source=microscope&path=raw").content.decode()
    assert re.search(r'value="write-new"\s+checked', form)
    assert not re.search(r'value="read"\s+checked', form)
    assert browser_of(viewer).get(url("send", project)).status_code == 403
