"""Keys by which a link is used through the SSH door."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from accounts.models import User
from accounts.scopes import Scope
from common.errors import Forbidden, StateConflict
from projects.audit import record
from storage.links import ssh_keys
from storage.links.ssh_keys import Certified
from storage.models import TransferLink
from storage.services.commands import Command
from storage.services.links import own_link
from storage.services.ssh_commands import commands_for


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key for a link, just certified. Where it is new, its private half is told only here, once."""

    link: TransferLink
    key: Certified
    host: str
    port: int
    user: str
    known_hosts: str
    commands: list[Command]


def make_key(user: User, project_id: UUID | str, link_id: UUID | str, *, public_key: str = "") -> NewKey:
    """A certificate for ``public_key``, or for a new key, by which the link is used with rsync and SFTP.

    It ends with the link or the token that asks for it. UserError ``bad_public_key``, StateConflict
    ``ssh_door_closed``/``link_ended``, Forbidden for who neither made the link nor manages the project.
    """
    link = own_link(user, project_id, link_id)
    if not user.allows_scope(Scope.DATA):
        raise Forbidden(f"This token has no scope “{Scope.DATA}”.", code="scope_missing")
    if not link.live:
        raise StateConflict("This link has ended.", code="link_ended", hint="Make a new one.")
    key = ssh_keys.certify(link, public_key, until=user.token.expires_at if user.token else None)
    record(link.folder.project, user, "link.key_made", link.path or "/", link=str(link.pk), label=link.label)
    known = ssh_keys.host_line()
    return NewKey(
        link=link, key=key, host=settings.SSH_DOOR_HOST, port=settings.SSH_DOOR_PORT, user=ssh_keys.USER,
        known_hosts=known, commands=commands_for(link, key, known_hosts=known),
    )  # fmt: skip
