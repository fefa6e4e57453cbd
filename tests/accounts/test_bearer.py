"""Access tokens of institutes: whose they are, and what is asked of whom."""

import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from accounts import bearer, logins, provider_client
from accounts.apps import check_access_token_scopes
from accounts.models import ExternalIdentity, Group, User
from tests.accounts.asking import ME, accepted, ask, refused
from tests.accounts.fake_provider import FakeProvider

pytestmark = pytest.mark.django_db
MINE = "/api/v1/tokens/"


# What works


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_a_token_makes_the_request_that_of_its_person(fake, kind):
    token = fake.jwt() if kind == "jwt" else fake.handle("opaque-1")
    first, again = accepted(token), accepted(token)
    assert first["id"] == again["id"]
    identity = ExternalIdentity.objects.get()
    assert (identity.issuer, identity.subject) == (fake.issuer, "alice-sub")


def test_the_account_is_that_of_the_browser_login(fake, owner):
    ExternalIdentity.objects.create(user=owner, issuer=fake.issuer, subject="alice-sub")
    assert accepted(fake.jwt())["username"] == "owner"


def test_an_e_mail_that_equals_anothers_leads_to_no_account(fake, owner):
    fake.people["alice-sub"]["email"] = owner.email
    assert accepted(fake.jwt())["username"] != "owner"


def test_the_same_subject_of_another_issuer_is_another_person(both):
    assert accepted(both[0].jwt())["id"] != accepted(both[1].jwt())["id"]


@pytest.mark.parametrize("claims", [{"aud": "portal", "azp": "other"}, {"aud": ["x", "portal"], "drop": ["azp"]}])
def test_a_token_made_for_the_portal_may_come_from_any_client(fake, claims):
    accepted(fake.jwt(**claims))


def test_a_token_with_a_clock_a_little_off_is_taken(fake):
    now = int(time.time())
    accepted(fake.jwt(iat=now + 20, nbf=now + 20))


def test_a_personal_token_is_never_shown_to_a_provider(both):
    assert ask("ptl_something").json()["code"] == "token_unknown"
    assert not both[0].calls + both[1].calls


def test_a_token_of_a_person_acts_with_the_scopes_that_are_set(fake, settings):
    settings.ACCESS_TOKEN_SCOPES = ["read"]
    token = fake.jwt()
    assert ask(token, MINE).status_code == 200
    body = {"name": "x"}
    answer = ask(token, "/api/v1/projects/", "post", data=body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_a_scope_that_does_not_exist_is_found_before_the_start(settings):
    assert not check_access_token_scopes(None)
    settings.ACCESS_TOKEN_SCOPES = ["read", "write"]
    (error,) = check_access_token_scopes(None)
    assert "write" in error.msg
    assert "read, data, jobs, admin" in error.hint


def test_an_access_token_makes_no_personal_one_that_outlives_it(fake):
    body = {"label": "for ever", "scopes": ["read"], "days": 365}
    answer = ask(fake.jwt(), MINE, "post", data=body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "token_too_wide")


# What is asked of providers, and how often


def test_a_provider_is_asked_once_for_many_requests(fake):
    opaque, signed = fake.handle("opaque-1"), fake.jwt()
    for _ in range(20):
        accepted(opaque)
        accepted(signed)
    assert fake.calls == {"openid-configuration": 1, "introspection": 1, "userinfo": 2, "certs": 1}


def test_a_revoked_token_is_refused_once_the_cache_has_ended(fake, settings, monkeypatch):
    token = fake.handle("opaque-1")
    accepted(token)
    fake.opaque[token] = {"active": False}
    accepted(token)
    settings.ACCESS_TOKEN_CACHE_SECONDS = 0
    assert ask(token).json()["code"] == "token_unknown"


def test_a_revoked_jwt_is_refused_once_the_cache_has_ended(fake, settings):
    token = fake.jwt()
    accepted(token)
    fake.refused.add(token)
    settings.ACCESS_TOKEN_CACHE_SECONDS = 0
    assert ask(token).json()["code"] == "token_revoked"


def test_what_changes_something_is_asked_about_sooner(fake, monkeypatch):
    token = fake.handle("opaque-1")
    accepted(token)
    fake.opaque[token] = {"active": False}
    monkeypatch.setattr(bearer, "CHANGE_SECONDS", 0)
    assert ask(token, f"{MINE}revoke-all/", "post").status_code == 401
    assert ask(token).status_code == 401, "the refusal is known for reading, too"


def test_a_refused_token_is_not_asked_about_again_for_a_while(both):
    for _ in range(5):
        assert ask("no-such-token").status_code == 401
    assert [fake.calls["introspection"] for fake in both] == [1, 1]


def test_a_token_in_the_cache_is_neither_readable_nor_of_use_for_another(fake, monkeypatch):
    token, other = fake.handle("opaque-1"), fake.handle("opaque-2", sub="mallory")
    fake.people["mallory"] = {"name": "Mallory"}
    kept = {}
    monkeypatch.setattr(cache, "set", lambda key, value, timeout: kept.__setitem__(key, value))
    alice = accepted(token)["id"]
    accepted(other)
    text = str(kept)
    assert len(kept) == 2
    assert token not in text
    first, second = kept
    monkeypatch.setattr(
        cache, "get", lambda key, default=None: kept.get({first: second, second: first}.get(key), default)
    )
    assert accepted(token)["id"] == alice


def test_a_suspended_person_is_refused_at_once(fake):
    token = fake.jwt()
    accepted(token)
    User.objects.update(is_active=False)
    assert ask(token).json()["code"] == "account_suspended"


def test_a_login_that_was_taken_away_ends_its_tokens_at_once(fake):
    token = fake.jwt()
    accepted(token)
    ExternalIdentity.objects.all().delete()
    assert ask(token).json()["code"] == "token_unknown"


def test_a_token_that_ends_while_it_is_cached_is_refused(fake, monkeypatch):
    token = fake.handle("opaque-1", exp=time.time() + 100)
    accepted(token)
    later = time.time() + 101
    monkeypatch.setattr(bearer.time, "time", lambda: later)
    assert ask(token).json()["code"] == "token_ended"


# Keys that change


def test_a_new_key_is_known_at_once_and_the_old_one_stays_while_it_is_published(fake):
    before = fake.jwt()
    accepted(before)
    fake.rotate(keep=True)
    accepted(fake.jwt(key="second"))
    cache.clear()
    accepted(before)


def test_after_a_hard_change_of_keys_new_tokens_hold_and_old_ones_do_not(fake):
    before = fake.jwt()
    accepted(before)
    fake.rotate(keep=False)
    accepted(fake.jwt(key="second"))
    cache.clear()
    assert ask(before).json()["code"] == "token_key"


def test_a_key_that_was_withdrawn_is_forgotten_in_time(fake, monkeypatch):
    monkeypatch.setattr(provider_client, "KEYS_SECONDS", 0.01)
    before = fake.jwt()
    accepted(before)
    fake.rotate(keep=False)
    cache.clear()
    time.sleep(0.02)
    assert ask(before).json()["code"] == "token_key"


# Providers that fail


@pytest.mark.parametrize("say", [500, 502, 429, 302, "<html>", "[]", "7"])
@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_a_provider_that_fails_lets_nobody_in_and_says_when_to_try_again(fake, configure, say, kind):
    configure(fake)
    token = fake.jwt() if kind == "jwt" else fake.handle("opaque-1")
    fake.say = say
    answer = refused(token, "provider_unavailable", status=503)
    assert int(answer.headers["Retry-After"]) > 0
    fake.say = None
    accepted(token)


def test_a_provider_that_is_away_costs_one_wait_and_other_providers_still_work(both):
    fake, helmholtz = both
    fake.alive = False
    refused(fake.jwt(), "provider_unavailable", status=503)
    asked = fake.calls.total()
    refused(fake.jwt(jti="2"), "provider_unavailable", status=503)
    assert fake.calls.total() == asked
    accepted(helmholtz.handle("opaque-1"))


def test_a_provider_that_fails_later_takes_nothing_away_while_its_word_is_fresh(fake, monkeypatch):
    token = fake.jwt()
    accepted(token)
    fake.alive = False
    accepted(token)
    monkeypatch.setattr(bearer, "CHANGE_SECONDS", 0)
    assert ask(token, f"{MINE}revoke-all/", "post").status_code == 200


def test_a_wrong_client_secret_is_our_fault_and_not_the_persons(fake, configure):
    configure(fake, CLIENT_SECRET="wrong")
    refused(fake.handle("opaque-1"), "provider_unavailable", status=503)


def test_a_document_that_names_another_issuer_is_not_used(fake):
    fake.document = {"issuer": "https://evil.example.org"}
    refused(fake.jwt(), "provider_unavailable", status=503)


def test_addresses_that_are_no_web_addresses_are_not_asked(fake):
    fake.document = {"jwks_uri": "file:///etc/passwd"}
    refused(fake.jwt(), "provider_unavailable", status=503)


# Groups


CRYO = "urn:mace:example.org:group:cryo"


@pytest.fixture
def grouped(fake, settings):
    """Alice's provider tells groups, too."""
    settings.GROUP_NAMESPACES = {fake.issuer: {"urn:mace:example.org": frozenset({"aai.example.org"})}}
    fake.variables = lambda **words: FakeProvider.variables(
        fake, **{"GROUP_NAMESPACES": "urn:mace:example.org#aai.example.org"} | words
    )
    settings.OIDC |= fake.variables()
    yield fake
    del fake.variables


def tell(fake, *groups):
    fake.people["alice-sub"]["entitlements"] = [f"urn:mace:example.org:group:{name}#aai.example.org" for name in groups]


def groups_now(user):
    return list(Group.objects.of(user))


def groups_of(token):
    cache.clear()
    return [group["urn"] for group in accepted(token)["groups"]]


def test_groups_are_those_that_the_provider_tells_now(grouped):
    tell(grouped, "cryo", "tomo")
    token = grouped.jwt(scope="openid entitlements")
    assert groups_of(token) == [CRYO, "urn:mace:example.org:group:tomo"]
    tell(grouped, "cryo")
    assert groups_of(token) == [CRYO]
    tell(grouped)
    assert groups_of(token) == []


def test_groups_are_not_asked_for_more_often_than_the_token(grouped):
    tell(grouped, "cryo")
    token = grouped.jwt(scope="openid entitlements")
    accepted(token)
    tell(grouped)
    assert [group["urn"] for group in accepted(token)["groups"]] == [CRYO]


def test_groups_that_only_a_token_told_end_when_nobody_confirms_them(grouped, settings):
    tell(grouped, "cryo")
    accepted(grouped.jwt(scope="openid entitlements"))
    identity = ExternalIdentity.objects.get()
    assert identity.confirmed_at is not None
    long_ago = timezone.now() - logins.REFRESH_EVERY - timedelta(hours=settings.GROUPS_GRACE_HOURS + 1)
    ExternalIdentity.objects.update(confirmed_at=long_ago)
    logins.refresh(identity.pk)
    assert not groups_now(identity.user)
    accepted(grouped.jwt(scope="openid entitlements", jti="a new one"))
    assert groups_now(identity.user)
    assert ExternalIdentity.objects.get().confirmed_at is not None


@pytest.mark.parametrize("scope", ["openid", "", "openid eduperson_entitlement:urn:mace:example.org:group:tomo"])
def test_a_token_that_may_not_tell_all_groups_takes_none_away(grouped, scope):
    tell(grouped, "cryo")
    groups_of(grouped.jwt(scope="openid entitlements"))
    if scope == "openid":
        del grouped.people["alice-sub"]["entitlements"]
    else:
        tell(grouped, "tomo")
    assert CRYO in groups_of(grouped.jwt(scope=scope))


# Accounts


def test_a_new_person_gets_an_account_with_what_the_provider_tells(fake):
    fake.people["alice-sub"] |= {"given_name": "Alice\0", "family_name": "A" * 200, "email": "not an address"}
    accepted(fake.jwt())
    user = User.objects.get()
    assert (user.first_name, user.last_name, user.email) == ("Alice", "A" * 150, "")
    assert not user.has_usable_password()


@pytest.mark.parametrize("claims", [{"name": None}, {"name": 7, "email": ["x"]}, {"given_name": {}, "family_name": []}])
def test_odd_claims_make_no_error(fake, claims):
    fake.people["alice-sub"] = claims
    accepted(fake.jwt())


def test_without_the_entitlement_that_the_gateway_asks_for_nobody_comes_in(fake, settings):
    needed = "urn:mace:example.org:group:vo#aai.example.org"
    settings.OIDC |= fake.variables(REQUIRED_ENTITLEMENT=needed, APPLY_URL="https://apply.example.org")
    token = fake.jwt()
    said = refused(token, "entitlement_missing", status=403).json()
    assert "https://apply.example.org" in said["hint"]
    asked = fake.calls.total()
    refused(token, "entitlement_missing", status=403)
    assert fake.calls.total() == asked, "a refusal is kept for a while"
    cache.clear()
    fake.people["alice-sub"]["eduperson_entitlement"] = [needed]
    accepted(fake.jwt())


def test_a_new_person_accepts_the_usage_policy_first_as_in_the_browser(fake, settings, tmp_path):
    settings.USAGE_POLICY_FILE = str(tmp_path / "policy.txt")
    (tmp_path / "policy.txt").write_text("Be kind.")
    token = fake.jwt()
    waiting = ask(token)
    assert (waiting.status_code, waiting.json()["code"]) == (403, "policy_not_accepted")
    version = ask(token, f"{ME}policy/").json()["version"]
    accepting = ask(token, f"{ME}policy/", "post", data={"version": version}, content_type="application/json")
    assert accepting.status_code == 200
    accepted(token)
