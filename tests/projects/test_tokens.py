"""The page of a person's tokens."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts import limits
from accounts.models import ApiToken
from accounts.scopes import Scope
from accounts.services import make_token
from projects.models import Membership

pytestmark = pytest.mark.django_db
TOKENS = "/tokens/"
GOOD = {"label": "Upload", "scopes": ["read", "data"], "days": "30"}


def test_tokens_ask_to_sign_in(client):
    assert client.get(TOKENS).headers["Location"].startswith("/login/")
    assert client.post(f"{TOKENS}revoke-all/").headers["Location"].startswith("/login/")


def test_a_tokens_secret_is_shown_once(browser_of, owner):
    browser = browser_of(owner)
    secret = browser.post(TOKENS, GOOD).context["secret"]
    assert secret not in browser.get(TOKENS).text
    assert owner.tokens.get().scopes == ["read", "data"]


def test_a_token_without_a_scope_is_refused_beside_the_field(browser_of, owner):
    page = browser_of(owner).post(TOKENS, {"label": "Upload", "days": "30"})
    assert "Choose at least one thing." in page.text
    assert not ApiToken.objects.exists()


def test_each_scope_says_what_it_may_do(browser_of, owner):
    page = browser_of(owner).get(TOKENS).text
    assert all(scope.explained in page for scope in Scope)


def test_a_token_can_be_kept_to_chosen_projects(browser_of, viewer, bare_project):
    browser = browser_of(viewer)
    page = browser.post(TOKENS, {**GOOD, "where": "some", "projects": [str(bare_project.pk)]})
    assert viewer.tokens.get().project_ids == [str(bare_project.pk)]
    assert "in <strong>Apoferritin</strong>" in page.text
    Membership.objects.filter(user=viewer).delete()
    assert "1 project that you are no longer in" in browser.get(TOKENS).text


@pytest.mark.parametrize("projects", [[], ["not-a-project"], ["3f0e5a52-9f6c-4a5e-8b1d-0c2f7a9d1eff"]])
def test_a_token_for_some_projects_names_one_of_ones_own(browser_of, viewer, bare_project, projects):
    page = browser_of(viewer).post(TOKENS, {**GOOD, "where": "some", "projects": projects})
    assert 'id="projects-error"' in page.text
    assert not ApiToken.objects.exists()


def test_projects_that_were_ticked_do_not_narrow_a_token_for_all(browser_of, viewer, bare_project):
    browser_of(viewer).post(TOKENS, {**GOOD, "where": "all", "projects": [str(bare_project.pk)]})
    assert viewer.tokens.get().project_ids == []


def test_a_token_can_be_revoked_by_its_owner_only(browser_of, owner, stranger):
    token, _ = make_token(owner, label="Upload", scopes=[Scope.READ])
    address = reverse("projects:token_revoke", args=[token.pk])
    assert browser_of(stranger).post(address).status_code == 404
    assert browser_of(owner).get(address).status_code == 405
    browser_of(owner).post(address)
    token.refresh_from_db()
    assert not token.usable


def test_all_tokens_can_be_revoked_at_once(browser_of, owner, stranger):
    for user in (owner, owner, stranger):
        make_token(user, label="Upload", scopes=[Scope.READ])
    page = browser_of(owner).post(f"{TOKENS}revoke-all/", follow=True)
    assert "2 tokens are revoked." in page.text
    assert not page.context["working"]
    assert stranger.tokens.get().usable


def test_what_has_ended_is_folded_away_and_what_ends_soon_says_so(browser_of, owner):
    old, _ = make_token(owner, label="old", scopes=[Scope.READ])
    ApiToken.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(days=1))
    make_token(owner, label="short", scopes=[Scope.READ], days=7)
    make_token(owner, label="long", scopes=[Scope.READ], days=90)
    page = browser_of(owner).get(TOKENS)
    assert [(row["token"].label, row["soon"]) for row in page.context["working"]] == [("long", False), ("short", True)]
    assert [row["token"].label for row in page.context["ended"]] == ["old"]
    assert page.text.count("ends soon") == 1


def test_the_page_costs_the_same_with_many_tokens(browser_of, owner, bare_project, django_assert_num_queries):
    browser = browser_of(owner)
    for _ in range(3):
        make_token(owner, label="Upload", scopes=[Scope.READ], projects=[bare_project.pk])
    browser.get(TOKENS)
    with django_assert_num_queries(6):
        browser.get(TOKENS)


def test_a_person_makes_only_so_many_tokens_in_an_hour(browser_of, api, owner, monkeypatch):
    monkeypatch.setattr(limits, "TOKENS", limits.Limit(name="tokens", most=2, seconds=10**9))
    browser_of(owner).post(TOKENS, GOOD)
    body = {"label": "x", "scopes": ["read"]}
    assert api(owner).post("/api/v1/tokens/", body, format="json").status_code == 201
    assert browser_of(owner).post(TOKENS, GOOD).status_code == 429
    refused = api(owner).post("/api/v1/tokens/", body, format="json")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_tokens")
    assert int(refused.headers["Retry-After"]) > 0
    assert owner.tokens.count() == 2
