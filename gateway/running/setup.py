"""Making an instance ready: tables, static files, and the rows without which nothing can be done."""

import os

import psutil
from django.conf import settings
from django.core.management import call_command

from gateway.running import places
from jobs.models import ComputeSite
from storage.services.folders import ensure_default_site

LEFT_FOR_THE_REST_MB = 1024


def prepare(*, static: bool = True) -> None:
    """The home, the tables, the static files and the default sites are there; what was there is kept."""
    places.private(settings.PORTOLAN_HOME)
    for folder in (places.run_dir(settings.PORTOLAN_HOME), places.log_dir(settings.PORTOLAN_HOME)):
        places.private(folder)
    call_command("migrate", interactive=False, verbosity=0)
    if static:
        call_command("collectstatic", interactive=False, verbosity=0)
    ensure_default_site()
    ensure_local_compute_site()


def ensure_local_compute_site() -> ComputeSite:
    """There is a compute site; a new instance's is this machine with all its cores and most of its memory."""
    found = ComputeSite.objects.order_by("created_at").first()
    if found is not None:
        return found
    whole = psutil.virtual_memory().total // 2**20
    cores = len(os.sched_getaffinity(0))
    return ComputeSite.objects.create(
        name="local", scheduler="local", cores=cores, memory_mb=max(whole - LEFT_FOR_THE_REST_MB, whole // 2)
    )
