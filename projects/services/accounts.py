"""What an operator may command about people's accounts; each change is in the gateway's own trail."""

from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import ApiToken, User
from accounts.operators import check_operator
from common.errors import NotFound, StateConflict, UserError
from projects.audit import record
from projects.models import Membership

WHY_LENGTH = 300


def accounts(operator: User, *, search: str = "") -> QuerySet[User]:
    """All accounts, newest first, with ``project_count`` and ``token_count``; ``search`` looks at every name.

    A name is the user name, the full name, the e-mail address, or the issuer and subject of an institute.
    """
    check_operator(operator)
    found = User.objects.order_by("-date_joined", "id").prefetch_related("identities")
    for word in search.split()[:10]:
        names = ("username", "first_name", "last_name", "email", "identities__issuer", "identities__subject")
        match = Q()
        for name in names:
            match |= Q(**{f"{name}__icontains": word})
        found = found.filter(pk__in=User.objects.filter(match).values("pk"))
    return found.annotate(
        project_count=_counted(Membership.objects.filter(Q(until=None) | Q(until__gt=timezone.now()))),
        token_count=_counted(ApiToken.objects.filter(revoked_at=None, expires_at__gt=timezone.now())),
    )


def account(operator: User, user_id: UUID | str) -> User:
    """The account as in ``accounts``; NotFound ``account_not_found``."""
    found = accounts(operator).filter(pk=user_id).first()
    if found is None:
        raise NotFound("There is no such account.", code="account_not_found")
    return found


def suspend(operator: User, user_id: UUID | str, *, why: str) -> User:
    """The account is closed at once: every session and token has ended, no role counts, no upload goes on.

    Roles and files stay, and count again when it is opened. UserError ``bad_why``; StateConflict ``own_account`` or
    ``suspended``.
    """
    why = why.strip()
    if not 1 <= len(why) <= WHY_LENGTH:
        raise UserError(f"Say why in 1 to {WHY_LENGTH} letters; it is kept in the trail.", code="bad_why", field="why")
    with transaction.atomic():
        person = locked_account(operator, user_id)
        if person.pk == operator.pk:
            raise StateConflict("You can't suspend your own account.", code="own_account", hint="Ask another operator.")
        if not person.is_active:
            raise StateConflict("This account is suspended already.", code="suspended")
        User.objects.filter(pk=person.pk).update(
            is_active=False, suspended_why=why, session_epoch=F("session_epoch") + 1
        )
        ended = ApiToken.objects.filter(user=person, revoked_at=None).update(revoked_at=timezone.now())
        record(None, operator, "account.suspended", person.username, why=why, tokens=ended)
    return account(operator, user_id)


def unsuspend(operator: User, user_id: UUID | str) -> User:
    """The person can sign in again, with their roles; ended tokens stay ended. StateConflict ``not_suspended``."""
    with transaction.atomic():
        person = locked_account(operator, user_id)
        if person.is_active:
            raise StateConflict("This account is not suspended.", code="not_suspended")
        User.objects.filter(pk=person.pk).update(is_active=True, suspended_why="")
        record(None, operator, "account.opened", person.username, why=person.suspended_why)
    return account(operator, user_id)


def locked_account(operator: User, user_id: UUID | str) -> User:
    """The account with its row locked, for an operator; NotFound ``account_not_found``."""
    check_operator(operator)
    person = User.objects.select_for_update().filter(pk=user_id).first()
    if person is None:
        raise NotFound("There is no such account.", code="account_not_found")
    return person


def _counted(rows: QuerySet) -> Coalesce:
    """How many of ``rows`` are the person's, asked beside the list and not joined to it."""
    counted = rows.filter(user=OuterRef("pk")).order_by().values("user").annotate(number=Count("pk"))
    return Coalesce(Subquery(counted.values("number")), 0)
