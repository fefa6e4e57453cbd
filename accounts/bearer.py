"""Access tokens of the institutes' providers, as ``oidc-agent`` and the device flow hand them out."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.utils import timezone
from django.utils.crypto import salted_hmac
from mozilla_django_oidc.contrib.drf import OIDCAuthentication
from rest_framework.request import Request

from accounts.access_tokens import Checked, Refused, check
from accounts.authentication import MARK, bearer_of, refuse, refuse_flood
from accounts.credentials import AccessToken
from accounts.groups import refresh_groups
from accounts.identities import ENTITLEMENTS, identity_of, refuse_outsiders
from accounts.models import ExternalIdentity, User
from accounts.providers import provider_of
from common.errors import Forbidden, Unavailable

# How old a provider's word on a token may be when something is changed by it; for reading it is the setting.
CHANGE_SECONDS = 10
REFUSED_SECONDS = 30
READING = frozenset({"GET", "HEAD", "OPTIONS"})

Record = dict[str, Any]


class InstituteAuthentication(OIDCAuthentication):
    """``Authorization: Bearer <access token>`` makes the request that of the person whom the issuer knows by it.

    The library's class knows one issuer, asks it at each request, checks no audience and finds people by their e-mail
    address; what it asks for the person is therefore ours.
    """

    www_authenticate_realm = "portolan"

    def __init__(self) -> None:
        super().__init__(backend=self)

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        """(user, token) for a token that holds; None when there is none, or a personal one; else 401 or 503."""
        self.request = request
        found = super().authenticate(request)
        return None if found is None else (found[0], found[0].token)

    def get_access_token(self, request: Request) -> str | None:
        """The request's bearer token, unless it is a personal one."""
        token = bearer_of(request)
        return None if token is None or token.startswith(MARK) else token

    def get_or_create_user(self, access_token: str, id_token: None, payload: None) -> User:
        """The person, with the token noted; what the library asks its backend for."""
        key = "bearer:" + salted_hmac("portolan.bearer", access_token, algorithm="sha256").hexdigest()
        record = _recall(key)
        if record is None or time.time() >= record["asked"] + self._longest():
            record = self._asked(access_token, key, record)
        if "hint" in record:
            raise Forbidden(record["refused"], code=record["code"], hint=record["hint"])
        if "refused" in record:
            refuse(self.request, record["refused"], code=record["code"])
        return self._person(record, key)

    def _longest(self) -> float:
        kept: float = settings.ACCESS_TOKEN_CACHE_SECONDS
        return kept if self.request.method in READING else min(kept, CHANGE_SECONDS)

    def _asked(self, token: str, key: str, before: Record | None) -> Record:
        """What the providers say now; what they said a moment ago while they do not answer."""
        refuse_flood(self.request)
        try:
            record = _record(check(token))
        except Refused as refused:
            record = {"refused": refused.words, "code": refused.code, "asked": time.time()}
            if refused.asked:
                _remember(key, record, REFUSED_SECONDS)
            return record
        except Forbidden as error:
            record = {"refused": error.message, "code": error.code, "hint": error.hint, "asked": time.time()}
            _remember(key, record, REFUSED_SECONDS)
            return record
        except Unavailable:
            if before is not None and time.time() < before["asked"] + settings.ACCESS_TOKEN_CACHE_SECONDS:
                return before
            raise
        _remember(key, record, settings.ACCESS_TOKEN_CACHE_SECONDS)
        return record

    def _person(self, record: Record, key: str) -> User:
        identity = ExternalIdentity.objects.select_related("user").filter(pk=record["identity"]).first()
        if identity is None:
            cache.delete(key)
            refuse(self.request, "This login was taken away from its account.", code="token_unknown")
        if not identity.user.is_active:
            refuse(self.request, "This account is suspended.", code="account_suspended")
        if record["expires"] <= time.time():
            refuse(self.request, "This token has ended. Get a new one.", code="token_ended")
        provider = provider_of(identity.issuer)
        if provider is None:
            refuse(self.request, "The issuer of this token is not one of this portal's.", code="token_issuer")
        identity.user.token = AccessToken(
            label=f"access token of {provider.name}",
            issuer=identity.issuer,
            subject=identity.subject,
            scopes=tuple(settings.ACCESS_TOKEN_SCOPES),
            expires_at=datetime.fromtimestamp(record["expires"], UTC),
        )
        return identity.user


def _record(checked: Checked) -> Record:
    """The person's account is there, their groups are those that the provider tells; what to keep of it."""
    refuse_outsiders(checked.provider, checked.claims)
    identity = identity_of(checked.provider, checked.subject, checked.claims)
    complete = tells_all_groups(checked.scope, checked.claims)
    if complete or any(name in checked.claims for name in ENTITLEMENTS):
        refresh_groups(identity, checked.claims, complete=complete)
        # What a token told holds as long as what a login told; then somebody has to say it again.
        told = ExternalIdentity.objects.filter(pk=identity.pk)
        (told if complete else told.filter(confirmed_at=None)).update(confirmed_at=timezone.now())
    return {"identity": str(identity.pk), "expires": checked.expires, "asked": time.time()}


def tells_all_groups(scope: str, claims: Mapping[str, Any]) -> bool:
    """True when claims got with this scope tell every group of the person.

    A token may have been asked for without groups, or narrowed to one (``eduperson_entitlement:urn:…``): what such a
    token does not tell is no reason to take it away.
    """
    words = scope.split()
    narrowed = any(word.startswith(tuple(f"{name}:" for name in ENTITLEMENTS)) for word in words)
    told = any(name in words or name in claims for name in ENTITLEMENTS)
    return bool(words) and told and not narrowed


def _remember(key: str, record: Record, seconds: float) -> None:
    # Signed, and for this token only: whoever can write into the cache still can't become somebody there.
    cache.set(key, signing.dumps(record, salt=key), timeout=max(1, int(seconds)))


def _recall(key: str) -> Record | None:
    kept = cache.get(key)
    try:
        found: Record | None = signing.loads(kept, salt=key) if isinstance(kept, str) else None
    except signing.BadSignature:
        return None
    return found
