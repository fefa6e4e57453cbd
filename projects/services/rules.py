"""What all changes of a project's people and state share: the lock, and what is refused."""

from datetime import datetime
from uuid import UUID

from django.utils import timezone

from accounts.models import User
from common.errors import Forbidden, NotFound, StateConflict, UserError
from projects.models import Membership, Project
from projects.permissions import get_project, role_in
from projects.roles import Action, Role, at_least

PURPOSE_LENGTH = 300


def locked(user: User, action: Action, project_id: UUID | str) -> Project:
    """The project with its row locked: changes of its people and state happen one after the other."""
    get_project(user, action, project_id)
    Project.objects.select_for_update().filter(pk=project_id).first()
    # Asked again: what was allowed before the lock was ours may have been taken away while we waited.
    return get_project(user, action, project_id)


def membership_of(project: Project, user_id: UUID | str) -> Membership:
    """The person's own membership; NotFound ``member_not_found`` without one."""
    found = Membership.objects.select_related("user").filter(project=project, user_id=user_id).first()
    if found is None:
        raise NotFound("This person is not a member of the project.", code="member_not_found")
    return found


def give_role(
    project: Project, person: User, *, role: Role, until: datetime | None, purpose: str, granted_by: User
) -> Membership:
    """The person has this role of their own. StateConflict ``already_member`` for who has one as strong; call it under
    the project's lock.
    """
    membership = Membership.objects.filter(project=project, user=person).first()
    if membership is not None and membership.in_force and at_least(membership.role, role):
        hint = "Change the role on the page of the project's people."
        raise StateConflict(f"{person.display_name} is a member already.", code="already_member", hint=hint)
    given = {"role": role, "until": until, "purpose": purpose, "granted_by": granted_by}
    return Membership.objects.update_or_create(project=project, user=person, defaults=given)[0]


def refuse_above(user: User, project: Project, *roles: Role) -> None:
    """Nothing happens when ``user`` is as strong as all of ``roles``; else Forbidden."""
    own = role_in(user, project) or Role.VIEWER
    if not all(at_least(own, role) for role in roles):
        hint = "Ask an owner of the project."
        raise Forbidden("Only an owner can make, change or remove owners.", code="role_too_weak", hint=hint)


def refuse_last_owner(membership: Membership) -> None:
    """An owner whose role ends on a day does not count: the project must never be without one."""
    if membership.role != Role.OWNER:
        return
    others = Membership.objects.filter(project=membership.project, role=Role.OWNER, until=None, user__is_active=True)
    if not others.exclude(pk=membership.pk).exists():
        hint = "Make another member owner, without an end date, first."
        raise StateConflict("A project keeps at least one owner.", code="last_owner", hint=hint)


def clean_role(role: str) -> Role:
    """The role of that name; UserError ``bad_role``."""
    if role not in Role.values:
        raise UserError(f"A role is one of {', '.join(Role.values)}.", code="bad_role", field="role")
    return Role(role)


def clean_purpose(purpose: str, *, needed: bool = True) -> str:
    """The purpose in one line; UserError ``bad_purpose``."""
    cleaned = " ".join(purpose.split())
    if len(cleaned) > PURPOSE_LENGTH or not cleaned.isprintable() or (needed and not cleaned):
        message = f"Say in 1 to {PURPOSE_LENGTH} letters what the access is for."
        raise UserError(message, code="bad_purpose", field="purpose")
    return cleaned


def refuse_past(until: datetime | None) -> None:
    """Nothing happens for an end that is still to come, or for none; else UserError ``bad_until``."""
    if until is not None and until <= timezone.now():
        raise UserError("The end of a membership lies in the future.", code="bad_until", field="until")


def text(moment: datetime | None) -> str | None:
    """The moment as the trail writes it."""
    return moment.isoformat() if moment else None
