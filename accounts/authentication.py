"""Bearer tokens for the API: what is common to all kinds, and the personal ones."""

import hashlib
from datetime import timedelta
from typing import NoReturn, cast

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.limits import REFUSALS, Room, place_of
from accounts.models import ApiToken, User
from common.errors import TooOften

MARK = "ptl_"
LONGEST_TOKEN = 16_384
SEEN_EVERY = timedelta(minutes=1)


def digest(secret: str) -> str:
    """SHA-256 of a token's secret, as kept in the database (the secret itself is 256 random bits)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def bearer_of(request: Request) -> str | None:
    """The request's bearer token; None when it has none; refused when the header can't be one or is over 16 KiB."""
    words = get_authorization_header(request).split()
    if not words or words[0].lower() != b"bearer":
        return None
    if len(words) != 2:
        refuse(request, "The Authorization header must be “Bearer <token>”.", code="bad_authorization")
    if len(words[1]) > LONGEST_TOKEN:
        refuse(request, f"A token has at most {LONGEST_TOKEN // 1024} KiB.", code="token_too_long")
    return words[1].decode("utf-8", "replace")


def address_of(request: Request) -> str:
    """Where the request comes from, as the server in front tells it."""
    return request.META.get("REMOTE_ADDR") or ""


def refuse(request: Request, words: str, *, code: str) -> NoReturn:
    """401 with the reason, counted for the address; 429 once it had too many of them."""
    room = REFUSALS.take(place_of(address_of(request)))
    request._request.rate_limit = room.headers()  # type: ignore[attr-defined]
    if room.over:
        raise _flood(room)
    raise AuthenticationFailed(words, code=code)


def refuse_flood(request: Request) -> None:
    """Nothing happens while few tokens from this address were refused; else TooOften."""
    room = REFUSALS.look(place_of(address_of(request)))
    if room.over:
        raise _flood(room)


def _flood(room: Room) -> TooOften:
    hint = "Look at what your script sends; tokens that were good before go on working."
    message = "Too many tokens from this address were refused in a short while."
    return TooOften(message, code="too_many_refusals", hint=hint, wait=room.seconds)


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer ptl_…`` makes the request that person's, narrowed by the personal token."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """(user, token) for a usable personal token; None when there is none; else 401."""
        secret = bearer_of(request)
        if secret is None or not secret.startswith(MARK):
            return None
        token = ApiToken.objects.select_related("user").filter(digest=digest(secret)).first()
        if token is None or not token.user.is_active:
            refuse(request, "This token is unknown.", code="token_unknown")
        if token.revoked_at is not None:
            refuse(request, "This token was revoked. Make a new one.", code="token_revoked")
        if not token.usable:
            day = token.expires_at.date().isoformat()
            refuse(request, f"This token ended on {day}. Make a new one.", code="token_ended")
        _note_use(token, request)
        token.user.token = token
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """What a 401 tells the client to send."""
        return 'Bearer realm="portolan"'


def person(request: Request) -> User:
    """Who asks; for views that only let known people in."""
    return cast(User, request.user)


def _note_use(token: ApiToken, request: Request) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > SEEN_EVERY:
        address = address_of(request) or None
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now, last_used_from=address)
