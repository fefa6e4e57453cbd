"""Roles mirrored into POSIX access lists, where the storage site says so; drift found and repaired.

Who holds which role is the database's to say; the folder's access list only follows. People without a POSIX account
(``User.posix_account``) are left out. A project that is archived is read-only here too.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from django.db.models import QuerySet
from django.utils import timezone

from common.errors import PortolanError
from projects.permissions import people_with_roles
from projects.roles import RULES, Action, at_least
from storage.listing import root_of
from storage.models import Folder, FolderState
from storage.paths import HIDDEN, Inner, ensure_dir, exists_beneath
from storage.setfacl import READ, WRITE, Held, give_all, held_on, take, uid_of


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How the folder on disk differs from the roles, an English sentence each; ``unknown`` accounts are not here."""

    folder: Folder
    differences: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def mirrored() -> QuerySet[Folder]:
    """The folders whose access lists follow the roles."""
    return Folder.objects.filter(site__posix_acls=True, state=FolderState.READY).select_related("site", "project")


def wanted_of(folder: Folder) -> dict[str, str]:
    """POSIX account -> READ or WRITE, by the roles as they are now."""
    needed, _, when_archived = RULES[Action.WRITE]
    may_write = when_archived or not folder.project.archived
    found: dict[str, str] = {}
    for user, role in people_with_roles(folder.project):
        if user.posix_account:
            right = WRITE if may_write and at_least(role, needed) else READ
            # Two accounts of the portal may share one on the storage: the stronger right holds.
            found[user.posix_account] = max(right, found.get(user.posix_account, READ), key=[READ, WRITE].index)
    return found


def out_of_step(folders: Iterable[Folder]) -> list[Folder]:
    """Those whose roles are no longer what was written last; nothing on disk is looked at."""
    return [folder for folder in folders if folder.acl_written != wanted_of(folder)]


def mirror(folder: Folder) -> None:
    """The folder's access lists say what the roles say; who lost a role is out before anything else is done.

    A problem is noted in the folder's row, and the next call tries again.
    """
    wanted = wanted_of(folder)
    try:
        root = root_of(folder)
        rights = _by_uid(wanted)
        # There before the entries that new directories inherit, so that nobody can enter it.
        ensure_dir(root, Inner(HIDDEN))
        held = held_on(root)
        gone = {*held.access, *held.default, *_by_uid(folder.acl_written or {})} - set(rights)
        take(root, gone)
        give_all(root, rights, gone)
    except PortolanError as error:
        _note(folder, written=None, problem=f"{error.message} {error.hint}".strip())
        return
    unknown = [account for account in wanted if uid_of(account) is None]
    problem = f"This machine does not know the accounts {', '.join(sorted(unknown))}." if unknown else ""
    _note(folder, written=wanted, problem=problem)


def drift(folder: Folder) -> Drift:
    """How the folder on disk differs from the roles; nothing is changed. Unavailable when it can't be looked at."""
    wanted = wanted_of(folder)
    names = {uid: account for account in wanted if (uid := uid_of(account)) is not None}
    root = root_of(folder)
    differences = _differences(held_on(root), {uid: wanted[name] for uid, name in names.items()}, names)
    if exists_beneath(root, Inner(HIDDEN)) and (inside := held_on(root / HIDDEN).access):
        differences.append(f"uid {', '.join(map(str, inside))} can enter {HIDDEN}; nobody should.")
    return Drift(folder=folder, differences=differences, unknown=[a for a in wanted if uid_of(a) is None])


def check_all() -> list[Drift]:
    """The drift of every mirrored folder that has some; a folder that can't be looked at tells why."""
    found = []
    for folder in mirrored():
        try:
            one = drift(folder)
        except PortolanError as error:
            one = Drift(folder=folder, differences=[error.message])
        if one.differences or one.unknown:
            found.append(one)
    return found


def _differences(held: Held, rights: dict[int, str], names: dict[int, str]) -> list[str]:
    words = []
    for uid in sorted({*held.access, *held.default, *rights}):
        who = names.get(uid) or f"uid {uid}"
        for place, found in (("the folder", held.access), ("what will be made in it", held.default)):
            if found.get(uid) != rights.get(uid):
                words.append(
                    f"{who} has {found.get(uid, 'nothing')} on {place}; the role gives {rights.get(uid, 'nothing')}."
                )
    return words


def _by_uid(wanted: dict[str, str]) -> dict[int, str]:
    return {uid: right for account, right in wanted.items() if (uid := uid_of(account)) is not None}


def _note(folder: Folder, *, written: dict[str, str] | None, problem: str) -> None:
    folder.acl_problem, folder.acl_at = problem[:1000], timezone.now()
    with suppress(Folder.DoesNotExist):
        if written is not None:
            folder.acl_written = written
        folder.save(update_fields=["acl_written", "acl_problem", "acl_at"])
