"""Pages of imports."""

import pytest
from django.urls import reverse

from storage.models import Import, ImportFile, ImportState
from storage.services.folders import folder_of

pytestmark = pytest.mark.django_db
ASKED = {"kind": "http", "addresses": "https://data.example.org/set/", "target": "raw", "conflict": "skip"}


def at(project, name, *more):
    return reverse(f"storage:{name}", args=[project.pk, *more])


@pytest.fixture
def listed(project, contributor):
    run = Import.objects.create(
        folder=folder_of(project), created_by=contributor, kind="http", source="https://data.example.org/set/",
        addresses=["https://data.example.org/set/"], target="raw", state=ImportState.LISTED, files=2, size=3000,
        failed_files=1,
    )  # fmt: skip
    ImportFile.objects.create(run=run, path="raw/a.mrc", size=3000)
    ImportFile.objects.create(run=run, path="..", state="failed", code="bad_path", problem="“..” is not allowed.")
    return run


def test_contributor_asks_for_an_import_and_a_viewer_only_looks(browser_of, project, contributor, viewer, stranger):
    assert browser_of(stranger).get(at(project, "imports")).status_code == 404
    assert "Look what would come" not in browser_of(viewer).get(at(project, "imports")).text
    assert browser_of(viewer).post(at(project, "imports"), ASKED).status_code == 403
    answer = browser_of(contributor).post(at(project, "imports"), ASKED, follow=True)
    assert "Looking at the source" in answer.text
    assert Import.objects.get().starts_itself is False
    assert "data.example.org/set/" in browser_of(viewer).get(at(project, "imports")).text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"addresses": "ftp://x/"}, "https:// or http://"),
        ({"addresses": "https://u:p@data.example.org/"}, "belong in the address"),
        ({"addresses": "http://data.example.org/", "password": "x"}, "only sent over https"),
        ({"target": "../x"}, "is not allowed in a path"),
        ({"addresses": ""}, "Give the address"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field(browser_of, project, contributor, change, words):
    answer = browser_of(contributor).post(at(project, "imports"), ASKED | change)
    assert answer.status_code == 400
    assert words in answer.text
    assert not Import.objects.exists()


def test_what_would_come_is_shown_and_started(browser_of, project, contributor, listed):
    browser = browser_of(contributor)
    text = browser.get(at(project, "import", listed.pk)).text
    assert "1 file, 3.0 kB" in text
    assert "There is room for it." in text
    assert "is not allowed" in text
    browser.post(at(project, "import_act", listed.pk), {"do": "start"})
    assert "Bringing files" in browser.get(at(project, "import_live", listed.pk)).text
    browser.post(at(project, "import_act", listed.pk), {"do": "pause"})
    assert "Go on" in browser.get(at(project, "import", listed.pk)).text
    browser.post(at(project, "import_act", listed.pk), {"do": "cancel"})
    assert "Cancelled" in browser.get(at(project, "import", listed.pk)).text


def test_import_that_does_not_fit_cannot_be_started(browser_of, project, contributor, listed):
    folder_of(project).site.__class__.objects.update(default_quota_bytes=1000)
    browser = browser_of(contributor)
    assert "the project has" in browser.get(at(project, "import", listed.pk)).text
    answer = browser.post(at(project, "import_act", listed.pk), {"do": "start"}, follow=True)
    assert "Ready to start" in answer.text


def test_viewer_cannot_start_it_and_a_manager_can(browser_of, project, viewer, manager, listed):
    assert browser_of(viewer).post(at(project, "import_act", listed.pk), {"do": "start"}).status_code == 403
    browser_of(manager).post(at(project, "import_act", listed.pk), {"do": "start"})
    listed.refresh_from_db()
    assert listed.state == ImportState.RUNNING
