"""Pages of a person's account."""

import pytest
from django.urls import reverse

from accounts.models import ApiToken

pytestmark = pytest.mark.django_db
TOKENS = "/tokens/"


def test_tokens_ask_to_sign_in(client):
    assert client.get(TOKENS).headers["Location"].startswith("/login/")


def test_a_tokens_secret_is_shown_once(browser_of, owner):
    browser = browser_of(owner)
    page = browser.post(TOKENS, {"label": "Upload", "scopes": ["read", "data"], "days": "30"})
    secret = page.context["secret"]
    assert secret in page.text
    assert secret not in browser.get(TOKENS).text
    assert owner.tokens.get().scopes == ["read", "data"]


def test_a_token_without_a_scope_is_refused_beside_the_field(browser_of, owner):
    page = browser_of(owner).post(TOKENS, {"label": "Upload", "days": "30"})
    assert "Choose at least one thing." in page.text
    assert not ApiToken.objects.exists()


def test_a_token_can_be_revoked_by_its_owner_only(browser_of, owner, stranger):
    browser_of(owner).post(TOKENS, {"label": "Upload", "scopes": ["read"], "days": "30"})
    token = owner.tokens.get()
    address = reverse("accounts:token_revoke", args=[token.pk])
    assert browser_of(stranger).post(address).status_code == 404
    assert browser_of(owner).get(address).status_code == 405
    browser_of(owner).post(address)
    token.refresh_from_db()
    assert not token.usable


def test_a_wrong_password_is_said_in_words(client, owner):
    page = client.post("/login/", {"username": "owner", "password": "wrong"})
    assert "The user name or the password is not right" in page.text


def test_after_signing_in_comes_the_start_page(client, owner):
    assert client.post("/login/", {"username": "owner", "password": "a long password"}).headers["Location"] == "/"
