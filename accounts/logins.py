"""What an institute's login does here: who comes in, which groups they bring, and when that ends.

Groups are told at each login; later the provider is asked with the refresh token, at most every 12 hours. A provider
that does not answer takes nothing away for GROUPS_GRACE_HOURS; then what nobody confirms ends, until the next login.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.access_tokens import client_of
from accounts.groups import refresh_groups
from accounts.identities import identity_of, refuse_outsiders
from accounts.models import ApiToken, ExternalIdentity, InstituteSession, User
from accounts.provider_client import NotAccepted
from accounts.providers import Provider, provider_of
from accounts.sealing import seal, unseal
from common.errors import Forbidden, NotFound, StateConflict, Unavailable

REFRESH_EVERY = timedelta(hours=12)
# A refresh that was begun and not ended is begun again after this; so long a worker may take.
REFRESH_TAKES = timedelta(minutes=10)

# Where a session keeps which institute it began with.
SESSION = "institute"

log = structlog.get_logger(__name__)


def log_in(provider: Provider, subject: str, claims: Mapping[str, Any], refresh_token: str) -> ExternalIdentity:
    """The identity whose account comes in, with the groups of now; Forbidden for who may not."""
    refuse_outsiders(provider, claims)
    identity = identity_of(provider, subject, claims)
    if not identity.user.is_active:
        why = identity.user.suspended_why or "The operator knows why."
        raise Forbidden("This account is suspended.", code="account_suspended", hint=why)
    _confirm(identity, claims, refresh_token)
    return identity


def link(user: User, provider: Provider, subject: str, claims: Mapping[str, Any], refresh_token: str) -> None:
    """The login leads to ``user``'s account from now on; StateConflict when it leads to another one."""
    refuse_outsiders(provider, claims)
    known = ExternalIdentity.objects.filter(issuer=provider.issuer, subject=subject).first()
    if known is None:
        try:
            with transaction.atomic():
                known = ExternalIdentity.objects.create(user=user, issuer=provider.issuer, subject=subject)
        except IntegrityError:  # a sign-in with it was quicker
            known = ExternalIdentity.objects.get(issuer=provider.issuer, subject=subject)
    if known.user_id != user.pk:
        hint = "Sign in with it and unlink it there first, or ask the operator."
        raise StateConflict("This login belongs to another account.", code="identity_taken", hint=hint)
    _confirm(known, claims, refresh_token)


def unlink(user: User, identity_id: UUID) -> None:
    """The login leads nowhere; its groups and sessions ended. StateConflict when it is the last way in."""
    with transaction.atomic():
        # One after the other: two at once could each take the other for the way that is left.
        User.objects.select_for_update().filter(pk=user.pk).first()
        identity = user.identities.filter(pk=identity_id).first()
        if identity is None:
            raise NotFound("You have no such login.", code="identity_not_found")
        if ways_in(user) - (provider_of(identity.issuer) is not None) < 1:
            hint = "Link another login first."
            raise StateConflict("This login is the only way into your account.", code="last_way_in", hint=hint)
        end_sessions(identity.sessions.all())
        identity.delete()


def ways_in(user: User) -> int:
    """How many ways to sign in ``user`` has: logins of known providers, and the password where those are allowed."""
    known = sum(provider_of(issuer) is not None for issuer in user.identities.values_list("issuer", flat=True))
    return known + (settings.LOCAL_ACCOUNTS and user.has_usable_password())


def note_session(identity: ExternalIdentity, sid: object, session_key: str) -> None:
    """The provider can end this session later."""
    words = {"identity": identity, "sid": sid[:255] if isinstance(sid, str) else ""}
    InstituteSession.objects.update_or_create(session_key=session_key, defaults=words)


def sessions_named(provider: Provider, claims: Mapping[str, Any]) -> QuerySet[InstituteSession]:
    """The sessions that a logout token's claims mean: the one called ``sid``, else all of ``sub``."""
    found = InstituteSession.objects.filter(identity__issuer=provider.issuer)
    if claims.get("sub"):
        found = found.filter(identity__subject=claims["sub"])
    return found.filter(sid=claims["sid"]) if claims.get("sid") else found


def end_sessions(sessions: QuerySet[InstituteSession]) -> int:
    """None of these sessions is one; answers how many they were."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    ended = list(sessions)
    for session in ended:
        store(session.session_key).delete()
    InstituteSession.objects.filter(pk__in=[session.pk for session in ended]).delete()
    return len(ended)


def due(now: datetime) -> QuerySet[ExternalIdentity]:
    """Identities whose groups were last told too long ago and that nobody asks about now; the longest first."""
    asked = Q(asked_at=None) | Q(asked_at__lt=now - REFRESH_TAKES)
    return ExternalIdentity.objects.filter(asked, confirmed_at__lt=now - REFRESH_EVERY).order_by("confirmed_at")


def refresh(identity_id: UUID | str) -> None:
    """The identity's groups are those of now; or those of before while the provider is silent, within the grace."""
    now = timezone.now()
    if not due(now).filter(pk=identity_id).update(asked_at=now):
        return  # another worker does it, or did it: a refresh token is good once only
    identity = ExternalIdentity.objects.select_related("user").get(pk=identity_id)
    provider = provider_of(identity.issuer)
    told = None if provider is None else _asked(identity, provider)
    if provider is None or told is None:
        _end_unconfirmed(identity, now)
        return
    claims, refresh_token = told
    try:
        refuse_outsiders(provider, claims)
    except Forbidden:
        log.info("an entitlement that is needed is gone", identity=str(identity.pk), provider=provider.id)
        _confirm(identity, {}, refresh_token)
        _close(identity)
        return
    _confirm(identity, claims, refresh_token)


def _asked(identity: ExternalIdentity, provider: Provider) -> tuple[dict[str, Any], str] | None:
    """(claims, next refresh token) as the provider tells now; None when it can't be known."""
    kept = unseal(identity.refresh_token) if identity.refresh_token else ""
    if not kept:
        return None
    client = client_of(provider)
    try:
        tokens = client.refresh(kept)
        # Kept before anything else is asked: the old one is used up.
        new = str(tokens.get("refresh_token") or kept)
        ExternalIdentity.objects.filter(pk=identity.pk).update(refresh_token=seal(new))
        claims = client.userinfo(str(tokens.get("access_token") or ""))
    except NotAccepted:
        ExternalIdentity.objects.filter(pk=identity.pk).update(refresh_token="")
        return None
    except Unavailable as error:
        log.warning("groups could not be refreshed", identity=str(identity.pk), why=error.message)
        return None
    return (claims, new) if claims.get("sub") == identity.subject else None


def _confirm(identity: ExternalIdentity, claims: Mapping[str, Any], refresh_token: str) -> None:
    refresh_groups(identity, claims)
    name = next((claims[key] for key in ("email", "name") if isinstance(claims.get(key), str)), "")
    identity.confirmed_at = timezone.now()
    identity.asked_at = None
    identity.told_as = name[:300] or identity.told_as
    if refresh_token:
        identity.refresh_token = seal(refresh_token)
    identity.save(update_fields=["confirmed_at", "asked_at", "told_as", "refresh_token"])


def _end_unconfirmed(identity: ExternalIdentity, now: datetime) -> None:
    confirmed = identity.confirmed_at or identity.created_at
    if now - confirmed > REFRESH_EVERY + timedelta(hours=settings.GROUPS_GRACE_HOURS):
        refresh_groups(identity, {})
        log.info("groups that nobody confirmed ended", identity=str(identity.pk))
        # Nothing more is to be asked before the next login.
        ExternalIdentity.objects.filter(pk=identity.pk).update(confirmed_at=None, asked_at=None)


def _close(identity: ExternalIdentity) -> None:
    """Who came in by this login alone is out: no session and no personal token is left."""
    end_sessions(identity.sessions.all())
    user = identity.user
    if ways_in(user) > 1:
        return
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())
