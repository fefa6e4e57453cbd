"""Bearer tokens for the API."""

import hashlib
from datetime import timedelta
from typing import NoReturn, cast

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.models import ApiToken, User

SEEN_EVERY = timedelta(minutes=1)


def digest(secret: str) -> str:
    """SHA-256 of a token's secret, as kept in the database (the secret itself is 256 random bits)."""
    return hashlib.sha256(secret.encode()).hexdigest()


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer <personal token>`` makes the request that person's, narrowed by the token."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """(user, token) for a usable personal token; None when there is no bearer token; else 401."""
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        if len(words) != 2:
            raise AuthenticationFailed("The Authorization header must be “Bearer <token>”.", code="bad_authorization")
        secret = words[1].decode("utf-8", "replace")
        token = ApiToken.objects.select_related("user").filter(digest=digest(secret)).first()
        if token is None or not token.user.is_active:
            raise AuthenticationFailed("This token is unknown.", code="token_unknown")
        if not token.usable:
            _refuse_ended(token)
        _note_use(token, request)
        token.user.token = token
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """What a 401 tells the client to send."""
        return 'Bearer realm="portolan"'


def person(request: Request) -> User:
    """Who asks; for views that only let known people in."""
    return cast(User, request.user)


def _refuse_ended(token: ApiToken) -> NoReturn:
    if token.revoked_at is not None:
        raise AuthenticationFailed("This token was revoked. Make a new one.", code="token_revoked")
    day = token.expires_at.date().isoformat()
    raise AuthenticationFailed(f"This token ended on {day}. Make a new one.", code="token_ended")


def _note_use(token: ApiToken, request: Request) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > SEEN_EVERY:
        address = request.META.get("REMOTE_ADDR") or None
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=address)
