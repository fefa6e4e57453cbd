"""Whose an access token is: read, verified, and never taken on trust.

A JWT (RFC 9068, and what Keycloak and others make of it) names its issuer; that must be a configured one, literally,
and its signature, times and audience must hold. Any other token means nothing here: the providers are asked (RFC 7662).
Both are then shown to the userinfo endpoint, so a token that was revoked, or that is no access token, is refused there.
"""

import base64
import binascii
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from accounts.provider_client import NotAccepted, ProviderClient
from accounts.providers import Provider, provider_of, providers
from common.errors import Unavailable

# Signatures by a private key only: what everybody can read must never be enough to sign.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
LEEWAY_SECONDS = 30
# OpenID Connect Core 2: a subject has at most 255 characters. No access token is good for longer than a month here.
LONGEST_SUBJECT, LONGEST_SECONDS = 255, 30 * 24 * 3600
# Claims that ID tokens and logout tokens have, and access tokens have not.
OF_OTHER_TOKENS = ("at_hash", "c_hash", "s_hash", "events")
HEADER_TYPES = frozenset({"", "jwt", "at+jwt", "application/at+jwt"})

_clients: dict[str, ProviderClient] = {}


class Refused(Exception):
    """The token is not accepted. ``code`` is stable; ``asked`` is True when a provider had to be asked to know."""

    def __init__(self, words: str, *, code: str, asked: bool = False) -> None:
        super().__init__(words)
        self.words, self.code, self.asked = words, code, asked


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A token that holds: whose it is, until when (seconds since the epoch), and what its provider says of them."""

    provider: Provider
    subject: str
    expires: float
    claims: Mapping[str, Any]
    scope: str


def check(token: str) -> Checked:
    """The person behind ``token``; Refused when it does not hold, Unavailable when a provider can't be asked."""
    header = _header(token)
    return _check_jwt(token, header) if header is not None else _check_opaque(token)


def client_of(provider: Provider) -> ProviderClient:
    """The client that this process keeps for a provider."""
    known = _clients.get(provider.id)
    if known is None or known.provider != provider:
        known = _clients[provider.id] = ProviderClient(provider)
    return known


def _header(token: str) -> dict[str, Any] | None:
    """The header of a JWT; None for any other text."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[0] + "=" * (-len(parts[0]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "alg" in found else None


def _check_jwt(token: str, header: dict[str, Any]) -> Checked:
    provider = _provider(token)
    _refuse_other_kinds(header)
    claims = _verified(token, header, provider)
    _refuse_other_tokens(claims)
    _refuse_other_audience(claims, provider)
    return _with_userinfo(token, provider, claims)


def _check_opaque(token: str) -> Checked:
    silent: Unavailable | None = None
    for provider in providers():
        try:
            found = client_of(provider).introspect(token)
        except Unavailable as error:
            silent = error
            continue
        # A proxy may know tokens of others as well; whose they are is for their own issuer to say.
        if found is not None and found.get("iss", provider.issuer) == provider.issuer:
            return _check_introspected(token, provider, found)
    if silent is not None:
        raise silent
    raise Refused("This token is unknown.", code="token_unknown", asked=bool(providers()))


def _check_introspected(token: str, provider: Provider, found: dict[str, Any]) -> Checked:
    subject, expires, begins = found.get("sub"), found.get("exp"), found.get("nbf", 0)
    if not isinstance(subject, str) or not isinstance(expires, int | float) or not isinstance(begins, int | float):
        raise Refused("This token belongs to no person, or has no end.", code="token_incomplete", asked=True)
    if expires <= time.time() or begins > time.time() + LEEWAY_SECONDS:
        raise Refused("This token has ended, or does not hold yet.", code="token_ended", asked=True)
    _refuse_other_audience(found, provider)
    return _with_userinfo(token, provider, found)


def _provider(token: str) -> Provider:
    """The configured provider that the token says it is of. Nothing of this is believed yet."""
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Refused("This token can't be read.", code="token_malformed") from None
    provider = provider_of(issuer) if isinstance(issuer, str) else None
    if provider is None:
        raise Refused("The issuer of this token is not one of this portal's.", code="token_issuer")
    return provider


def _refuse_other_kinds(header: dict[str, Any]) -> None:
    if header.get("alg") not in ALGORITHMS:
        raise Refused("This token is not signed by a kind of key that is accepted.", code="token_algorithm")
    if str(header.get("typ") or "").lower() not in HEADER_TYPES or "crit" in header:
        raise Refused("This is no access token.", code="token_kind")


def _verified(token: str, header: dict[str, Any], provider: Provider) -> dict[str, Any]:
    kid = header.get("kid")
    key = client_of(provider).key(kid) if isinstance(kid, str) else None
    if key is None:
        raise Refused(f"This token is signed by no key of {provider.name}.", code="token_key")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            issuer=provider.issuer,
            leeway=LEEWAY_SECONDS,
            options={"verify_aud": False, "require": ["exp", "iat", "iss", "sub"]},
        )
    except jwt.ExpiredSignatureError:
        raise Refused("This token has ended. Get a new one.", code="token_ended") from None
    except jwt.ImmatureSignatureError:
        raise Refused("This token does not hold yet: are the clocks right?", code="token_early") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise Refused("This token's signature or claims do not hold.", code="token_invalid") from None
    return claims


def _refuse_other_tokens(claims: dict[str, Any]) -> None:
    kind = claims.get("typ")
    # Some Keycloaks put the login's nonce into access tokens too, and say “Bearer” there.
    if kind not in (None, "Bearer") or any(name in claims for name in OF_OTHER_TOKENS):
        raise Refused("This is no access token.", code="token_kind")
    if kind is None and "nonce" in claims:
        raise Refused("This is an ID token, not an access token.", code="token_kind")


def _refuse_other_audience(claims: dict[str, Any], provider: Provider) -> None:
    """It was made for this portal, or by the program of a client that the operator named."""
    told = claims.get("aud") or []
    audiences = {told} if isinstance(told, str) else {one for one in told if isinstance(one, str)}
    made_by = str(claims.get("azp") or claims.get("client_id") or "")
    if not audiences & provider.audiences and made_by not in provider.clients:
        raise Refused("This token was made for another service.", code="token_audience")


def _with_userinfo(token: str, provider: Provider, told: dict[str, Any]) -> Checked:
    subject = told["sub"]
    if not 0 < len(subject) <= LONGEST_SUBJECT:
        raise Refused("This token belongs to no person.", code="token_incomplete")
    try:
        claims = client_of(provider).userinfo(token)
    except NotAccepted:
        raise Refused(f"{provider.name} does not accept this token.", code="token_revoked", asked=True) from None
    if claims.get("sub") != subject:
        raise Refused("This token belongs to somebody else.", code="token_subject", asked=True)
    return Checked(
        provider=provider,
        subject=subject,
        expires=min(float(told["exp"]), time.time() + LONGEST_SECONDS),
        claims=claims,
        scope=str(told.get("scope") or ""),
    )
