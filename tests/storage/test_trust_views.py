"""Pages about room, checks, manifests and datasets."""

import hashlib

import pytest
from django.urls import reverse

from storage import checks
from storage.models import Check, Dataset, Folder

pytestmark = pytest.mark.django_db


@pytest.fixture
def filled(project, root):
    (root / "grid 7").mkdir()
    (root / "grid 7" / "a.mrc").write_bytes(b"0123456789")
    return project


def at(project, name, *more):
    return reverse(f"storage:{name}", args=[project.pk, *more])


def test_page_is_hidden_from_a_stranger_and_open_to_a_viewer(browser_of, filled, viewer, stranger):
    assert browser_of(stranger).get(at(filled, "trust")).status_code == 404
    assert "None yet" in browser_of(viewer).get(at(filled, "trust")).text


def test_folder_is_marked_complete_shown_and_unlocked(browser_of, filled, contributor, manager, viewer):
    browser_of(contributor).post(at(filled, "complete"), {"path": "grid 7"})
    assert "manifest is being made" in browser_of(viewer).get(at(filled, "trust")).text
    checks.run_slice(Check.objects.get())
    assert "was marked complete" in browser_of(viewer).get(at(filled, "files"), {"path": "grid 7"}).text
    told = browser_of(viewer).get(at(filled, "manifest"), {"path": "grid 7"})
    assert told.text == f"{hashlib.sha256(b'0123456789').hexdigest()}  a.mrc\n"
    assert "attachment" in told.headers["Content-Disposition"]
    dataset = Dataset.objects.get()
    assert (
        browser_of(contributor).post(at(filled, "unlock", dataset.pk), {"reason": "x"}, follow=True).status_code == 403
    )
    browser_of(manager).post(at(filled, "unlock", dataset.pk), {"reason": "A movie is missing"})
    assert "A movie is missing" in browser_of(viewer).get(at(filled, "trust")).text


def test_details_tell_the_checksum_once_it_is_known(browser_of, filled, viewer):
    browser, asked = browser_of(viewer), {"path": "grid 7", "look": "grid 7/a.mrc"}
    assert "not known" in browser.get(at(filled, "files"), asked).text
    browser.post(at(filled, "check"), {"path": "grid 7/a.mrc"})
    checks.run_slice(Check.objects.get())
    assert hashlib.sha256(b"0123456789").hexdigest() in browser.get(at(filled, "files"), asked).text


def test_files_page_warns_when_room_is_short(browser_of, filled, viewer):
    Folder.objects.update(quota_bytes=1000, used_bytes=900)
    assert "90 % full" in browser_of(viewer).get(at(filled, "files")).text
