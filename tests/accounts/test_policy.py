"""The usage policy: asked for once, before anything else, on pages and by REST."""

import os

import pytest
from django.test import Client

from accounts.models import PolicyAcceptance
from accounts.policy import must_accept
from accounts.scopes import Scope
from accounts.services import make_token

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def policy(settings, tmp_path):
    file = tmp_path / "policy.txt"
    file.write_text("Use it for research.\n\nCite us <kindly>.")
    settings.USAGE_POLICY_FILE, settings.USAGE_POLICY_VERSION = str(file), "2026-1"
    return file


def script(user, *scopes) -> Client:
    secret = make_token(user, label="t", scopes=list(scopes or Scope))[1]
    return Client(headers={"Authorization": f"Bearer {secret}"})


def test_a_page_comes_after_the_policy_and_only_once(browser_of, project, viewer):
    browser, asked = browser_of(viewer), f"/projects/{project.pk}/people/?x=1"
    page = browser.get(asked, follow=True)
    assert page.redirect_chain[0][0].startswith("/policy/?next=")
    assert "Cite us &lt;kindly&gt;." in page.text
    answer = browser.post("/policy/", {"version": "2026-1", "next": asked})
    assert (answer.status_code, answer.url) == (302, asked)
    assert browser.get(asked).status_code == 200
    assert PolicyAcceptance.objects.get(user=viewer).version == "2026-1"


def test_accepting_twice_keeps_the_first_time(browser_of, viewer):
    browser = browser_of(viewer)
    for _ in range(2):
        browser.post("/policy/", {"version": "2026-1"})
    assert PolicyAcceptance.objects.filter(user=viewer).count() == 1


def test_a_new_version_is_asked_for_again_and_the_old_answer_is_kept(browser_of, viewer, settings):
    browser = browser_of(viewer)
    browser.post("/policy/", {"version": "2026-1"})
    settings.USAGE_POLICY_VERSION = "2027-1"
    assert browser.get("/projects/").status_code == 302
    assert browser.post("/policy/", {"version": "2026-1"}, follow=True).status_code in (200, 409)
    viewer.refresh_from_db()
    assert must_accept(viewer) is not None
    browser.post("/policy/", {"version": "2027-1"})
    assert browser.get("/projects/").status_code == 200
    assert set(viewer.policies.values_list("version", flat=True)) == {"2026-1", "2027-1"}


def test_who_is_asked_again_for_an_earlier_version_can_accept_it(browser_of, viewer, settings):
    browser = browser_of(viewer)
    for version in ("2026-1", "2027-1"):
        settings.USAGE_POLICY_VERSION = version
        browser.post("/policy/", {"version": version})
    settings.USAGE_POLICY_VERSION = "2026-1"
    assert "I accept" in browser.get("/policy/").text
    browser.post("/policy/", {"version": "2026-1"})
    assert browser.get("/projects/").status_code == 200


def test_without_a_version_the_text_itself_is_the_version(viewer, settings, policy):
    settings.USAGE_POLICY_VERSION = ""
    first = must_accept(viewer)
    policy.write_text("Another text.")
    os.utime(policy, (1, 1))
    assert must_accept(viewer).version != first.version


def test_where_there_is_none_nobody_is_asked(browser_of, viewer, settings):
    settings.USAGE_POLICY_FILE = ""
    assert browser_of(viewer).get("/projects/").status_code == 200
    assert browser_of(viewer).get("/policy/").status_code == 404


def test_the_policy_can_be_read_before_signing_in_and_left_by_signing_out(browser_of, viewer):
    assert "Use it for research." in Client().get("/policy/").text
    browser = browser_of(viewer)
    browser.post("/logout/")
    assert "I accept" not in browser.get("/policy/").text


@pytest.mark.parametrize("after", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_way_on_stays_in_this_portal(browser_of, viewer, after):
    assert browser_of(viewer).post("/policy/", {"version": "2026-1", "next": after}).url == "/"


def test_a_part_of_a_page_is_answered_with_the_way_to_the_policy(browser_of, viewer):
    answer = browser_of(viewer).get("/projects/", headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/policy/?next=%2F"


def test_a_script_is_told_where_to_accept_and_can(viewer):
    api = script(viewer)
    said = api.get("/api/v1/projects/")
    assert (said.status_code, said.json()["code"]) == (403, "policy_not_accepted")
    assert "/policy/" in said.json()["hint"]
    version = api.get("/api/v1/me/policy/").json()["version"]
    assert api.post("/api/v1/me/policy/", {"version": version}, content_type="application/json").status_code == 200
    assert api.get("/api/v1/projects/").status_code == 200


def test_a_script_that_may_only_read_does_not_accept_for_its_person(viewer):
    answer = script(viewer, Scope.READ).post("/api/v1/me/policy/", {"version": "2026-1"}, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_an_old_version_is_a_conflict(viewer):
    answer = script(viewer).post("/api/v1/me/policy/", {"version": "2020"}, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "policy_changed")
