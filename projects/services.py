"""What a person may command about a project and its people; each change is in the audit trail."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.scopes import Scope
from common.errors import Forbidden, NotFound, StateConflict, UserError
from projects.audit import record
from projects.models import Membership, Project
from projects.permissions import get_project, role_in
from projects.roles import Action, Role, at_least

NAME_LENGTH = 120
DESCRIPTION_LENGTH = 4000


def create_project(user: User, *, name: str, description: str = "") -> Project:
    """A project whose one owner is ``user``; its folder is ``storage.services.folders.open_project``'s to make."""
    if not user.allows_scope(Scope.ADMIN) or (user.token is not None and user.token.project_ids):
        hint = "Make a token with the scope “admin” that is not kept to some projects."
        raise Forbidden("This token can't make projects.", code="scope_missing", hint=hint)
    name, description = _clean_name(name), _clean_description(description)
    with transaction.atomic():
        project = Project.objects.create(name=name, description=description)
        Membership.objects.create(project=project, user=user, role=Role.OWNER, granted_by=user)
        record(project, user, "project.created", name)
    return project


def rename_project(
    user: User, project_id: UUID | str, *, name: str | None = None, description: str | None = None
) -> Project:
    """The project has the new name and description; None leaves as it is."""
    with transaction.atomic():
        project = _locked(user, Action.MANAGE, project_id)
        if project.archived:
            raise StateConflict(f"“{project.name}” is archived.", code="project_archived", hint="Restore it first.")
        before = {"name": project.name, "description": project.description}
        project.name = project.name if name is None else _clean_name(name)
        project.description = project.description if description is None else _clean_description(description)
        if before != {"name": project.name, "description": project.description}:
            project.save(update_fields=["name", "description"])
            record(project, user, "project.renamed", project.name, before=before["name"])
    return project


def archive_project(user: User, project_id: UUID | str) -> Project:
    """The project is kept for reading only; nothing happens when it is already."""
    with transaction.atomic():
        project = _locked(user, Action.OWN, project_id)
        if not project.archived:
            project.archived_at = timezone.now()
            project.save(update_fields=["archived_at"])
            record(project, user, "project.archived", project.name)
    return project


def restore_project(user: User, project_id: UUID | str) -> Project:
    """The project can be worked in again; nothing happens when it can already."""
    with transaction.atomic():
        project = _locked(user, Action.OWN, project_id)
        if project.archived:
            project.archived_at = None
            project.save(update_fields=["archived_at"])
            record(project, user, "project.restored", project.name)
    return project


def add_member(
    user: User, project_id: UUID | str, *, username: str, role: str, until: datetime | None = None
) -> Membership:
    """The person is a member. UserError ``unknown_user`` or ``bad_role``; StateConflict ``already_member``."""
    with transaction.atomic():
        project = _locked(user, Action.MANAGE, project_id)
        new_role = _clean_role(role)
        _refuse_above(user, project, new_role)
        person = User.objects.filter(username=username, is_active=True).first()
        if person is None:
            raise UserError(f"There is no user “{username}”.", code="unknown_user", field="username")
        _refuse_past(until)
        if Membership.objects.filter(project=project, user=person).exists():
            hint = "Change the role instead."
            raise StateConflict(f"{person.display_name} is a member already.", code="already_member", hint=hint)
        membership = Membership.objects.create(
            project=project, user=person, role=new_role, until=until, granted_by=user
        )
        record(project, user, "member.added", person.username, role=new_role, until=_text(until))
    return membership


def change_member(
    user: User, project_id: UUID | str, member_user_id: UUID | str, *, role: str, until: datetime | None
) -> Membership:
    """The member has this role until then (None: without an end). StateConflict ``last_owner``."""
    with transaction.atomic():
        project = _locked(user, Action.MANAGE, project_id)
        membership = _membership(project, member_user_id)
        new_role = _clean_role(role)
        _refuse_above(user, project, new_role, Role(membership.role))
        _refuse_past(until)
        if new_role is not Role.OWNER or until is not None:
            _refuse_last_owner(membership)
        before = {"role": membership.role, "until": _text(membership.until)}
        membership.role, membership.until, membership.granted_by = new_role, until, user
        membership.save(update_fields=["role", "until", "granted_by"])
        name = membership.user.username
        record(project, user, "member.role", name, role=new_role, until=_text(until), before=before)
    return membership


def remove_member(user: User, project_id: UUID | str, member_user_id: UUID | str) -> None:
    """The person is no member any more. StateConflict ``last_owner``."""
    with transaction.atomic():
        project = _locked(user, Action.MANAGE, project_id)
        membership = _membership(project, member_user_id)
        _refuse_above(user, project, Role(membership.role))
        _refuse_last_owner(membership)
        membership.delete()
        record(project, user, "member.removed", membership.user.username, role=membership.role)


def leave_project(user: User, project_id: UUID | str) -> None:
    """``user`` is no member any more. StateConflict ``last_owner``."""
    with transaction.atomic():
        project = _locked(user, Action.VIEW, project_id)
        if not user.allows_scope(Scope.ADMIN):
            raise Forbidden("This token has no scope “admin”.", code="scope_missing")
        membership = _membership(project, user.pk)
        _refuse_last_owner(membership)
        membership.delete()
        record(project, user, "member.left", user.username, role=membership.role)


def _locked(user: User, action: Action, project_id: UUID | str) -> Project:
    """The project with its row locked: changes of its people and state happen one after the other."""
    get_project(user, action, project_id)
    Project.objects.select_for_update().filter(pk=project_id).first()
    # Asked again: what was allowed before the lock was ours may have been taken away while we waited.
    return get_project(user, action, project_id)


def _membership(project: Project, user_id: UUID | str) -> Membership:
    found = Membership.objects.select_related("user").filter(project=project, user_id=user_id).first()
    if found is None:
        raise NotFound("This person is not a member of the project.", code="member_not_found")
    return found


def _refuse_above(user: User, project: Project, *roles: Role) -> None:
    own = role_in(user, project) or Role.VIEWER
    if not all(at_least(own, role) for role in roles):
        hint = "Ask an owner of the project."
        raise Forbidden("Only an owner can make, change or remove owners.", code="role_too_weak", hint=hint)


def _refuse_last_owner(membership: Membership) -> None:
    """An owner whose role ends on a day does not count: the project must never be without one."""
    if membership.role != Role.OWNER:
        return
    others = Membership.objects.filter(project=membership.project, role=Role.OWNER, until=None, user__is_active=True)
    if not others.exclude(pk=membership.pk).exists():
        hint = "Make another member owner, without an end date, first."
        raise StateConflict("A project keeps at least one owner.", code="last_owner", hint=hint)


def _clean_name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not 1 <= len(cleaned) <= NAME_LENGTH or not cleaned.isprintable():
        raise UserError(f"A project's name has 1 to {NAME_LENGTH} letters.", code="bad_name", field="name")
    return cleaned


def _clean_description(text: str) -> str:
    if len(text) > DESCRIPTION_LENGTH or "\x00" in text:
        message = f"A description has at most {DESCRIPTION_LENGTH} letters."
        raise UserError(message, code="bad_description", field="description")
    return text.strip()


def _clean_role(role: str) -> Role:
    if role not in Role.values:
        raise UserError(f"A role is one of {', '.join(Role.values)}.", code="bad_role", field="role")
    return Role(role)


def _refuse_past(until: datetime | None) -> None:
    if until is not None and until <= timezone.now():
        raise UserError("The end of a membership lies in the future.", code="bad_until", field="until")


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
