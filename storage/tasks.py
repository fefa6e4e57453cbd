"""Celery's door to storage: each task loads by id and calls the floor below."""

import logging
from uuid import UUID

from celery import shared_task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from storage import acls, checks, filling, quota, sums, trash
from storage.imports import lifecycle as imports
from storage.models import Check, Folder, FolderState, StorageSite
from storage.sites import probing
from storage.uploads import lifecycle as uploads

# Reading a file of a terabyte to its end takes a while; whoever comes second meets a lock and leaves.
LONG = 6 * 3600
log = logging.getLogger(__name__)


@shared_task
def fill_folder(folder_id: str) -> None:
    """The folder is filled, or another call is queued for the rest."""
    folder = Folder.objects.select_related("site").filter(pk=folder_id).first()
    if folder is not None and filling.fill(folder):
        fill_folder.delay(folder_id)


@shared_task
def tend_folders() -> None:
    """Folders that are still being prepared are worked on; a worker that died is made up for."""
    for pk in Folder.objects.filter(state=FolderState.PREPARING).values_list("pk", flat=True):
        fill_folder.delay(str(pk))


@shared_task
def purge_trash() -> None:
    """What has been in the trash for its time is gone for good."""
    trash.drop_empty()
    trash.purge_due()


@shared_task
def measure_folders() -> None:
    """A measurement is queued for every folder not measured in the last hour."""
    for pk in quota.to_measure():
        measure_folder.delay(str(pk))


@shared_task
def measure_folder(folder_id: str) -> None:
    """The folder's counters are what is on disk."""
    folder = Folder.objects.select_related("site").filter(pk=folder_id).first()
    if folder is not None:
        quota.measure(folder)


@shared_task
def end_idle_uploads() -> None:
    """Uploads that were idle for their days have ended, and their room is free again."""
    uploads.end_idle()


@shared_task
def mirror_roles() -> None:
    """A folder whose roles changed since its access lists were written is worked on."""
    for folder in acls.out_of_step(acls.mirrored()):
        mirror_folder.delay(str(folder.pk))


@shared_task
def mirror_folder(folder_id: str) -> None:
    """The folder's POSIX access lists say what the roles say."""
    folder = acls.mirrored().filter(pk=folder_id).first()
    if folder is not None:
        acls.mirror(folder)


@shared_task(soft_time_limit=LONG, time_limit=LONG + 60)
def run_check(check_id: str) -> None:
    """The check has come further, or another call is queued for the rest; one very large file is read in one go."""
    check = Check.objects.select_related("folder__site").filter(pk=check_id).first()
    if check is not None and checks.run_slice(check):
        run_check.delay(check_id)


@shared_task(soft_time_limit=LONG, time_limit=LONG + 60)
def tend_checks() -> None:
    """Checks that nobody goes on with are rung for; files that came in parallel parts get their SHA-256."""
    for pk in checks.unfinished():
        run_check.delay(pk)
    for row in sums.missing():
        sums.compute(row)


def ring_probe(site_id: UUID) -> None:
    """A worker will probe the storage site; when the broker is away somebody has to ask again."""
    try:
        probe_storage_site.delay(str(site_id))
    except (OperationalError, RedisError, OSError) as error:
        log.warning("storage site %s: the broker does not answer (%s); it is not probed", site_id, error)


@shared_task
def probe_storage_site(site_id: str) -> None:
    """The storage site's row says what works there."""
    site = StorageSite.objects.filter(pk=site_id).first()
    if site is not None:
        probing.note(site, probing.probe(site))


@shared_task(soft_time_limit=LONG, time_limit=LONG + 60)
def run_imports() -> None:
    """An import has come further, and another call is queued; a file that can't be gone on with comes in one go."""
    if imports.take_turn():
        run_imports.delay()


@shared_task
def tend_imports() -> None:
    """Imports that nobody goes on with are rung for; what rested for too long has ended."""
    imports.end_idle()
    if not imports.is_tended():
        run_imports.delay()
