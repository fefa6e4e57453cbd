"""What ends a login, its groups and its sessions."""

import time
from datetime import timedelta

import jwt
import pytest
from django.test import Client
from django.utils import timezone

from accounts.groups import groups_of
from accounts.logins import REFRESH_EVERY, refresh
from accounts.models import ExternalIdentity, InstituteSession, User
from accounts.scopes import Scope
from accounts.services import make_token
from accounts.tasks import refresh_identities
from tests.oidc.conftest import query, signed_in

EVENT = "http://schemas.openid.net/event/backchannel-logout"


def aged(hours):
    """The identity, last told that many hours ago."""
    ExternalIdentity.objects.update(confirmed_at=timezone.now() - timedelta(hours=hours), asked_at=None)
    return ExternalIdentity.objects.get()


def paths(user):
    return {group.path for group in groups_of(user)}


def test_groups_are_not_asked_for_before_they_are_due(sign_in, egi):
    sign_in(egi, "alice")
    egi.log()
    refresh(aged(11).pk)
    assert egi.log() == []


def test_an_entitlement_that_is_gone_ends_at_the_refresh(sign_in, egi):
    sign_in(egi, "alice")
    egi.set_entitlements("alice", ["group:cryo.example.org"])
    for _ in range(2):  # the rotated token is good for the next time
        identity = aged(13)
        refresh(identity.pk)
        assert paths(identity.user) == {"cryo.example.org"}
    assert ExternalIdentity.objects.get().confirmed_at > timezone.now() - REFRESH_EVERY


def test_a_refresh_is_done_once_at_a_time(sign_in, egi):
    sign_in(egi, "alice")
    identity = aged(13)
    ExternalIdentity.objects.update(asked_at=timezone.now())
    egi.log()
    refresh(identity.pk)
    assert egi.log() == []


def test_who_is_due_is_queued(sign_in, egi, monkeypatch):
    sign_in(egi, "alice")
    queued = []
    monkeypatch.setattr("accounts.tasks.refresh_identity.delay", queued.append)
    refresh_identities()
    assert queued == []
    identity = aged(13)
    refresh_identities()
    assert queued == [str(identity.pk)]


def test_while_the_provider_is_down_nobody_loses_and_nobody_gains_until_the_grace_is_over(sign_in, egi):
    sign_in(egi, "alice")
    egi.stop()
    identity = aged(35)
    refresh(identity.pk)
    assert paths(identity.user) == {"cryo.example.org", "cryo.example.org:tomo"}
    refresh(aged(37).pk)
    assert paths(identity.user) == set()


def test_a_provider_that_takes_the_token_back_is_not_believed_longer_than_the_grace(sign_in, egi):
    sign_in(egi, "alice")
    egi.rotate_keys()  # the provider forgets all grants
    identity = aged(13)
    ExternalIdentity.objects.update(refresh_token="nonsense")
    refresh(identity.pk)
    assert paths(identity.user)
    refresh(aged(37).pk)
    assert not paths(identity.user)


def test_losing_the_needed_entitlement_ends_sessions_and_tokens(portal, sign_in, egi):
    needed = "urn:mace:egi.eu:group:vo:role=member#aai.egi.eu"
    portal(REQUIRED_ENTITLEMENT=needed)
    egi.set_entitlements("alice", ["group:vo", "group:cryo"])
    browser, _ = sign_in(egi, "alice")
    user = User.objects.get()
    token, _ = make_token(user, label="x", scopes=[Scope.READ], days=9)
    egi.set_entitlements("alice", ["group:cryo"])
    refresh(aged(13).pk)
    token.refresh_from_db()
    assert not token.usable
    assert not paths(user)
    assert browser.get("/account/").status_code == 302


def forged_logout(institute, **claims):
    """As the institute would make it, signed with a secret that it does not know."""
    now = int(time.time())
    whole = {"iss": institute.issuer, "aud": "gateway", "iat": now, "jti": "1", "events": {EVENT: {}}, **claims}
    return jwt.encode(whole, "k" * 32, algorithm="HS256")


def test_an_institute_ends_the_session_that_it_began_and_no_other(sign_in, egi):
    first, _ = sign_in(egi, "alice")
    second, _ = sign_in(egi, "alice")
    told = InstituteSession.objects.get(session_key=first.session.session_key)
    claims = {"iss": egi.issuer, "sub": egi.subject("alice"), "sid": told.sid, "jti": "1", "events": {EVENT: {}}}
    token = egi.control("sign", claims={**claims, "aud": "gateway", "iat": int(time.time())})
    outside = Client(enforce_csrf_checks=True)
    assert outside.post("/oidc/egi/logout/", {"logout_token": token}).status_code == 200
    assert first.get("/account/").status_code == 302
    assert second.get("/account/").status_code == 200
    assert outside.post("/oidc/egi/logout/", {"logout_token": token}).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example.org"}, {"aud": "other-service"}, {"events": {}}, {"events": []}, {"nonce": "x"},
        {"sub": None, "sid": None}, {"iat": 1_000_000_000}, {"sid": ["x"]}, {"jti": None},
    ],
)  # fmt: skip
def test_a_logout_token_that_does_not_hold_ends_nothing(sign_in, egi, change):
    browser, _ = sign_in(egi, "alice")
    claims = {"iss": egi.issuer, "aud": "gateway", "sub": egi.subject("alice"), "iat": int(time.time()), "jti": "2"}
    token = egi.control("sign", claims={**claims, "events": {EVENT: {}}, **change})
    answer = Client().post("/oidc/egi/logout/", {"logout_token": token})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert signed_in(browser)


def test_a_forged_logout_token_ends_nothing(sign_in, egi):
    browser, _ = sign_in(egi, "alice")
    for token in (forged_logout(egi, sub=egi.subject("alice")), "", "x", "a.b.c"):
        assert Client().post("/oidc/egi/logout/", {"logout_token": token}).status_code == 400
    assert browser.get("/account/").status_code == 200


def test_after_new_keys_a_logout_is_still_understood(sign_in, egi):
    browser, _ = sign_in(egi, "alice")
    egi.rotate_keys(keep=False)
    claims = {"iss": egi.issuer, "aud": "gateway", "sub": egi.subject("alice"), "iat": int(time.time()), "jti": "3"}
    token = egi.control("sign", claims={**claims, "events": {EVENT: {}}})
    assert Client().post("/oidc/egi/logout/", {"logout_token": token}).status_code == 200
    assert browser.get("/account/").status_code == 302


def test_signing_out_leads_through_the_institute(sign_in, egi):
    browser, _ = sign_in(egi, "alice")
    away = browser.post("/logout/").headers["Location"]
    assert away.startswith(egi.endpoint("end_session_endpoint"))
    assert query(away)["client_id"] == "gateway"
    assert query(away)["post_logout_redirect_uri"].endswith("/login/")
    assert signed_in(browser) is None


def test_signing_out_works_while_the_institute_is_down(sign_in, egi, monkeypatch):
    browser, _ = sign_in(egi, "alice")
    egi.stop()
    monkeypatch.setattr("accounts.access_tokens._clients", {})
    assert browser.post("/logout/").headers["Location"] == "/login/"
    assert signed_in(browser) is None
