"""A project made, renamed, archived and restored."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.scopes import Scope
from common.errors import Forbidden, StateConflict, UserError
from projects.audit import record
from projects.models import Membership, Project
from projects.roles import Action, Role
from projects.services.rules import locked

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
        project = locked(user, Action.MANAGE, project_id)
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
        project = locked(user, Action.OWN, project_id)
        if not project.archived:
            project.archived_at = timezone.now()
            project.save(update_fields=["archived_at"])
            record(project, user, "project.archived", project.name)
    return project


def restore_project(user: User, project_id: UUID | str) -> Project:
    """The project can be worked in again; nothing happens when it can already."""
    with transaction.atomic():
        project = locked(user, Action.OWN, project_id)
        if project.archived:
            project.archived_at = None
            project.save(update_fields=["archived_at"])
            record(project, user, "project.restored", project.name)
    return project


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
