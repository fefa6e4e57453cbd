"""What an import may take: its maker's right to write, asked again and again, and room in the project."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from accounts.models import User
from common.errors import Forbidden, QuotaExceeded, StateConflict, Unavailable
from projects.models import Project
from projects.permissions import check
from projects.roles import Action
from storage import quota
from storage.models import Import


def check_right(run: Import) -> None:
    """Nothing happens while the import's maker may write into the project; else Forbidden."""
    maker = User.objects.get(pk=run.created_by_id)
    if not maker.is_active:
        raise Forbidden("The account behind this import is closed.", code="account_closed")
    try:
        check(maker, Action.WRITE, Project.objects.get(pk=run.folder.project_id))
    except StateConflict as error:
        raise Forbidden(error.message, code=error.code, hint=error.hint) from error


def reserve(run: Import, size: int, files: int = 0) -> None:
    """Room for ``size`` more bytes in ``files`` more files is kept (less, where negative); QuotaExceeded else."""
    with transaction.atomic():
        if size > 0 or files > 0:
            try:
                quota.check_room(run.folder, max(0, size), files=max(0, files))
            except Unavailable as full:
                raise QuotaExceeded(full.message, code=full.code, hint=full.hint) from full
        Import.objects.filter(pk=run.pk).update(
            reserved_size=Greatest(F("reserved_size") + size, 0),
            reserved_files=Greatest(F("reserved_files") + files, 0),
        )
