"""People given a role themselves, changed, removed; and leaving."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.scopes import Scope
from common.errors import Forbidden, StateConflict, UserError
from projects.audit import record
from projects.models import Membership
from projects.roles import Action, Role
from projects.services.rules import (
    clean_role,
    locked,
    membership_of,
    refuse_above,
    refuse_last_owner,
    refuse_past,
    text,
)


def add_member(
    user: User, project_id: UUID | str, *, username: str, role: str, until: datetime | None = None
) -> Membership:
    """The person is a member. UserError ``unknown_user`` or ``bad_role``; StateConflict ``already_member``."""
    with transaction.atomic():
        project = locked(user, Action.MANAGE, project_id)
        new_role = clean_role(role)
        refuse_above(user, project, new_role)
        person = User.objects.filter(username=username, is_active=True).first()
        if person is None:
            raise UserError(f"There is no user “{username}”.", code="unknown_user", field="username")
        refuse_past(until)
        if Membership.objects.filter(project=project, user=person).exists():
            hint = "Change the role instead."
            raise StateConflict(f"{person.display_name} is a member already.", code="already_member", hint=hint)
        membership = Membership.objects.create(
            project=project, user=person, role=new_role, until=until, granted_by=user
        )
        record(project, user, "member.added", person.username, role=new_role, until=text(until))
    return membership


def change_member(
    user: User, project_id: UUID | str, member_user_id: UUID | str, *, role: str, until: datetime | None
) -> Membership:
    """The member has this role until then (None: without an end). StateConflict ``last_owner``."""
    with transaction.atomic():
        project = locked(user, Action.MANAGE, project_id)
        membership = membership_of(project, member_user_id)
        new_role = clean_role(role)
        refuse_above(user, project, new_role, Role(membership.role))
        refuse_past(until)
        if new_role is not Role.OWNER or until is not None:
            refuse_last_owner(membership)
        before = {"role": membership.role, "until": text(membership.until)}
        membership.role, membership.until, membership.granted_by = new_role, until, user
        membership.save(update_fields=["role", "until", "granted_by"])
        name = membership.user.username
        record(project, user, "member.role", name, role=new_role, until=text(until), before=before)
    return membership


def remove_member(user: User, project_id: UUID | str, member_user_id: UUID | str) -> None:
    """The person is no member any more. StateConflict ``last_owner``."""
    with transaction.atomic():
        project = locked(user, Action.MANAGE, project_id)
        membership = membership_of(project, member_user_id)
        refuse_above(user, project, Role(membership.role))
        refuse_last_owner(membership)
        membership.delete()
        record(project, user, "member.removed", membership.user.username, role=membership.role)


def leave_project(user: User, project_id: UUID | str) -> None:
    """``user`` is no member any more. StateConflict ``last_owner``."""
    with transaction.atomic():
        project = locked(user, Action.VIEW, project_id)
        if not user.allows_scope(Scope.ADMIN):
            raise Forbidden("This token has no scope “admin”.", code="scope_missing")
        membership = membership_of(project, user.pk)
        refuse_last_owner(membership)
        membership.delete()
        record(project, user, "member.left", user.username, role=membership.role)
