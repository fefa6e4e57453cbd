"""Signing in with an institute, through real providers."""

from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.core.cache import cache
from django.test import Client

from accounts.groups import groups_of
from accounts.models import ExternalIdentity, User
from accounts.providers import origins
from accounts.sealing import seal, unseal
from tests.oidc.conftest import query, signed_in


def test_a_first_login_makes_an_account_with_its_groups(sign_in, egi):
    browser, answer = sign_in(egi, "alice", next="/projects/")
    assert answer.headers["Location"] == "/projects/"
    identity = ExternalIdentity.objects.get()
    assert (identity.issuer, identity.subject) == (egi.issuer, egi.subject("alice"))
    assert signed_in(browser) == str(identity.user_id)
    assert identity.user.get_full_name() == "Alice Admin"
    assert not identity.user.has_usable_password()
    assert {group.path for group in groups_of(identity.user)} == {"cryo.example.org", "cryo.example.org:tomo"}


def test_the_same_person_comes_back_to_the_same_account(sign_in, egi):
    sign_in(egi, "alice")
    sign_in(egi, "alice")
    assert User.objects.count() == 1


def test_the_request_has_pkce_state_and_nonce_and_nothing_from_the_query(portal, client, egi):
    evil = "auth_params=client_id%3Dx%26redirect_uri%3Dhttp://evil.example.org&scope=admin"
    away = client.post(f"/oidc/egi/login/?{evil}", {"aarc_idp_hint": "https://idp.example.org"})
    asked = query(away.headers["Location"])
    assert asked["code_challenge_method"] == "S256"
    assert all(len(asked[name]) >= 16 for name in ("state", "nonce", "code_challenge"))
    assert (asked["client_id"], asked["redirect_uri"]) == ("gateway", "http://testserver/oidc/egi/callback/")
    assert "admin" not in asked["scope"].split()
    assert asked["aarc_idp_hint"] == "https://idp.example.org"


def test_the_same_e_mail_address_is_another_account(sign_in, egi, helmholtz, stranger):
    stranger.email = "alice@example.org"
    stranger.save()
    found = {signed_in(sign_in(egi, who)[0]) for who in ("alice", "mallory")}
    found.add(signed_in(sign_in(helmholtz, "alice")[0]))
    assert len(found | {str(stranger.pk)}) == 4


def test_the_same_subject_at_two_institutes_is_two_accounts(sign_in, egi, helmholtz):
    subject = "the-same"
    for institute in (egi, helmholtz):
        institute.control("set", userinfo={"sub": subject})
        institute.control("forge", sub=subject)
    found = {signed_in(sign_in(institute, "alice")[0]) for institute in (egi, helmholtz)}
    assert len(found) == 2
    assert {one.subject for one in ExternalIdentity.objects.all()} == {subject}


def test_a_login_changes_the_sessions_key(sign_in, egi):
    browser = Client()
    browser.post("/oidc/egi/login/")
    before = browser.session.session_key
    sign_in(egi, "alice", browser=browser)
    assert browser.session.session_key != before


@pytest.mark.parametrize(
    "wanted", ["https://evil.example.org/", "//evil.example.org", "javascript:alert(1)", "/\\evil"]
)
def test_a_login_leads_to_no_other_site(sign_in, egi, wanted):
    assert sign_in(egi, "alice", next=wanted)[1].headers["Location"] == "/"


FORGERIES = {
    "wrong issuer": {"iss": "https://evil.example.org"},
    "other client": {"aud": "other-service"},
    "made for two": {"aud": ["gateway", "other-service"]},
    "by another client": {"azp": "other-service"},
    "nonce of another": {"nonce": "another"},
    "no nonce": {"nonce": ""},
    "ended": {"exp": 1_000_000_000},
    "of the future": {"iat": 4_000_000_000},
    "no end": {"exp": None},
    "somebody else": {"sub": "bob@egi.eu"},
    "unsigned": {"none": True},
    "the public key as a secret": {"secret": True},
    "a stranger's key": {"stranger": True},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_id_token_signs_nobody_in(sign_in, egi, name):
    egi.control("forge", **FORGERIES[name])
    browser, answer = sign_in(egi, "alice")
    assert answer.status_code == 403
    assert "not accepted" in answer.text or "two people" in answer.text
    assert signed_in(browser) is None
    assert not User.objects.exists()


def test_a_clock_that_is_a_little_off_is_forgiven(sign_in, egi):
    egi.control("set", skew=20)
    assert signed_in(sign_in(egi, "alice")[0])


def test_userinfo_of_somebody_else_signs_nobody_in(sign_in, egi):
    egi.control("set", userinfo={"sub": "bob@egi.eu"})
    browser, answer = sign_in(egi, "alice")
    assert answer.status_code == 403
    assert signed_in(browser) is None


def test_an_answer_is_good_once_and_in_its_own_browser_only(sign_in, egi):
    kept = []
    browser, _ = sign_in(egi, "alice", change=lambda url: kept.append(url) or url)
    assert signed_in(browser)
    thief = Client()
    for one in (browser, thief):
        answer = one.get(kept[0])
        assert answer.status_code == 400
        assert "begin again" in answer.text
    assert signed_in(thief) is None


def test_an_answer_for_one_institute_is_refused_at_the_other(sign_in, egi):
    browser, answer = sign_in(egi, "alice", change=lambda url: url.replace("/oidc/egi/", "/oidc/helmholtz/"))
    assert answer.status_code in (400, 403)
    assert signed_in(browser) is None


@pytest.mark.parametrize("issuer", ["iss=https%3A%2F%2Fevil.example.org", "none=1"])
def test_an_answer_that_names_another_issuer_is_refused(sign_in, egi, issuer):
    def change(url):
        told = f"iss={query(url)['iss'].replace(':', '%3A').replace('/', '%2F')}"
        assert told in url
        return url.replace(told, issuer)

    browser, answer = sign_in(egi, "alice", change=change)
    assert answer.status_code == 403
    assert signed_in(browser) is None


def test_who_changes_their_mind_is_back_at_the_sign_in_page(portal, client, egi):
    state = query(client.post("/oidc/egi/login/", {"next": "/projects/"}).headers["Location"])["state"]
    words = {"error": "access_denied", "state": state, "iss": egi.issuer}
    assert client.get("/oidc/egi/callback/", words).headers["Location"] == "/login/?next=%2Fprojects%2F"


def test_the_keys_may_change_between_two_logins(sign_in, egi):
    sign_in(egi, "alice")
    egi.rotate_keys(keep=False)
    assert signed_in(sign_in(egi, "alice")[0])


def test_failed_answers_are_no_wrong_passwords(portal, client, owner):
    for _ in range(120):
        client.get("/oidc/egi/callback/", {"state": "x", "code": "y"})
    assert client.post("/login/", {"username": "owner", "password": "a long password"}).status_code == 302


@pytest.mark.parametrize("address", ["/oidc/egi/login/", "/oidc/egi/link/", "/account/logins/{}/unlink/"])
def test_each_form_wants_its_token(portal, owner, address):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)
    assert browser.post(address.format(owner.pk)).status_code == 403
    assert browser.get(address.format(owner.pk)).status_code == 405


def test_an_unknown_institute_is_not_found(portal, client):
    for address in ("/oidc/other/callback/", "/oidc/openid_connect/callback/"):
        assert client.get(address).status_code == 404
    assert client.post("/oidc/openid_connect/login/").status_code == 404


def test_a_provider_that_is_down_is_said_and_comes_back(portal, client, egi, sign_in):
    egi.stop()
    answer = client.post("/oidc/egi/login/")
    assert answer.status_code == 503
    assert "EGI Check-in" in answer.text


def test_a_suspended_account_is_not_let_in(sign_in, egi):
    sign_in(egi, "alice")
    User.objects.update(is_active=False, suspended_why="Left the institute.")
    browser, answer = sign_in(egi, "alice")
    assert answer.status_code == 403
    assert "Left the institute." in answer.text
    assert signed_in(browser) is None


def test_without_the_needed_entitlement_one_is_told_where_to_apply(portal, sign_in, egi):
    portal(REQUIRED_ENTITLEMENT="urn:mace:egi.eu:group:vo#aai.egi.eu", APPLY_URL="https://vo.example.org/apply")
    _, answer = sign_in(egi, "alice")
    assert answer.status_code == 403
    assert 'href="https://vo.example.org/apply"' in answer.text
    assert "You are not a member yet" in answer.text
    assert not User.objects.exists()
    egi.set_entitlements("alice", ["urn:mace:egi.eu:group:vo#aai.egi.eu"])
    assert signed_in(sign_in(egi, "alice")[0])


@pytest.mark.parametrize(
    "raw", [None, "urn:mace:egi.eu:group:one#aai.egi.eu", 7, {"a": 1}, ["x"] * 10_000, [None, 3, []]]
)
def test_odd_entitlements_harm_no_login(sign_in, egi, raw):
    egi.control("entitlements", user="alice", raw=raw)
    assert signed_in(sign_in(egi, "alice")[0])


def test_the_sign_in_page_offers_the_last_choice_first(sign_in, helmholtz):
    browser, _ = sign_in(helmholtz, "alice")
    browser.logout()
    browser.cookies["portolan_login"] = "helmholtz"
    page = browser.get("/login/?next=/projects/").text
    assert page.index("Helmholtz ID") < page.index("EGI Check-in")
    page = browser.get("/login/?idp=egi&aarc_idp_hint=https://idp.example.org").text
    assert page.index("EGI Check-in") < page.index("Helmholtz ID")
    assert 'name="aarc_idp_hint" value="https://idp.example.org"' in page


def test_passwords_can_be_turned_off(portal, client, owner, settings):
    settings.LOCAL_ACCOUNTS = False
    assert "Password" not in client.get("/login/").text
    assert client.post("/login/", {"username": "owner", "password": "a long password"}).status_code == 403
    assert signed_in(client) is None


def test_a_login_is_linked_by_who_is_signed_in_only(sign_in, egi, helmholtz, browser_of, owner):
    browser, answer = sign_in(egi, "alice", browser=browser_of(owner), to="link", next="/account/")
    assert answer.headers["Location"] == "/account/"
    assert "EGI Check-in" in browser.get("/account/").text
    assert signed_in(sign_in(egi, "alice")[0]) == str(owner.pk)
    sign_in(helmholtz, "alice", browser=browser, to="link")
    assert owner.identities.count() == 2


def test_a_login_of_another_account_is_not_taken_over(sign_in, egi, browser_of, owner):
    sign_in(egi, "alice")
    _, answer = sign_in(egi, "alice", browser=browser_of(owner), to="link")
    assert answer.status_code == 409
    assert not owner.identities.exists()


def test_linking_ends_with_who_began_it(sign_in, egi, browser_of, owner, stranger):
    browser = browser_of(owner)
    away = browser.post("/oidc/egi/link/").headers["Location"]
    states = browser.session["socialaccount_states"]
    browser.force_login(stranger)
    kept = browser.session
    kept["socialaccount_states"] = states
    kept.save()
    assert browser.get(egi.approve(away, "alice")).status_code == 403
    assert not ExternalIdentity.objects.exists()


def test_the_last_way_in_stays(sign_in, egi, helmholtz):
    browser, _ = sign_in(egi, "alice")
    user = User.objects.get()
    first = user.identities.get()
    assert browser.post(f"/account/logins/{first.pk}/unlink/").status_code == 409
    sign_in(helmholtz, "alice", browser=browser, to="link")
    assert browser.post(f"/account/logins/{first.pk}/unlink/").status_code == 302
    assert user.identities.get().issuer == helmholtz.issuer


def test_nobody_unlinks_anothers_login(sign_in, egi, browser_of, owner):
    sign_in(egi, "alice")
    identity = ExternalIdentity.objects.get()
    assert browser_of(owner).post(f"/account/logins/{identity.pk}/unlink/").status_code == 404


def test_refresh_tokens_are_sealed_with_this_instances_key(sign_in, egi, settings):
    sign_in(egi, "alice")
    sealed = ExternalIdentity.objects.get().refresh_token
    kept = unseal(sealed)
    assert kept
    assert kept not in sealed
    old = seal("x")
    settings.SECRET_KEY = "another"
    assert unseal(old) == ""


def test_allauths_own_tables_stay_empty(sign_in, egi):
    sign_in(egi, "alice")
    assert not any(model.objects.exists() for model in (EmailAddress, SocialAccount, SocialToken))


def test_the_browser_may_be_sent_to_the_institutes(egi):
    variables = {"OIDC_PROVIDERS": "egi", **egi.variables()}
    assert origins(variables) == (egi.origin,)
    assert origins({"OIDC_PROVIDERS": "egi"}) == ()
    assert urlsplit(egi.issuer).netloc in egi.origin
    cache.clear()
