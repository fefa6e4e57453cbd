"""What all pages share: who gets in, who may keep them, and what text they take."""

import pytest
from django.test import Client

from accounts.scopes import Scope
from accounts.services import make_token
from jobs.models import Job

pytestmark = pytest.mark.django_db


def pages(world):
    project, job = f"/projects/{world.project.pk}", Job.objects.get(number=1)
    inside = ("", "files/", "files/trash/", "files/content/?path=notes.txt", "files/zip/?path=movies", "files/look/")
    inside += ("files/pick/", "jobs/", "people/", "activity/", "settings/", "matches/", "run/movie_alignment/")
    alone = ("", "live/", "results/", "log/")
    return [f"{project}/{name}" for name in inside] + [f"/jobs/{job.pk}/{name}" for name in alone]


def client_of(user, **words):
    client = Client(raise_request_exception=False, **words)
    if user is not None:
        client.force_login(user)
    return client


def test_pages_are_hidden_from_strangers_and_ask_others_to_sign_in(world):
    for page in pages(world):
        assert client_of(world.stranger).get(page).status_code == 404, page
        assert client_of(None).get(page).headers["Location"].startswith("/login/"), page


def test_a_token_opens_no_page(world):
    _, secret = make_token(world.people["owner"], label="all", scopes=list(Scope))
    client = client_of(None, headers={"Authorization": f"Bearer {secret}"})
    for page in [*pages(world), "/", "/tokens/", "/operator/", "/projects/"]:
        assert client.get(page).headers["Location"].startswith("/login/"), page


def test_pages_are_kept_by_no_shared_cache(world):
    client = client_of(world.people["owner"])
    for page in [*pages(world), "/", "/projects/", "/tools/", "/tokens/"]:
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert "private" in answer.headers["Cache-Control"], page
        assert answer.headers["X-Content-Type-Options"] == "nosniff", page
        assert "default-src" in answer.headers["Content-Security-Policy"], page


def test_what_a_user_brought_runs_nowhere(world):
    names = ("page.html", "drawing.svg", "code.js", 'odd"; filename=x.html', "<img src=x onerror=alert(1)>.txt")
    for name in names:
        (world.root / name).write_text("<script>alert(1)</script>")
    for address in ("/projects/{}/files/content/", "/api/v1/projects/{}/files/content/"):
        for name in names:
            query = {"path": name, "inline": "true"}
            answer = client_of(world.people["viewer"]).get(address.format(world.project.pk), query)
            assert answer.headers["Content-Security-Policy"].startswith("sandbox;"), name
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            shown = answer.headers["Content-Disposition"].startswith("inline")
            assert not shown or answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    page = client_of(world.people["viewer"]).get(f"/projects/{world.project.pk}/files/").text
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_text_with_nul_is_refused(world):
    client = client_of(world.people["owner"])
    project = f"/projects/{world.project.pk}"
    assert client.get(f"{project}/jobs/", {"tool": "a\0b"}).status_code == 400
    assert client.get(f"{project}/jobs/", {"a\0b": ""}).status_code in {200, 400}
    assert client.post(f"{project}/run/movie_alignment/", {"title": "a\0b"}).status_code == 400


def test_numbers_beyond_any_row_are_no_error(world):
    client, project = client_of(world.people["owner"]), f"/projects/{world.project.pk}"
    for page in ("jobs/", "activity/"):
        for number in ("9" * 5000, "9" * 30, "-1", "x", "²"):
            assert client.get(f"{project}/{page}", {"before": number}).status_code == 200


def test_a_rerun_is_of_the_pages_own_project_and_tool(world):
    client, job = client_of(world.people["owner"]), Job.objects.get(number=1)
    project = f"/projects/{world.project.pk}/run"
    assert client.get(f"{project}/movie_alignment/", {"from": str(job.pk)}).status_code == 200
    assert client.get(f"{project}/first_map/", {"from": str(job.pk)}).status_code == 404
    other = client.post("/projects/new/", {"name": "Another", "source": "empty"}).headers["Location"]
    assert client.get(f"{other}run/movie_alignment/", {"from": str(job.pk)}).status_code == 404


def test_a_form_without_the_csrf_token_changes_nothing(world):
    client = client_of(world.people["owner"], enforce_csrf_checks=True)
    project = f"/projects/{world.project.pk}"
    for page in ("archive/", "leave/", "files/delete/", "run/movie_alignment/", "people/"):
        assert client.post(f"{project}/{page}", {"paths": "notes.txt"}).status_code == 403, page
    assert (world.root / "notes.txt").exists()


def test_operators_pages_are_for_operators(world):
    for page in ("/operator/", "/operator/workers/"):
        assert client_of(world.people["owner"]).get(page).status_code == 404
    assert client_of(world.people["operator"]).get("/operator/").status_code == 200


def test_a_foreign_host_is_refused_without_details(world):
    answer = client_of(None).get("/login/", headers={"host": "elsewhere.example.org"})
    assert answer.status_code == 400
    assert "Traceback" not in answer.text
