"""Invitations by a link that is sent by mail: for one use, with an end, kept as a hash."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.authentication import digest
from accounts.models import User
from accounts.scopes import Scope
from common.errors import Forbidden, NotFound, StateConflict, UserError
from projects import notices
from projects.audit import record
from projects.models import Invitation, Membership, Project
from projects.permissions import get_project, role_in
from projects.roles import RULES, Action, Role, at_least
from projects.services.rules import clean_purpose, clean_role, give_role, locked, refuse_above, refuse_past, text

LONGEST_DAYS, DAYS, MOST_OPEN = 60, 14, 200
ADDRESS = "/invitation/"


@dataclass(frozen=True, kw_only=True)
class Invited:
    """An invitation just made. ``link`` is told this once; ``mailed`` is False where no mail could be sent."""

    invitation: Invitation
    link: str
    mailed: bool


def invite(
    user: User,
    project_id: UUID | str,
    *,
    email: str,
    role: str,
    purpose: str = "",
    until: datetime | None = None,
    days: int = DAYS,
) -> Invited:
    """Whoever opens the link first, signed in, within ``days`` has the role until ``until``; it was sent to ``email``.

    UserError ``bad_email``, ``bad_role``, ``bad_until``, ``bad_days`` or ``bad_purpose``; StateConflict
    ``too_many_invitations``.
    """
    email = _clean_email(email)
    if not 1 <= days <= LONGEST_DAYS:
        raise UserError(f"An invitation lasts 1 to {LONGEST_DAYS} days.", code="bad_days", field="days")
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        project = locked(user, Action.MANAGE, project_id)
        new_role, why = clean_role(role), clean_purpose(purpose, needed=False)
        refuse_above(user, project, new_role)
        refuse_past(until)
        ends = timezone.now() + timedelta(days=days)
        if open_invitations(project).count() >= MOST_OPEN:
            raise StateConflict("Too many invitations are open.", code="too_many_invitations", hint="Revoke some.")
        made = Invitation.objects.create(
            project=project,
            email=email,
            role=new_role,
            purpose=why,
            until=until,
            digest=digest(secret),
            invited_by=user,
            expires_at=ends,
        )
        record(project, user, "invitation.made", email, role=new_role, purpose=why, until=text(until))
    link = f"{settings.PORTAL_URL}{ADDRESS}?code={secret}"
    return Invited(invitation=made, link=link, mailed=notices.send_invitation(made, link))


def open_invitations(project: Project) -> QuerySet[Invitation]:
    """The project's invitations that can still be used."""
    return project.invitations.filter(used_at=None, revoked_at=None, expires_at__gt=timezone.now())


def invitations_of(user: User, project_id: UUID | str) -> QuerySet[Invitation]:
    """All invitations into the project, newest first; needs the role manager."""
    project = get_project(user, Action.MANAGE, project_id)
    return project.invitations.select_related("invited_by", "used_by")


def revoke_invitation(user: User, project_id: UUID | str, invitation_id: UUID | str) -> None:
    """The link can't be used any more; StateConflict ``invitation_used`` when it was."""
    with transaction.atomic():
        project = locked(user, Action.MANAGE, project_id)
        found = project.invitations.filter(pk=invitation_id).first()
        if found is None:
            raise NotFound("The project has no such invitation.", code="invitation_not_found")
        if found.used_at is not None:
            raise StateConflict("It was used already.", code="invitation_used", hint="Remove the member instead.")
        if found.revoked_at is None:
            found.revoked_at = timezone.now()
            found.save(update_fields=["revoked_at"])
            record(project, user, "invitation.revoked", found.email, role=found.role)


def invitation_of(code_digest: str) -> Invitation:
    """The invitation of a link whose code has this digest, while it can be used.

    NotFound ``invitation_not_found``; StateConflict ``invitation_used``, ``invitation_revoked``, ``invitation_ended``
    or ``invitation_void``, when who invited may do so no more.
    """
    found = Invitation.objects.select_related("project", "invited_by").filter(digest=code_digest).first()
    if found is None:
        raise NotFound("There is no such invitation.", code="invitation_not_found", hint="Ask for a new link.")
    if found.state != "open":
        words = {"used": "was used already", "revoked": "was taken back", "ended": "has ended"}[found.state]
        hint = "Ask who invited you for a new one."
        raise StateConflict(f"This invitation {words}.", code=f"invitation_{found.state}", hint=hint)
    held = role_in(found.invited_by, found.project)
    if held is None or not at_least(held, RULES[Action.MANAGE][0]) or not at_least(held, found.role):
        hint = "Ask a manager of the project for a new one."
        raise StateConflict("Who invited you can't do so any more.", code="invitation_void", hint=hint)
    return found


def accept_invitation(user: User, code_digest: str) -> Membership:
    """``user`` is a member and the link is used up; it raises what ``invitation_of`` does, and ``already_member``."""
    if not user.allows_scope(Scope.ADMIN) or (user.token is not None and user.token.project_ids):
        hint = "Accept it on its page, or use a token with the scope “admin” that is not kept to some projects."
        raise Forbidden("This token can't accept invitations.", code="scope_missing", hint=hint)
    with transaction.atomic():
        project_id = invitation_of(code_digest).project_id
        Project.objects.select_for_update().filter(pk=project_id).first()
        # Asked again: somebody may have used it while we waited for the lock.
        found = invitation_of(code_digest)
        membership = give_role(
            found.project,
            user,
            role=Role(found.role),
            until=found.until,
            purpose=found.purpose,
            granted_by=found.invited_by,
        )
        found.used_at, found.used_by = timezone.now(), user
        found.save(update_fields=["used_at", "used_by"])
        told = {"role": found.role, "purpose": found.purpose, "until": text(found.until)}
        who = {"sent_to": found.email, "invited_by": found.invited_by.username}
        record(found.project, user, "invitation.accepted", user.username, **told, **who)
    return membership


def _clean_email(email: str) -> str:
    try:
        validate_email(email.strip())
    except ValidationError:
        raise UserError("This is no e-mail address.", code="bad_email", field="email") from None
    return email.strip()
