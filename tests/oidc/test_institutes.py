"""The providers that the other tests stand on do what real ones do."""

import httpx
import jwt


def _userinfo(institute, tokens):
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return httpx.get(institute.endpoint("userinfo_endpoint"), headers=headers)


def test_a_token_tells_the_groups_in_the_shape_of_its_issuer(egi, helmholtz):
    egis = _userinfo(egi, egi.tokens("bob")).json()
    assert egis["eduperson_entitlement"] == ["urn:mace:egi.eu:group:cryo.example.org:role=member#aai.egi.eu"]
    other = _userinfo(helmholtz, helmholtz.tokens("bob")).json()
    assert other["entitlements"] == ["urn:geant:helmholtz.de:group:cryo.example.org#login.helmholtz.de"]


def test_a_refresh_token_is_good_once(egi):
    first = egi.tokens("bob")
    second = egi.refresh(first["refresh_token"])
    assert _userinfo(egi, second).json()["sub"] == egi.subject("bob")
    body = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    again = httpx.post(egi.endpoint("token_endpoint"), data=body, auth=("oidc-agent", "known-secret"))
    assert again.json()["error"] == "invalid_grant"


def test_a_revoked_token_is_refused(egi):
    tokens = egi.tokens("bob")
    egi.revoke(tokens["access_token"])
    assert _userinfo(egi, tokens).status_code == 401


def test_a_device_gets_the_tokens_of_who_agreed(egi):
    assert _userinfo(egi, egi.device_tokens("alice")).json()["preferred_username"] == "alice"


def test_access_tokens_are_jwts_or_opaque(egi):
    keys = jwt.PyJWKClient(egi.endpoint("jwks_uri"))
    token = egi.tokens("bob")["access_token"]
    claims = jwt.decode(token, keys.get_signing_key_from_jwt(token).key, algorithms=["RS256"], audience="oidc-agent")
    assert (claims["iss"], claims["azp"]) == (egi.issuer, "oidc-agent")
    egi.control("set", tokens="opaque")
    opaque = egi.tokens("bob")
    assert "." not in opaque["access_token"]
    assert _userinfo(egi, opaque).json()["sub"] == egi.subject("bob")


def test_keys_are_rotated_with_and_without_the_old_ones(egi):
    kids = lambda: [key["kid"] for key in httpx.get(egi.endpoint("jwks_uri")).json()["keys"]]  # noqa: E731
    (old,) = kids()[-1:]
    new = egi.rotate_keys()
    assert kids()[0] == new
    assert old in kids()
    last = egi.rotate_keys(keep=False)
    assert kids() == [last]
