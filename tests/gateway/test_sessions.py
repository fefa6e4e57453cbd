"""Sessions and their cookies: who holds one, how long, and what ends it."""

from http.cookies import SimpleCookie

import pytest
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User


@pytest.fixture
def signed_in(owner):
    client = Client()
    client.post("/login/", {"username": "owner", "password": "a long password"})
    assert client.get("/projects/").status_code == 200
    return client


def test_the_cookie_is_for_no_script_no_other_site_and_half_a_day(signed_in):
    cookie = signed_in.cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Lax", "/", "")
    assert cookie["max-age"] == 12 * 3600
    assert len(cookie.value) >= 32


def test_what_is_told_by_https_is_not_asked_for_by_http_again(db, settings):
    settings.SECURE_HSTS_SECONDS = 60
    assert Client().get("/login/", secure=True).headers["Strict-Transport-Security"] == "max-age=60"


def test_signing_out_ends_the_session_also_for_a_copy_of_its_cookie(signed_in):
    copy = Client()
    copy.cookies = SimpleCookie(signed_in.cookies.output(header="").strip())
    assert copy.get("/projects/").status_code == 200
    signed_in.post("/logout/")
    assert copy.get("/projects/").status_code == 302


def test_signing_out_takes_a_form(signed_in):
    assert signed_in.get("/logout/").status_code == 405
    assert signed_in.get("/projects/").status_code == 200


def test_a_session_that_somebody_planted_is_not_the_one_of_the_login(owner):
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = "planted0000000000000000000000000"
    client.post("/login/", {"username": "owner", "password": "a long password"})
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != "planted0000000000000000000000000"
    assert not Session.objects.filter(session_key="planted0000000000000000000000000").exists()


def test_a_new_password_ends_all_other_sessions(signed_in, owner):
    owner.set_password("another long password")
    owner.save()
    assert signed_in.get("/projects/").status_code == 302


@pytest.mark.parametrize("password", ["short", "elevenchars", "password1234", "a" * 11])
def test_a_weak_password_is_refused(password):
    with pytest.raises(ValidationError):
        validate_password(password)


def test_a_wrong_password_an_unknown_name_and_a_suspended_account_are_told_alike(owner, stranger):
    User.objects.filter(pk=stranger.pk).update(is_active=False)
    tries = [("owner", "wrong"), ("nobody", "wrong"), ("stranger", "a long password")]
    pages = [Client().post("/login/", {"username": name, "password": word}) for name, word in tries]
    assert {page.status_code for page in pages} == {200}
    assert all("The user name or the password is not right" in page.text for page in pages)
