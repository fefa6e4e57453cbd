"""Every way to forge an access token, or to use one that is for something else."""

import time

import pytest
from django.core.cache import cache

from accounts import provider_client
from accounts.models import ExternalIdentity
from accounts.provider_client import ProviderClient
from tests.accounts.asking import accepted, ask, refused
from tests.accounts.fake_provider import by_hand

pytestmark = pytest.mark.django_db


def test_without_providers_every_such_token_is_unknown(configure, fake):
    configure()
    refused(fake.jwt(), "token_issuer")
    refused("opaque", "token_unknown")
    assert not fake.calls


def test_an_issuer_that_is_not_configured_is_asked_nothing(both, configure):
    fake, stranger = both
    configure(fake)
    refused(stranger.jwt(), "token_issuer")
    refused(stranger.jwt(headers={"jku": f"{stranger.url}/certs", "x5u": f"{stranger.url}/x"}), "token_issuer")
    assert not stranger.calls
    assert not fake.calls


@pytest.mark.parametrize("change", ["/", " ", "/..", "#x", "?x"])
def test_the_issuer_is_compared_literally(fake, change):
    refused(fake.jwt(iss=fake.issuer + change), "token_issuer")
    assert not fake.calls


@pytest.mark.parametrize("issuer", [None, 7, ["x"], {"a": 1}])
def test_an_issuer_that_is_no_text_is_refused(fake, issuer):
    header, claims = {"alg": "RS256", "kid": "first"}, {"iss": issuer, "sub": "alice-sub", "exp": time.time() + 60}
    refused(by_hand(header, claims, b"x"), "token_issuer")


def test_the_keys_that_a_token_brings_or_names_are_not_looked_at(both):
    fake, evil = both
    forged = fake.jwt(key="unknown", headers={"jku": f"{evil.url}/certs", "jwk": {"kty": "RSA"}})
    refused(forged, "token_key")
    assert not evil.calls


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None])
def test_an_unsigned_token_is_refused(fake, algorithm):
    claims = {"iss": fake.issuer, "sub": "alice-sub", "exp": time.time() + 60, "iat": time.time(), "azp": "agent"}
    refused(by_hand({"alg": algorithm, "kid": "first"}, claims), "token_algorithm")


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
def test_the_public_key_signs_nothing(fake, algorithm):
    claims = {"iss": fake.issuer, "sub": "alice-sub", "exp": time.time() + 60, "iat": time.time(), "azp": "agent"}
    forged = by_hand({"alg": algorithm, "kid": "first"}, claims, fake.public_pem())
    refused(forged, "token_algorithm" if algorithm == "HS256" else "token_invalid")


def test_a_key_of_another_name_signs_nothing(fake):
    refused(fake.jwt(key="other", headers={"kid": "first"}), "token_invalid")


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": int(time.time()) - 40}, "token_ended"),
        ({"iat": int(time.time()) + 3000}, "token_early"),
        ({"nbf": int(time.time()) + 3000}, "token_early"),
        ({"exp": "soon"}, "token_invalid"),
        ({"drop": ["exp"]}, "token_invalid"),
        ({"drop": ["iat"]}, "token_invalid"),
        ({"drop": ["sub"]}, "token_invalid"),
        ({"sub": ""}, "token_incomplete"),
        ({"sub": "x" * 256}, "token_incomplete"),
        ({"azp": "another"}, "token_audience"),
        ({"azp": "another", "aud": ["another", "agent"]}, "token_audience"),
        ({"drop": ["azp"]}, "token_audience"),
        ({"drop": ["azp"], "aud": [{"portal": 1}, 7]}, "token_audience"),
        ({"typ": "ID"}, "token_kind"),
        ({"typ": "Refresh"}, "token_kind"),
        ({"drop": ["typ"], "nonce": "n"}, "token_kind"),
        ({"drop": ["typ"], "at_hash": "h"}, "token_kind"),
        ({"drop": ["typ"], "events": {}}, "token_kind"),
        ({"headers": {"typ": "logout+jwt"}}, "token_kind"),
        ({"headers": {"crit": ["x"], "x": 1}}, "token_malformed"),
    ],
)
def test_a_signed_token_that_is_not_for_this_is_refused(fake, claims, code):
    refused(fake.jwt(**claims), code)
    assert not fake.calls["userinfo"]


def test_an_id_token_that_looks_like_any_other_is_refused_by_its_provider(fake):
    token = fake.jwt(aud="portal", drop=["typ"])
    fake.refused.add(token)
    refused(token, "token_revoked")


def test_userinfo_of_somebody_else_is_no_proof(fake, monkeypatch):
    monkeypatch.setattr(ProviderClient, "userinfo", lambda self, token: {"sub": "bob-sub"})
    refused(fake.jwt(), "token_subject")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"client_id": "another"}, "token_audience"),
        ({"exp": 5}, "token_ended"),
        ({"nbf": time.time() + 3000}, "token_ended"),
        ({"exp": "later"}, "token_incomplete"),
        ({"exp": None}, "token_incomplete"),
        ({"sub": None}, "token_incomplete"),
        ({"active": "true"}, "token_unknown"),
        ({"active": 1}, "token_unknown"),
        ({"iss": "https://another.example.org"}, "token_unknown"),
    ],
)
def test_an_opaque_token_that_is_not_for_this_is_refused(fake, words, code):
    refused(fake.handle("opaque-1", **words), code)


def test_what_one_provider_knows_of_anothers_token_does_not_count(both):
    fake, helmholtz = both
    fake.handle("opaque-1", iss=helmholtz.issuer)
    refused("opaque-1", "token_unknown")
    helmholtz.handle("opaque-1")
    cache.clear()
    accepted("opaque-1")
    assert ExternalIdentity.objects.get().issuer == helmholtz.issuer


def test_an_end_beyond_all_time_is_cut(fake):
    accepted(fake.jwt(exp=10**15))
    accepted(fake.handle("opaque-1", exp=1e300))


def test_names_of_unknown_keys_do_not_make_the_portal_flood_its_provider(fake):
    codes = {ask(fake.jwt(key=f"k{number}")).json()["code"] for number in range(40)}
    assert codes == {"token_key", "provider_unavailable"}
    assert fake.calls["certs"] <= 1 + provider_client.REFETCHES + 1
    accepted(fake.jwt())


def test_tokens_that_nobody_knows_do_not_make_the_portal_flood_its_provider(fake):
    answers = [ask(f"guess-{number}").status_code for number in range(100)]
    assert answers[-1] == 429
    assert fake.calls["introspection"] == 60


@pytest.mark.parametrize("token", ["a.b.c", "..", "e30.e30.", "[" * 5000 + ".x.y", "\xff.\xff.\xff", "bnVsbA.e30.x"])
def test_odd_text_is_refused(fake, token):
    assert ask(token).status_code == 401


def test_a_token_over_16_kb_is_shown_to_nobody(both):
    refused(both[0].jwt(padding="x" * 20_000), "token_too_long")
    assert not both[0].calls + both[1].calls
