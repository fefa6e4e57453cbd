"""People given a role themselves, changed, removed; and leaving."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.scopes import Scope
from common.errors import Forbidden, StateConflict, UserError
from projects.audit import record
from projects.models import Membership, Project
from projects.permissions import get_project
from projects.roles import Action, Role
from projects.services.rules import (
    clean_purpose,
    clean_role,
    locked,
    membership_of,
    refuse_above,
    refuse_last_owner,
    refuse_past,
    text,
)


def add_member(
    user: User,
    project_id: UUID | str,
    *,
    username: str,
    role: str,
    until: datetime | None = None,
    purpose: str = "",
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
        why = clean_purpose(purpose, needed=False)
        if Membership.objects.filter(project=project, user=person).exists():
            hint = "Change the role instead."
            raise StateConflict(f"{person.display_name} is a member already.", code="already_member", hint=hint)
        membership = Membership.objects.create(
            project=project, user=person, role=new_role, purpose=why, until=until, granted_by=user
        )
        record(project, user, "member.added", person.username, role=new_role, purpose=why, until=text(until))
    return membership


def change_member(
    user: User,
    project_id: UUID | str,
    member_user_id: UUID | str,
    *,
    role: str,
    until: datetime | None,
    purpose: str | None = None,
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
        why = membership.purpose if purpose is None else clean_purpose(purpose, needed=False)
        membership.role, membership.until, membership.purpose, membership.granted_by = new_role, until, why, user
        membership.save(update_fields=["role", "until", "purpose", "granted_by"])
        told = {"role": new_role, "purpose": why, "until": text(until), "before": before}
        record(project, user, "member.role", membership.user.username, **told)
    return membership


def remove_member(user: User, project_id: UUID | str, member_user_id: UUID | str, *, why: str = "") -> None:
    """The person is no member any more, and has what their groups give. StateConflict ``last_owner``."""
    with transaction.atomic():
        project = locked(user, Action.MANAGE, project_id)
        membership = membership_of(project, member_user_id)
        refuse_above(user, project, Role(membership.role))
        refuse_last_owner(membership)
        membership.delete()
        why = clean_purpose(why, needed=False)
        record(project, user, "member.removed", membership.user.username, role=membership.role, why=why)


def refuse_leaving(user: User, project_id: UUID | str) -> None:
    """Nothing happens when ``user`` could leave now; else what ``leave_project`` raises."""
    project = get_project(user, Action.VIEW, project_id)
    _refuse_leaving(user, project)


def leave_project(user: User, project_id: UUID | str) -> None:
    """``user`` has no role of their own any more. NotFound ``member_not_found`` for who is here by a group only;
    StateConflict ``last_owner``.
    """
    with transaction.atomic():
        project = locked(user, Action.VIEW, project_id)
        membership = _refuse_leaving(user, project)
        membership.delete()
        record(project, user, "member.left", user.username, role=membership.role)


def _refuse_leaving(user: User, project: Project) -> Membership:
    if not user.allows_scope(Scope.ADMIN):
        raise Forbidden("This token has no scope “admin”.", code="scope_missing")
    membership = membership_of(project, user.pk)
    refuse_last_owner(membership)
    return membership
