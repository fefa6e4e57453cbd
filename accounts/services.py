"""What a person may command about their own account: make and end tokens."""

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from accounts.authentication import MARK, digest
from accounts.models import ApiToken, User
from accounts.scopes import Scope
from common.errors import Forbidden, NotFound, UserError

SHOWN = 12
LONGEST_DAYS = 365
LABEL_LENGTH = 100


def make_token(
    user: User, *, label: str, scopes: list[Scope], days: int = 90, projects: list[UUID] | None = None
) -> tuple[ApiToken, str]:
    """A new token of ``user`` exists; the second part is its secret, which is nowhere kept.

    Raises UserError for an empty label or scopes, unknown scopes or more than 365 days; Forbidden when asked with a
    token that has no scope ``admin`` or is itself narrower than what it asks for.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise UserError(f"A token lasts 1 to {LONGEST_DAYS} days.", code="bad_days", field="days")
    return make_token_until(
        user, label=label, scopes=scopes, end=timezone.now() + timedelta(days=days), projects=projects
    )


def make_token_until(
    user: User, *, label: str, scopes: list[Scope], end: datetime, projects: list[UUID] | None = None
) -> tuple[ApiToken, str]:
    """As ``make_token``, with the moment at which the token ends."""
    label, wanted = label.strip(), _known(scopes)
    if not label or len(label) > LABEL_LENGTH:
        raise UserError(f"Say in 1 to {LABEL_LENGTH} letters what the token is for.", code="bad_label", field="label")
    if not timezone.now() < end <= timezone.now() + timedelta(days=LONGEST_DAYS, minutes=1):
        raise UserError(f"A token ends within {LONGEST_DAYS} days from now.", code="bad_end", field="expires_at")
    ids = [str(project) for project in projects or []]
    _refuse_wider(user, wanted, ids, end)
    secret = MARK + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        label=label,
        prefix=secret[:SHOWN],
        digest=digest(secret),
        scopes=wanted,
        project_ids=ids,
        expires_at=end,
    )
    return token, secret


def own_tokens(user: User) -> QuerySet[ApiToken]:
    """All tokens of ``user``, also those that have ended; Forbidden for a token without the scope ``read``.

    A token that is kept to some projects knows only of those that are kept within them, and ends no others.
    """
    if not user.allows_scope(Scope.READ):
        raise Forbidden("This token has no scope “read”.", code="scope_missing")
    return _within_reach(user)


def revoke_token(user: User, token_id: UUID | str) -> None:
    """The token can't be used any more, from this call on; NotFound when it is not one of ``user``'s.

    A token may always end itself; it ends others with the scope ``admin`` only.
    """
    if user.token is None or str(user.token.pk) != str(token_id):
        _need_admin(user)
    token = _within_reach(user).filter(pk=token_id).first()
    if token is None:
        raise NotFound("You have no such token.", code="token_not_found")
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())


def revoke_all(user: User) -> int:
    """None of ``user``'s tokens can be used any more; answers how many that ended."""
    _need_admin(user)
    now = timezone.now()
    return _within_reach(user).filter(revoked_at=None, expires_at__gt=now).update(revoked_at=now)


def _within_reach(user: User) -> QuerySet[ApiToken]:
    mine = ApiToken.objects.filter(user=user)
    if user.token is None or not user.token.project_ids:
        return mine
    held = set(user.token.project_ids)
    kept = mine.order_by().values_list("pk", "project_ids")
    return mine.filter(pk__in=[pk for pk, projects in kept if projects and set(projects) <= held])


def _known(scopes: list[Scope]) -> list[str]:
    asked = {str(scope) for scope in scopes}
    unknown = asked - set(Scope.values)
    if unknown or not asked:
        words = ", ".join(sorted(unknown)) or "none"
        hint = f"Choose from {', '.join(Scope.values)}."
        raise UserError(f"Not scopes of a token: {words}.", code="bad_scopes", field="scopes", hint=hint)
    return [scope for scope in Scope.values if scope in asked]


def _need_admin(user: User) -> None:
    if not user.allows_scope(Scope.ADMIN):
        hint = "Use the tokens page, or a token with the scope “admin”."
        raise Forbidden("This token has no scope “admin”.", code="scope_missing", hint=hint)


def _refuse_wider(user: User, scopes: list[str], projects: list[str], end: datetime) -> None:
    """Least right: what a token makes is never more than the token."""
    if user.token is None:
        return
    _need_admin(user)
    held = user.token
    narrower = set(scopes) <= set(held.scopes) and end <= held.expires_at
    if held.project_ids:
        narrower = narrower and bool(projects) and set(projects) <= set(held.project_ids)
    if not narrower:
        hint = "Ask for fewer scopes, fewer projects or an earlier end, or use the tokens page."
        raise Forbidden("A token can't make one that may do more or lasts longer.", code="token_too_wide", hint=hint)
