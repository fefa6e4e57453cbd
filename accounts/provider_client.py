"""What the portal asks of an institute's provider: its endpoints, its keys, and what it knows of a token.

Only the issuers that the operator configured are ever asked, at the addresses that their own discovery documents name;
nothing in a token leads anywhere. Answers that can't be had are Unavailable, never a guess.
"""

import threading
import time
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import structlog
from jwt import PyJWK, PyJWKClient, PyJWKClientError, PyJWKSetError
from jwt.exceptions import PyJWKClientConnectionError

from accounts.providers import Provider
from common.errors import Unavailable

ANSWER_SECONDS = 5.0
DOCUMENT_SECONDS = 3600.0
KEYS_SECONDS = 300.0
# How long nobody else waits for a provider that has just not answered.
AWAY_SECONDS = 5.0
# A key that is not known may be new: so often the keys are fetched anew at once, then once more each so many seconds.
REFETCHES, REFETCH_SECONDS = 5, 10.0

log = structlog.get_logger(__name__)


@cache
def _http() -> httpx.Client:
    """Connections are kept for the next question; redirections are not followed."""
    return httpx.Client(timeout=ANSWER_SECONDS)


class NotAccepted(Exception):
    """The provider does not accept this token."""


class Refetches:
    """A bucket: ``take()`` is True a few times at once, then once in each while."""

    def __init__(self) -> None:
        self.left, self.at = float(REFETCHES), time.monotonic()

    def take(self) -> bool:
        """True when there was one left."""
        now = time.monotonic()
        self.left, self.at = min(float(REFETCHES), self.left + (now - self.at) / REFETCH_SECONDS), now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class ProviderClient:
    """One provider, as this process knows it."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._lock = threading.RLock()
        self._document: tuple[float, dict[str, Any]] | None = None
        self._keys: PyJWKClient | None = None
        self._refetches = Refetches()
        self._away_until = 0.0

    def endpoint(self, name: str) -> str:
        """An address of the provider; "" when it has no such endpoint."""
        found = str(self._discovered().get(name) or "")
        if found and urlsplit(found).scheme not in ("https", urlsplit(self.provider.issuer).scheme):
            raise self._unavailable("its discovery document names an address without TLS")
        return found

    def says(self, name: str) -> bool:
        """True when the provider's discovery document says so."""
        return self._discovered().get(name) is True

    def key(self, kid: str) -> PyJWK | None:
        """The signing key of this name, also one that the provider has had for a moment only; None when it has none.

        Unavailable when the provider does not answer, or when so many unknown keys were asked for just now that it is
        not asked again yet.
        """
        with self._lock:
            found = self._match(kid, refresh=False)
            if found is None:
                if not self._refetches.take():
                    raise self._unavailable("it was asked for its keys too often", wait=int(REFETCH_SECONDS))
                found = self._match(kid, refresh=True)
            return found

    def introspect(self, token: str) -> dict[str, Any] | None:
        """What the provider says of a token that is active; None when it is not, or when it can't be asked at all."""
        address = self.endpoint("introspection_endpoint")
        if not address:
            return None
        answer = self._ask(
            "POST",
            address,
            data={"token": token, "token_type_hint": "access_token"},
            auth=(self.provider.client_id, self.provider.client_secret),
        )
        if answer.status_code >= 400:
            log.error("a provider refuses to introspect", provider=self.provider.id, status=answer.status_code)
            raise self._unavailable("it refuses to tell us about tokens")
        found = self._json(answer)
        return found if found.get("active") is True else None

    def userinfo(self, token: str) -> dict[str, Any]:
        """The claims of the token's person; NotAccepted when the provider refuses the token."""
        answer = self._ask("GET", self.endpoint("userinfo_endpoint"), headers={"Authorization": f"Bearer {token}"})
        if answer.status_code in (400, 401, 403):
            raise NotAccepted
        if answer.status_code >= 400:
            raise self._unavailable(f"it answered {answer.status_code}")
        return self._json(answer)

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        """New tokens for a refresh token, which may be used up by it; NotAccepted when the provider refuses it."""
        answer = self._ask(
            "POST",
            self.endpoint("token_endpoint"),
            data={
                "grant_type": "refresh_token",
                "refresh_token": refresh_token,
                "scope": " ".join(self.provider.scopes),
            },
            auth=(self.provider.client_id, self.provider.client_secret),
        )
        if answer.status_code >= 400:
            if self._json(answer).get("error") == "invalid_grant":
                raise NotAccepted
            log.error("a provider refuses to refresh", provider=self.provider.id, status=answer.status_code)
            raise self._unavailable("it refuses to refresh tokens")
        return self._json(answer)

    def _discovered(self) -> dict[str, Any]:
        with self._lock:
            now = time.monotonic()
            if self._document is None or now - self._document[0] > DOCUMENT_SECONDS:
                answer = self._ask("GET", self.provider.discovery_url)
                if answer.status_code >= 400:
                    raise self._unavailable(f"its discovery document is not there ({answer.status_code})")
                found = self._json(answer)
                if found.get("issuer") != self.provider.issuer:
                    log.error("a provider names another issuer", provider=self.provider.id, issuer=found.get("issuer"))
                    raise self._unavailable("its discovery document names another issuer")
                self._document = now, found
            return self._document[1]

    def _match(self, kid: str, *, refresh: bool) -> PyJWK | None:
        self._refuse_away()
        address = self.endpoint("jwks_uri")
        try:
            if self._keys is None or self._keys.uri != address:
                self._keys = PyJWKClient(address, lifespan=KEYS_SECONDS, timeout=ANSWER_SECONDS, cooldown_duration=0)
            return self._keys.match_kid(self._keys.get_signing_keys(refresh=refresh), kid)
        except PyJWKClientConnectionError as error:
            raise self._away() from error
        except (PyJWKClientError, PyJWKSetError, ValueError) as error:
            raise self._unavailable("its keys can't be read") from error

    def _ask(self, method: str, address: str, **words: Any) -> httpx.Response:
        self._refuse_away()
        try:
            answer = _http().request(method, address, **words)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._away() from error
        if answer.status_code >= 500 or answer.status_code == 429 or answer.is_redirect:
            raise self._unavailable(f"it answered {answer.status_code}")
        return answer

    def _json(self, answer: httpx.Response) -> dict[str, Any]:
        try:
            found = answer.json()
        except ValueError as error:
            raise self._unavailable("its answer is no JSON") from error
        if not isinstance(found, dict):
            raise self._unavailable("its answer is no JSON object")
        return cast(dict[str, Any], found)

    def _refuse_away(self) -> None:
        if time.monotonic() < self._away_until:
            raise self._unavailable("it does not answer")

    def _away(self) -> Unavailable:
        self._away_until = time.monotonic() + AWAY_SECONDS
        log.warning("a provider does not answer", provider=self.provider.id)
        return self._unavailable("it does not answer")

    def _unavailable(self, why: str, *, wait: int = 10) -> Unavailable:
        message = f"{self.provider.name} can't be asked about this token: {why}."
        hint = "Try again in a moment; a personal token works without the provider."
        return Unavailable(message, code="provider_unavailable", hint=hint, wait=wait)
