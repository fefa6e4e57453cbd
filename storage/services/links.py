"""What a user may command about transfer links. The door in ``storage.door`` serves them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.scopes import Scope
from common.errors import Forbidden, NotFound, QuotaExceeded, Unavailable, UserError
from projects.audit import record
from projects.models import Project
from projects.permissions import get_project
from projects.roles import Action
from storage import quota
from storage.links import tokens
from storage.links.access import check_rights, forget
from storage.links.rights import WRITING, Right
from storage.listing import root_of, stat_path
from storage.models import Folder, LinkAccess, TransferLink
from storage.paths import clean, clean_new, ensure_dir
from storage.services.commands import Command, commands_for
from storage.services.folders import folder_of, writable_folder
from storage.sites.base import Ask
from storage.sites.posix import PosixAdapter, url_of

__all__ = ["create_link", "link_log", "link_of", "links_of", "live_links_of", "may_tend", "revoke_link", "url_of"]
SHORTEST = timedelta(minutes=1)
MOST_NETWORKS = 20


@dataclass(frozen=True, kw_only=True)
class NewLink:
    """A link just made. ``token`` is its secret: it is told only here, once."""

    link: TransferLink
    url: str
    token: str
    commands: list[Command]


def create_link(
    user: User,
    project_id: UUID | str,
    *,
    path: str = "",
    rights: list[str],
    expires_in: int,
    label: str = "",
    max_bytes: int | None = None,
    max_uses: int | None = None,
    networks: list[str] | None = None,
    expected_bytes: int | None = None,
) -> NewLink:
    """A link to ``path`` that ends in ``expires_in`` seconds; a folder to be written to is made where it is missing.

    UserError ``bad_path``/``bad_rights``/``bad_end``/``bad_network``, Forbidden when the issuer's role or token gives
    less than ``rights``, NotFound, StateConflict ``folder_preparing``, QuotaExceeded for ``expected_bytes``.
    """
    rights = check_rights(rights)
    path, writes = clean(path), bool(WRITING.intersection(Right(right) for right in rights))
    folder = writable_folder(user, project_id) if writes else folder_of(get_project(user, Action.DOWNLOAD, project_id))
    expires_at = _end(user, expires_in)
    shown = [str(network) for network in tokens.networks_of((networks or [])[:MOST_NETWORKS])]
    if expected_bytes and Right.WRITE_NEW in rights:
        _check_room(folder, expected_bytes)
    path, is_file = _opened(folder, path, rights)
    link = TransferLink(
        label=label.strip(), created_by=user, networks=shown, max_bytes=max_bytes, max_uses=max_uses,
        expected_bytes=expected_bytes,
    )  # fmt: skip
    ask = Ask(path=path, is_file=is_file, rights=frozenset(Right(right) for right in rights), ends_at=expires_at)
    with transaction.atomic():
        issued = PosixAdapter(folder=folder, link=link).issue(ask)
        record(folder.project, user, "link.made", path or "/", link=str(link.pk), rights=rights, label=link.label)
    token, url = issued.token, issued.addresses[0].url
    return NewLink(link=link, url=url, token=token, commands=commands_for(link, url=url, token=token))


def _check_room(folder: Folder, size: int) -> None:
    """QuotaExceeded for what neither the quota nor the disk has room for: it is told before the first byte."""
    try:
        quota.check_room(folder, size)
    except Unavailable as full:
        raise QuotaExceeded(full.message, code=full.code, hint=full.hint) from full


def _end(user: User, expires_in: int) -> datetime:
    now, longest = timezone.now(), timedelta(days=settings.LINK_MAX_DAYS)
    if not SHORTEST.total_seconds() <= expires_in <= longest.total_seconds():
        raise UserError(
            f"A link ends after one minute at the earliest and {settings.LINK_MAX_DAYS} days at the latest.",
            code="bad_end",
            field="expires_in",
        )
    end = now + timedelta(seconds=expires_in)
    if user.token is not None and end > user.token.expires_at:
        raise UserError("A link can't outlive the token that makes it.", code="bad_end", field="expires_in")
    return end


def _opened(folder: Folder, path: str, rights: list[str]) -> tuple[str, bool]:
    """(path, whether it is a file) of what is opened; a missing folder is made for a link that may add to it."""
    root = root_of(folder)
    if not path:
        return "", False
    try:
        entry = stat_path(root, path)
    except NotFound:
        if Right.WRITE_NEW not in rights:
            raise
        return ensure_dir(root, clean_new(path)), False
    if entry.kind not in ("file", "folder"):
        raise UserError(f"“{path}” is a link or a special file.", code="bad_path", field="path")
    return path, entry.kind == "file"


def links_of(user: User, project_id: UUID | str) -> QuerySet[TransferLink]:
    """The project's links, newest first, for every member to see; no secret is in them."""
    project = get_project(user, Action.VIEW, project_id)
    return TransferLink.objects.filter(folder__project=project).select_related("created_by", "folder__project")


def link_of(user: User, project_id: UUID | str, link_id: UUID | str) -> TransferLink:
    """One of the project's links."""
    found = links_of(user, project_id).filter(pk=link_id).first()
    if found is None:
        raise NotFound("There is no such link in this project.", code="link_not_found")
    return found


def revoke_link(user: User, project_id: UUID | str, link_id: UUID | str) -> TransferLink:
    """The link is of no use any more, in mid-transfer too. Its issuer may, and who manages the project."""
    link = own_link(user, project_id, link_id)
    if not user.allows_scope(Scope.DATA):
        raise Forbidden(f"This token has no scope “{Scope.DATA}”.", code="scope_missing")
    with transaction.atomic():
        if TransferLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=timezone.now()):
            record(link.folder.project, user, "link.revoked", link.path or "/", link=str(link.pk), label=link.label)
    forget(link.pk)
    link.refresh_from_db()
    return link


def link_log(user: User, project_id: UUID | str, link_id: UUID | str) -> QuerySet[LinkAccess]:
    """What was done by the link, newest first: for its issuer and who manages the project."""
    return own_link(user, project_id, link_id).accesses.all()


def live_links_of(user: User, project: Project) -> list[TransferLink]:
    """The links of ``user`` into ``project`` that work now; they stop when the person leaves it."""
    mine = TransferLink.objects.filter(folder__project=project, created_by=user)
    return list(mine.filter(revoked_at=None, expires_at__gt=timezone.now()))


def may_tend(user: User, link: TransferLink) -> bool:
    """True when ``user`` may revoke the link and see its log."""
    try:
        own_link(user, link.folder.project_id, link.pk)
    except (Forbidden, NotFound):
        return False
    return True


def own_link(user: User, project_id: UUID | str, link_id: UUID | str) -> TransferLink:
    """One of the project's links, for its issuer and who manages the project; Forbidden for others."""
    link = link_of(user, project_id, link_id)
    get_project(user, Action.DOWNLOAD if link.created_by_id == user.pk else Action.MANAGE, project_id)
    return link
