"""What a user may command of remote folders: a project's folders at sites that have doors of their own.

No byte passes us: the site gives a credential for exactly one path, some rights and a short time, and we hand out the
site's own address with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from common.errors import NotFound, StateConflict, UserError
from projects.audit import record
from projects.models import Project
from projects.permissions import get_project
from projects.roles import Action
from storage.links.access import check_rights
from storage.links.rights import WRITING, Right
from storage.models import RemoteFolder, RemoteLink, SiteKind, StorageSite
from storage.paths import clean, clean_new
from storage.services.commands import Command
from storage.services.remote_commands import commands_for
from storage.sites.base import Address, Ask, Page, SiteAdapter
from storage.sites.rows import adapter_of

SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class NewRemoteLink:
    """A credential just given: its addresses at the site and its token are told only here, once."""

    link: RemoteLink
    addresses: list[Address] = field(repr=False)
    token: str = field(repr=False)
    commands: list[Command] = field(repr=False)


def offered_sites(user: User, project_id: UUID | str) -> list[StorageSite]:
    """The sites on which an owner may attach a folder to this project now."""
    project = get_project(user, Action.OWN, project_id)
    taken = RemoteFolder.objects.filter(project=project, detached_at=None).values("site")
    found = StorageSite.objects.filter(offered=True).exclude(kind=SiteKind.POSIX).exclude(pk__in=taken)
    return [site for site in found.order_by("name") if site.probe.get("ok")]


def attach(user: User, project_id: UUID | str, *, site: str, label: str = "") -> RemoteFolder:
    """The project has a folder at ``site``, made there if it was missing. UserError ``site_not_offered``."""
    project = get_project(user, Action.OWN, project_id)
    if project.archived:
        raise StateConflict(f"“{project.name}” is archived, so nothing in it can change.", code="project_archived")
    found = StorageSite.objects.filter(name=site, offered=True).exclude(kind=SiteKind.POSIX).first()
    if found is None:
        hint = "Ask the operator of the portal which sites there are."
        message = "No such site is offered to projects."
        raise UserError(message, code="site_not_offered", field="site", hint=hint)
    _check_probed(found)
    folder = RemoteFolder(project=project, site=found, label=label.strip() or found.name, attached_by=user)
    if RemoteFolder.objects.filter(project=project, site=found, detached_at=None).exists():
        raise _attached(found)
    adapter_of(folder).make()
    try:
        with transaction.atomic():
            folder.save()
            record(project, user, "remote.attached", found.name, folder=str(folder.pk), label=folder.label)
    except IntegrityError as error:
        raise _attached(found) from error
    return folder


def detach(user: User, project_id: UUID | str, folder_id: UUID | str) -> RemoteFolder:
    """The project has this folder no more; what is in it stays at the site, and credentials that are out still end."""
    project = get_project(user, Action.OWN, project_id)
    folder = _folder(project, folder_id)
    with transaction.atomic():
        if RemoteFolder.objects.filter(pk=folder.pk, detached_at=None).update(detached_at=timezone.now()):
            record(project, user, "remote.detached", folder.site.name, folder=str(folder.pk), label=folder.label)
    folder.refresh_from_db()
    return folder


def folders_of(user: User, project_id: UUID | str) -> QuerySet[RemoteFolder]:
    """The project's remote folders, for every member."""
    project = get_project(user, Action.VIEW, project_id)
    return RemoteFolder.objects.filter(project=project, detached_at=None).select_related("site", "attached_by")


def folder_of(user: User, project_id: UUID | str, folder_id: UUID | str) -> RemoteFolder:
    """One of the project's remote folders; NotFound."""
    return _folder(get_project(user, Action.VIEW, project_id), folder_id)


def list_remote(
    user: User, project_id: UUID | str, folder_id: UUID | str, *, path: str = "", cursor: str = "", limit: int = 100
) -> Page:
    """A page of the folder ``path``, asked from the site now. UserError ``bad_path``, NotFound, Unavailable."""
    folder, path = folder_of(user, project_id, folder_id), clean(path)
    return adapter_of(folder).page(path, cursor=cursor, limit=limit)


def links_of(user: User, project_id: UUID | str) -> QuerySet[RemoteLink]:
    """The credentials of remote sites that members were given, newest first; no secret is in them."""
    project = get_project(user, Action.VIEW, project_id)
    rows = RemoteLink.objects.filter(folder__project=project)
    return rows.select_related("created_by", "folder__site", "folder__project")


def create_link(
    user: User,
    project_id: UUID | str,
    folder_id: UUID | str,
    *,
    path: str = "",
    rights: list[str],
    expires_in: int,
    label: str = "",
) -> NewRemoteLink:
    """The site's own address with a credential of the site for exactly ``path`` and ``rights``, for a short time.

    UserError ``bad_path``/``bad_rights``/``bad_end``, Forbidden when the issuer's role or token gives less than
    ``rights``, NotFound, StateConflict ``site_not_probed``, Unavailable when the site gives none.
    """
    rights = check_rights(rights)
    wanted = frozenset(Right(right) for right in rights)
    project = get_project(user, Action.WRITE if wanted & WRITING else Action.DOWNLOAD, project_id)
    folder, path = _folder(project, folder_id), clean(path)
    _check_probed(folder.site)
    ends_at, adapter = _end(user, expires_in), adapter_of(folder)
    path, is_file = _opened(adapter, path, wanted)
    issued = adapter.issue(Ask(path=path, is_file=is_file, rights=wanted, ends_at=ends_at))
    link = RemoteLink(folder=folder, path=path, is_file=is_file, rights=rights, label=label.strip(), created_by=user)
    link.expires_at = ends_at
    with transaction.atomic():
        link.save()
        record(
            project, user, "remote_link.made", f"{folder.site.name}: {path or '/'}", link=str(link.pk), rights=rights,
            label=link.label, until=ends_at.isoformat(timespec="seconds"),
        )  # fmt: skip
    commands = commands_for(link, issued)
    return NewRemoteLink(link=link, addresses=issued.addresses, token=issued.token, commands=commands)


def _opened(adapter: SiteAdapter, path: str, rights: frozenset[Right]) -> tuple[str, bool]:
    """(path, whether it is one file); what is missing is made, or will be, for whoever may add to it."""
    if not path:
        return "", False
    try:
        return path, adapter.stat(path).kind == "file"
    except NotFound:
        if Right.WRITE_NEW not in rights:
            raise
    path = clean_new(path)
    if not adapter.new_is_file:
        adapter.make(path)
    return path, adapter.new_is_file


def _end(user: User, expires_in: int) -> datetime:
    longest = timedelta(hours=settings.REMOTE_LINK_HOURS)
    if not SHORTEST.total_seconds() <= expires_in <= longest.total_seconds():
        raise UserError(
            f"It ends after one minute at the earliest and {settings.REMOTE_LINK_HOURS} hours at the latest.",
            code="bad_end",
            field="expires_in",
            hint="A site's credential can't be taken back, so it is short.",
        )
    end = timezone.now() + timedelta(seconds=expires_in)
    if user.token is not None and end > user.token.expires_at:
        raise UserError("It can't outlive the token that asks for it.", code="bad_end", field="expires_in")
    return end


def _check_probed(site: StorageSite) -> None:
    """StateConflict where a probe has not shown that the site's credentials hold what they say."""
    if not site.probe.get("ok"):
        hint = "The operator of the portal has to probe the site."
        raise StateConflict(f"“{site.name}” is not ready to be used.", code="site_not_probed", hint=hint)


def _folder(project: Project, folder_id: UUID | str) -> RemoteFolder:
    rows = RemoteFolder.objects.filter(project=project, pk=folder_id, detached_at=None)
    found = rows.select_related("site", "project").first()
    if found is None:
        raise NotFound("There is no such remote folder in this project.", code="remote_folder_not_found")
    return found


def _attached(site: StorageSite) -> StateConflict:
    return StateConflict(f"This project has a folder at “{site.name}” already.", code="already_attached", field="site")
