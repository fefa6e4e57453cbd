"""Pages of a project's folder."""

import io
import zipfile

import pytest
from django.urls import reverse

from projects.models import Project
from storage.models import Folder, FolderState, TrashItem

pytestmark = pytest.mark.django_db


def at(project, name="files"):
    return reverse(f"storage:{name}", args=[project.pk])


@pytest.fixture
def filled(project, root):
    (root / "raw").mkdir()
    (root / "raw" / "half1.mrc").write_bytes(b"0123456789")
    (root / "notes.txt").write_text("good ice")
    return project


@pytest.mark.parametrize("name", ["project", "files", "trash", "look", "pick"])
def test_a_folder_is_hidden_from_a_stranger_and_open_to_a_viewer(browser_of, filled, viewer, stranger, name):
    assert browser_of(stranger).get(at(filled, name)).status_code == 404
    assert browser_of(viewer).get(at(filled, name)).status_code == 200


def test_a_folder_shows_what_is_in_it(browser_of, filled, viewer):
    page = browser_of(viewer).get(at(filled), {"path": "raw"})
    assert "half1.mrc" in page.text
    assert "notes.txt" not in page.text


def test_a_path_that_leaves_the_folder_is_refused_with_a_page(browser_of, filled, viewer):
    assert browser_of(viewer).get(at(filled), {"path": "../other"}).status_code == 400


def test_a_folder_is_made_and_a_file_moved_into_it(browser_of, filled, contributor, root):
    browser = browser_of(contributor)
    browser.post(at(filled, "make_folder"), {"path": "raw", "name": "old"})
    browser.post(at(filled, "move"), {"source": "raw/half1.mrc", "target": "raw/old/half1.mrc", "path": "raw"})
    assert (root / "raw" / "old" / "half1.mrc").read_bytes() == b"0123456789"


def test_a_taken_name_is_told_on_the_page_it_was_typed_on(browser_of, filled, contributor):
    came_from = {"HTTP_REFERER": f"http://testserver{at(filled)}?path=raw"}
    page = browser_of(contributor).post(
        at(filled, "move"), {"source": "notes.txt", "target": "raw/half1.mrc"}, follow=True, **came_from
    )
    assert page.redirect_chain == [(f"{at(filled)}?path=raw", 303)]
    assert "note error" in page.text


def test_deleting_asks_first_and_can_be_undone(browser_of, filled, contributor, root):
    browser = browser_of(contributor)
    asked = browser.post(at(filled, "change"), {"paths": ["notes.txt"], "do": "delete", "path": ""})
    assert "Delete 1 item?" in asked.text
    assert (root / "notes.txt").exists()
    page = browser.post(at(filled, "delete"), {"paths": ["notes.txt"], "path": ""}, follow=True)
    assert not (root / "notes.txt").exists()
    assert "Undo" in page.text
    browser.post(at(filled, "undelete"), {"items": [str(TrashItem.objects.get().pk)]})
    assert (root / "notes.txt").read_text() == "good ice"


def test_a_viewer_cannot_change_files(browser_of, filled, viewer, root):
    browser = browser_of(viewer)
    for name, typed in [
        ("make_folder", {"name": "x"}),
        ("move", {"source": "notes.txt", "target": "n"}),
        ("delete", {"paths": ["notes.txt"]}),
        ("change", {"paths": ["notes.txt"], "do": "delete"}),
    ]:
        assert browser.post(at(filled, name), typed).status_code == 403
    assert sorted(path.name for path in root.iterdir() if path.name != ".portolan") == ["notes.txt", "raw"]


def test_a_file_is_downloaded_whole_or_in_part(browser_of, filled, viewer):
    browser = browser_of(viewer)
    whole = browser.get(at(filled, "download"), {"path": "raw/half1.mrc"})
    assert whole.getvalue() == b"0123456789"
    part = browser.get(at(filled, "download"), {"path": "raw/half1.mrc"}, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.getvalue()) == (206, b"234")


def test_the_ticked_files_come_as_a_zip(browser_of, filled, viewer):
    browser = browser_of(viewer)
    page = browser.post(at(filled, "change"), {"paths": ["raw", "notes.txt"], "do": "zip"}, follow=True)
    names = zipfile.ZipFile(io.BytesIO(page.getvalue())).namelist()
    assert sorted(name for name in names if not name.endswith("/")) == ["notes.txt", "raw/half1.mrc"]


def test_a_project_is_made_with_an_empty_folder(browser_of, stranger):
    page = browser_of(stranger).post("/projects/new/", {"name": "New one", "source": "empty"}, follow=True)
    assert page.status_code == 200
    assert "This folder is empty" in page.text
    assert Project.objects.get().name == "New one"


def test_a_project_without_a_name_is_refused_beside_the_field(browser_of, stranger):
    page = browser_of(stranger).post("/projects/new/", {"name": " ", "source": "empty"})
    assert page.status_code == 400
    assert "Give the project a name." in page.text


def test_a_project_of_others_cannot_be_copied(browser_of, filled, stranger):
    browser_of(stranger).post("/projects/new/", {"name": "Mine", "source": str(filled.pk)})
    assert not Project.objects.filter(name="Mine").exists()


def test_a_first_copy_that_failed_is_tried_again_from_the_page(browser_of, project, contributor, viewer):
    Folder.objects.filter(project=project).update(state=FolderState.FAILED, problem="The disk was full.")
    assert "The disk was full." in browser_of(contributor).get(at(project)).text
    assert browser_of(viewer).post(at(project, "retry")).status_code == 403
    assert browser_of(contributor).post(at(project, "retry"), follow=True).status_code == 200
    assert Folder.objects.get(project=project).state == FolderState.PREPARING


def test_the_whole_folder_is_sorted_and_filtered_not_only_the_page(browser_of, filled, viewer, root, monkeypatch):
    monkeypatch.setattr("storage.views.PAGE", 2)
    for number in range(5):
        (root / "raw" / f"m{number}.tif").write_bytes(b"x" * (100 - number))
    browser = browser_of(viewer)
    largest = browser.get(at(filled), {"path": "raw", "sort": "size", "descending": "1"})
    assert [row.name for row in largest.context["listing"].entries] == ["m0.tif", "m1.tif"]
    assert 'aria-sort="descending"' in largest.text
    more = browser.get(
        at(filled), {**largest.wsgi_request.GET.dict(), "cursor": largest.context["listing"].next_cursor}
    )
    assert [row.name for row in more.context["listing"].entries] == ["m2.tif", "m3.tif"]
    found = browser.get(at(filled), {"path": "raw", "match": "M4"})
    assert [row.name for row in found.context["listing"].entries] == ["m4.tif"]
    nothing = browser.get(at(filled), {"path": "raw", "match": "other"})
    assert "No name here fits" in nothing.text
    odd = browser.get(at(filled), {"path": "raw", "sort": "colour", "descending": "yes"})
    assert [row.name for row in odd.context["listing"].entries] == ["half1.mrc", "m0.tif"]


@pytest.mark.parametrize(
    ("name", "policy", "disposition"),
    [
        ("report.html", "sandbox; default-src 'none'", "inline"),
        ("report.pdf", "default-src 'none'; object-src 'self'", "inline"),
        ("drawing.svg", "sandbox; default-src 'none'", "attachment"),
        ("notes.txt", "sandbox; default-src 'none'", "attachment"),
    ],
)
def test_what_a_frame_shows_runs_nothing_and_only_our_pages_frame_it(
    browser_of, filled, viewer, root, name, policy, disposition
):
    (root / name).write_text("<script>alert(1)</script>")
    answer = browser_of(viewer).get(at(filled, "show"), {"path": name})
    assert answer["Content-Security-Policy"].startswith(policy)
    assert "script-src" not in answer["Content-Security-Policy"]
    assert answer["Content-Disposition"].startswith(disposition)
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert ("frame-ancestors 'self'" in answer["Content-Security-Policy"]) == (disposition == "inline")


def test_a_page_of_html_is_looked_at_in_a_sandbox(browser_of, filled, viewer, root):
    (root / "report.html").write_text("<h1>Report</h1>")
    page = browser_of(viewer).get(at(filled), {"look": "report.html"})
    assert (
        f'<iframe src="{at(filled, "show")}?path=report.html" title="report.html" loading="lazy" sandbox ' in page.text
    )
