"""What an operator may command about POSIX access lists; each change is in the gateway's own trail."""

from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.operators import check_operator
from common.errors import NotFound, UserError
from projects.audit import record
from projects.services.accounts import locked_account
from storage import acls
from storage.acls import Drift
from storage.models import StorageSite
from storage.setfacl import ACCOUNT, uid_of


def set_posix_account(operator: User, user_id: UUID | str, *, posix_account: str) -> User:
    """The person's account (name or uid) where roles are mirrored; empty for none.

    UserError ``unknown_posix_account`` for a name that this machine does not know.
    """
    name = posix_account.strip()
    if name and (not ACCOUNT.fullmatch(name) or uid_of(name) in (None, 0)):
        hint = "Give a name that `id NAME` knows here, or a uid; never root."
        raise UserError(
            f"“{name}” is no account of this machine.", code="unknown_posix_account", field="posix_account", hint=hint
        )
    with transaction.atomic():
        person = locked_account(operator, user_id)
        if person.posix_account != name:
            User.objects.filter(pk=person.pk).update(posix_account=name)
            record(None, operator, "account.posix", person.username, posix=name, before=person.posix_account)
            person.posix_account = name
    return person


def set_mirroring(operator: User, site_id: UUID | str, *, on: bool) -> StorageSite:
    """Roles are mirrored into the access lists of the site's folders, or no longer (what was written stays)."""
    check_operator(operator)
    with transaction.atomic():
        site = StorageSite.objects.select_for_update().filter(pk=site_id).first()
        if site is None:
            raise NotFound("There is no such storage site.", code="site_not_found")
        if site.posix_acls != on:
            site.posix_acls = on
            site.save(update_fields=["posix_acls"])
            record(None, operator, "storage.acls", site.name, on=on)
    return site


def drifted(operator: User) -> list[Drift]:
    """Each mirrored folder that differs from the roles now; the folders on disk are looked at."""
    check_operator(operator)
    return acls.check_all()


def repair(operator: User, project_id: UUID | str) -> Drift:
    """The folder's access lists say what the roles say; what still differs is in the answer."""
    check_operator(operator)
    folder = acls.mirrored().filter(project_id=project_id).first()
    if folder is None:
        raise NotFound("No folder of such a project is mirrored.", code="folder_not_mirrored")
    acls.mirror(folder)
    record(None, operator, "storage.acls_repaired", folder.project.name, project_id=str(project_id))
    return acls.drift(folder)
