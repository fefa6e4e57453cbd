"""Pages of a person's account."""

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command

from accounts import guessing

pytestmark = pytest.mark.django_db


@pytest.fixture
def guesses():
    """No wrong password was counted before, and none of this test's is later."""
    cache.clear()
    yield
    cache.clear()


def test_a_wrong_password_is_said_in_words(client, owner):
    page = client.post("/login/", {"username": "owner", "password": "wrong"})
    assert "The user name or the password is not right" in page.text


def test_after_signing_in_comes_the_start_page(client, owner):
    assert client.post("/login/", {"username": "owner", "password": "a long password"}).headers["Location"] == "/"


@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("https://elsewhere.example.org/", "/"),
        ("//elsewhere.example.org/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\\elsewhere.example.org", "/"),
        ("/tokens/", "/tokens/"),
    ],
)
def test_signing_in_leads_to_no_other_site(client, owner, wanted, leads_to):
    answer = client.post("/login/", {"username": "owner", "password": "a long password", "next": wanted})
    assert answer.headers["Location"] == leads_to


def test_signing_in_changes_the_sessions_key(client, owner):
    client.session.save()
    name = client.session.session_key
    client.cookies["sessionid"] = name
    client.post("/login/", {"username": "owner", "password": "a long password"})
    assert client.session.session_key != name


def sign_in(client, name, password, address="192.0.2.1"):
    return client.post("/login/", {"username": name, "password": password}, REMOTE_ADDR=address)


def test_after_many_wrong_passwords_the_right_one_has_to_wait(client, owner, guesses):
    for _ in range(guessing.TRIES):
        assert sign_in(client, "owner", "wrong").status_code == 200
    refused = sign_in(client, "Owner", "a long password")
    assert refused.status_code == 429
    assert "Wait 5 minutes" in refused.text


def test_a_guesser_does_not_lock_the_owner_out(client, owner, guesses):
    for _ in range(guessing.TRIES):
        sign_in(client, "owner", "wrong", address="198.51.100.7")
    assert sign_in(client, "owner", "a long password").status_code == 302


def test_wrong_passwords_no_longer_count_after_signing_in(client, owner, guesses):
    for _ in range(2):
        for _ in range(guessing.TRIES - 1):
            sign_in(client, "owner", "wrong")
        assert sign_in(client, "owner", "a long password").status_code == 302
        client.logout()


def test_many_names_from_one_address_are_stopped(client, db, guesses, monkeypatch):
    monkeypatch.setattr(guessing, "TRIES_FROM_ADDRESS", 20)
    answers = {sign_in(client, f"person{number}", "Winter2026!").status_code for number in range(21)}
    assert answers == {200, 429}


def test_an_account_of_an_institute_becomes_an_operators(stranger, capsys):
    for words, staff in (([], True), (["--remove"], False)):
        call_command("operator", "stranger", *words)
        stranger.refresh_from_db()
        assert stranger.is_staff is staff
    with pytest.raises(CommandError, match="no account"):
        call_command("operator", "nobody")
