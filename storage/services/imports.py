"""What a user may command about imports: files that are brought from outside in the background."""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.models import User
from common.errors import NotFound, PortolanError, StateConflict
from projects.audit import record
from projects.permissions import get_project
from projects.roles import Action
from storage import quota, sums
from storage.imports import lifecycle
from storage.imports.entry import Entry, again, check_entry, keep, kept, shown
from storage.listing import root_of, stat_path
from storage.models import Folder, Import, ImportFile, ImportFileState, ImportState
from storage.paths import clean, clean_new, refuse_locked
from storage.services.folders import folder_of, writable_folder
from storage.tasks import run_imports

MOST_UNFINISHED = 20
# What a file can't be tried again for: it would be the same.
FOR_GOOD = ("bad_path", "name_taken", "source_forgotten")
log = logging.getLogger("portolan.imports")


def make_import(
    user: User, project_id: UUID | str, *, kind: str, entry: Entry, target: str, conflict: str, starts_itself: bool
) -> Import:
    """The source is being looked at; nothing is brought before ``start_import``, or before all is known to fit.

    UserError ``bad_address``/``secret_in_clear``/``bad_path``, Forbidden ``import_host_refused``, StateConflict
    ``dataset_locked``/``name_taken``/``too_many_imports``.
    """
    folder = writable_folder(user, project_id)
    target = _target(folder, target)
    source = check_entry(kind, entry)
    run = Import(folder=folder, created_by=user, kind=kind, source=shown(entry.addresses), target=target)
    run.conflict, run.starts_itself, run.todo = conflict, starts_itself, [kept(place) for place in source.begin()]
    keep(run, entry)
    with transaction.atomic():
        Folder.objects.select_for_update().get(pk=folder.pk)
        if folder.imports.filter(state__in=lifecycle.UNFINISHED).count() >= MOST_UNFINISHED:
            message = f"{MOST_UNFINISHED} imports of this project have not ended yet."
            raise StateConflict(message, code="too_many_imports", hint="Wait for one, or cancel one.")
        run.save(force_insert=True)
        record(folder.project, user, "import.made", target or "/", run=str(run.pk), source=run.source[:200])
    _ring()
    return run


def _target(folder: Folder, target: str) -> str:
    path, root = clean(target), root_of(folder)
    if not path:
        return ""
    try:
        if stat_path(root, path).kind != "folder":
            raise StateConflict(f"“{path}” is there and is no folder.", code="name_taken", field="target")
    except NotFound:
        path = clean_new(path)
    refuse_locked(root, path)
    return path


def imports_of(user: User, project_id: UUID | str) -> QuerySet[Import]:
    """The project's imports, newest first."""
    project = get_project(user, Action.VIEW, project_id)
    return Import.objects.filter(folder__project=project).select_related("created_by", "folder__site")


def import_of(user: User, project_id: UUID | str, import_id: UUID | str) -> Import:
    """One of the project's imports."""
    found = imports_of(user, project_id).filter(pk=import_id).first()
    if found is None:
        raise NotFound("There is no such import in this project.", code="import_not_found")
    return found


def files_of(user: User, project_id: UUID | str, import_id: UUID | str, state: str = "") -> QuerySet[ImportFile]:
    """The files of an import, in the order in which they come."""
    found = import_of(user, project_id, import_id).items.all()
    return found.filter(state=state) if state else found


def troubled(run: Import) -> QuerySet[ImportFile]:
    """The files that did not come, or did not yet, with what is wrong."""
    return run.items.exclude(problem="").exclude(state=ImportFileState.LEFT_OUT).order_by("pk")


def no_room(run: Import) -> str:
    """Why a listed import does not fit; "" when it does, or has begun."""
    if run.state != ImportState.LISTED:
        return ""
    try:
        size, files = lifecycle.needed(run)
        quota.check_room(run.folder, size, files=files)
    except PortolanError as error:
        return f"{error.message} {error.hint}".strip()
    return ""


def start_import(user: User, project_id: UUID | str, import_id: UUID | str, given: Entry | None = None) -> Import:
    """The import runs: one that was listed or paused goes on, one that stopped or left files behind tries again.

    ``given`` is what was forgotten when it stopped: user and password, and an address that was a secret.
    StateConflict ``import_state``, QuotaExceeded before the first byte when it does not fit.
    """
    run = _own(user, project_id, import_id)
    entry = given or Entry(addresses=[])
    if run.state in (ImportState.FAILED, ImportState.DONE):
        _try_again(run, again(run, entry))
    elif run.state == ImportState.PAUSED:
        _move(run, ImportState.PAUSED, ImportState.RUNNING)
    elif run.state != ImportState.RUNNING and not lifecycle.begin(run):
        raise _wrong_state()
    record(run.folder.project, user, "import.started", run.target or "/", run=str(run.pk))
    _ring()
    run.refresh_from_db()
    return run


def _try_again(run: Import, entry: Entry) -> None:
    with transaction.atomic():
        run = Import.objects.select_for_update(of=("self",)).select_related("folder__site").get(pk=run.pk)
        failed = ImportFile.objects.filter(run=run, state=ImportFileState.FAILED).exclude(code__in=FOR_GOOD)
        failed.update(state=ImportFileState.WAITING, tries=0, code="", problem="", retry_at=None)
        left = ImportFile.objects.filter(run=run, state=ImportFileState.WAITING)
        if run.state == ImportState.DONE and not left.exists():
            raise StateConflict("Everything that can come is here.", code="import_state")
        left.update(retry_at=None, tries=0)
        keep(run, entry)
        run.save(update_fields=["addresses", "region", "secret"])
        if run.started_at is not None:
            lifecycle.begin(run)
            return
        ImportFile.objects.filter(run=run).delete()
        run.todo = [kept(place) for place in check_entry(run.kind, entry).begin()]
        run.state, run.files, run.tries, run.problem, run.code = ImportState.LISTING, 0, 0, "", ""
        run.finished_at, run.turn_at = None, timezone.now()
        run.save()


def pause_import(user: User, project_id: UUID | str, import_id: UUID | str) -> Import:
    """The import rests, with what came so far and its room, until it is started again."""
    run = _own(user, project_id, import_id)
    _move(run, ImportState.RUNNING, ImportState.PAUSED)
    run.refresh_from_db()
    return run


def cancel_import(user: User, project_id: UUID | str, import_id: UUID | str) -> Import:
    """The import has ended: files that are whole stay, partial ones are gone, its password is forgotten."""
    run = _own(user, project_id, import_id)
    with transaction.atomic():
        if not lifecycle.end(run, ImportState.CANCELLED):
            raise StateConflict("This import has ended already.", code="import_state")
        record(run.folder.project, user, "import.cancelled", run.target or "/", run=str(run.pk))
    run.refresh_from_db()
    return run


def manifest_of(user: User, project_id: UUID | str, import_id: UUID | str) -> str:
    """The SHA-256 of every file that came, as it came, below the target folder; as ``sha256sum --check`` reads it."""
    get_project(user, Action.DOWNLOAD, project_id)
    run = import_of(user, project_id, import_id)
    above = f"{run.target}/" if run.target else ""
    rows = run.items.filter(state=ImportFileState.DONE).order_by("path").values_list("sha256", "path")
    return sums.as_text((digest, path.removeprefix(above)) for digest, path in rows.iterator())


def may_tend(user: User, run: Import) -> bool:
    """True when ``user`` may start, pause and cancel the import."""
    try:
        _own(user, run.folder.project_id, run.pk)
    except PortolanError:
        return False
    return True


def _own(user: User, project_id: UUID | str, import_id: UUID | str) -> Import:
    run = import_of(user, project_id, import_id)
    mine = run.created_by_id == user.pk
    run.folder = folder_of(get_project(user, Action.WRITE, project_id))
    if not mine:
        get_project(user, Action.MANAGE, project_id)
    return run


def _move(run: Import, before: ImportState, after: ImportState) -> None:
    moved = Import.objects.filter(pk=run.pk, state=before)
    if not moved.update(state=after, rate=0, turn_at=timezone.now()):
        raise _wrong_state()


def _wrong_state() -> StateConflict:
    return StateConflict("The import is not in a state for this now.", code="import_state", hint="Look at it again.")


def _ring() -> None:
    """A worker is told, after the transaction; where the broker does not answer, the periodic task finds it later."""
    try:
        run_imports.delay()
    except (OperationalError, OSError):
        log.warning("The broker does not answer; imports will be worked on by the periodic task.")
