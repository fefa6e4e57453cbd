"""ID tokens and logout tokens: signed by the provider, made for this portal, and read in no other way."""

import time
from typing import Any

import jwt
from django.core.cache import cache

from accounts.access_tokens import ALGORITHMS, LEEWAY_SECONDS, LONGEST_SUBJECT, client_of
from accounts.providers import Provider
from common.errors import Forbidden, UserError

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
# How old a logout token may be, and for how long its number is remembered.
LOGOUT_SECONDS = 600


def id_token_claims(provider: Provider, token: object, nonce: str) -> dict[str, Any]:
    """The claims of an ID token of this login (OpenID Connect Core, 3.1.3.7); else Forbidden."""
    claims = _verified(provider, token, required=["exp", "iat", "iss", "aud", "sub"])
    made_for = claims.get("azp", provider.client_id)
    if made_for != provider.client_id or (isinstance(claims["aud"], list) and len(claims["aud"]) > 1):
        raise _refused(provider, "it was made for another service as well")
    if not nonce or claims.get("nonce") != nonce:
        raise _refused(provider, "it belongs to another sign-in")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= LONGEST_SUBJECT:
        raise _refused(provider, "it names nobody")
    return claims


def logout_claims(provider: Provider, token: object) -> dict[str, Any]:
    """The claims of a logout token (OpenID Connect Back-Channel Logout, 2.6), good once; else UserError."""
    try:
        claims = _verified(provider, token, required=["iat", "iss", "aud", "jti", "events"])
    except Forbidden as error:
        raise UserError(error.message, code="bad_logout_token") from None
    events = claims["events"]
    named = [claims.get(name) for name in ("sub", "sid")]
    right = isinstance(events, dict) and isinstance(events.get(LOGOUT_EVENT), dict) and "nonce" not in claims
    right = right and any(named) and all(name is None or isinstance(name, str) for name in named)
    fresh = claims["iat"] > time.time() - LOGOUT_SECONDS
    if not right or not fresh or not cache.add(f"logout:{provider.id}:{claims['jti']}", 1, 2 * LOGOUT_SECONDS):
        raise UserError("This is no logout token, or it was used before.", code="bad_logout_token")
    return claims


def _verified(provider: Provider, token: object, *, required: list[str]) -> dict[str, Any]:
    try:
        text = token if isinstance(token, str) else ""
        header = jwt.get_unverified_header(text)
        if header.get("alg") not in ALGORITHMS:
            raise _refused(provider, "it is not signed by a kind of key that is accepted")
        key = client_of(provider).key(str(header.get("kid") or ""))
        if key is None:
            raise _refused(provider, "it is signed by no key of the provider")
        claims: dict[str, Any] = jwt.decode(
            text,
            key,
            algorithms=list(ALGORITHMS),
            issuer=provider.issuer,
            audience=provider.client_id,
            leeway=LEEWAY_SECONDS,
            options={"require": required},
        )
    except jwt.ExpiredSignatureError:
        raise _refused(provider, "it has ended") from None
    except jwt.ImmatureSignatureError:
        raise _refused(provider, "it is of a later time: are the clocks right?") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise _refused(provider, "its signature or claims do not hold") from None
    return claims


def _refused(provider: Provider, why: str) -> Forbidden:
    message = f"What {provider.name} told about this sign-in is not accepted: {why}."
    return Forbidden(message, code="login_refused", hint="Sign in again; tell the operator when it happens twice.")
