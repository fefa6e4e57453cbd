"""What operators may command of storage sites. Mounted ones are made by the settings; these have doors of their own."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.operators import check_operator
from common.errors import NotFound, StateConflict, UserError
from projects.audit import record
from storage.models import SiteKind, StorageSite
from storage.sites.settings import checked
from storage.tasks import ring_probe

FIELDS = ("kind", "base_url", "prefix", "settings", "offered")
PLACE = ("kind", "prefix")


def sites(operator: User) -> QuerySet[StorageSite]:
    """All storage sites by name, each with the number of remote folders on it as ``attached``."""
    check_operator(operator)
    attached = Count("remote_folders", filter=Q(remote_folders__detached_at=None))
    return StorageSite.objects.annotate(attached=attached).order_by("name")


def site(operator: User, name: str) -> StorageSite:
    """The storage site of this name; NotFound."""
    found = sites(operator).filter(name=name).first()
    if found is None:
        raise NotFound(f"There is no storage site “{name}”.", code="site_not_found")
    return found


def save_site(operator: User, name: str, given: dict[str, Any], *, new: bool = False) -> StorageSite:
    """The site is as ``given`` says; what is left out stays. It has to be probed again before it is used.

    UserError beside what is wrong; StateConflict ``site_in_use`` when projects' folders would be looked for elsewhere.
    """
    check_operator(operator)
    if new and StorageSite.objects.filter(name=name).exists():
        raise StateConflict(f"There is a storage site “{name}” already.", code="name_taken", field="name")
    row = StorageSite(name=name) if new else site(operator, name)
    before = {key: getattr(row, key) for key in FIELDS}
    for key in FIELDS:
        setattr(row, key, given.get(key, before[key]))
    if SiteKind.POSIX in (row.kind, before["kind"] if not new else row.kind):
        hint = "Its root is in the settings of the portal (STORAGE_ROOT)."
        raise UserError("A mounted site can't be made or changed here.", code="bad_kind", field="kind", hint=hint)
    if (
        not new
        and row.remote_folders.filter(detached_at=None).exists()
        and any(getattr(row, key) != before[key] for key in PLACE)
    ):
        raise StateConflict("Projects have folders there: kind and prefix stay.", code="site_in_use", field="prefix")
    checked(row.kind, row.base_url, row.prefix, row.settings)
    if any(getattr(row, key) != before[key] for key in FIELDS if key != "offered"):
        row.probe, row.probed_at = {}, None
    with transaction.atomic():
        row.save()
        record(None, operator, "storage.added" if new else "storage.changed", name, fields=sorted(given))
    return site(operator, name)


def start_probe(operator: User, name: str) -> StorageSite:
    """A worker will probe the site; its row says what was found. It is not used meanwhile."""
    found = site(operator, name)
    StorageSite.objects.filter(pk=found.pk).update(probe={"running": True}, probed_at=timezone.now())
    ring_probe(found.pk)
    return site(operator, name)
