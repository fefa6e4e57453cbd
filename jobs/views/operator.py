"""The operator's page: what runs where, what stands still, what is full."""

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import current_app
from django.db.models import Count, Q, Sum
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.models import User
from accounts.operators import for_operators
from accounts.requests import PersonRequest
from jobs.models import ComputeSite, Job
from jobs.states import ACTIVE, JobState
from projects.models import Project
from storage.models import Folder, SiteKind, StorageSite, Upload, UploadState

STANDS_STILL = timedelta(minutes=10)


@for_operators
def operator(request: PersonRequest) -> HttpResponse:
    """Everything that the database knows; the workers are asked by the page afterwards."""
    active = Job.objects.active().select_related("project", "site", "submitted_by").order_by("touched_at")
    late = timezone.now() - STANDS_STILL
    context = {
        "section": "operator",
        "sites": ComputeSite.objects.annotate(active=Count("jobs", filter=Q(jobs__state__in=ACTIVE))).order_by("name"),
        "stuck": active.filter(Q(touched_at__lt=late) | Q(state=JobState.HELD))[:50],
        "states": _states(),
        "storage": [_storage(site) for site in StorageSite.objects.filter(kind=SiteKind.POSIX).order_by("name")],
        "counts": _counts(),
        "failed": Job.objects.filter(state=JobState.FAILED).select_related("project").order_by("-finished_at")[:10],
    }
    return render(request, "jobs/operator.html", context)


@for_operators
def workers(request: PersonRequest) -> HttpResponse:
    """Which workers answer, and how many bells wait to be heard."""
    context: dict[str, Any] = {}
    try:
        context["workers"] = current_app.control.inspect(timeout=1.0).stats() or {}
        context["waiting"] = _waiting()
    except (OperationalError, OSError) as error:
        context["problem"] = str(error)
    return render(request, "jobs/workers.html", context)


def _waiting() -> int:
    with current_app.connection_for_read(connect_timeout=1.0) as connection:
        try:
            channel: Any = connection.channel()
            declared = channel.queue_declare(queue="celery", passive=True)
            return int(declared.message_count)
        except connection.channel_errors:  # an empty queue is not there on Redis
            return 0


def _states() -> list[tuple[JobState, int]]:
    counted = dict(Job.objects.order_by().values_list("state").annotate(Count("pk")))
    return [(state, counted[state]) for state in JobState if state in counted]


def _counts() -> dict[str, int]:
    day = timezone.now() - timedelta(days=1)
    return {
        "people": User.objects.filter(is_active=True).count(),
        "projects": Project.objects.filter(archived_at__isnull=True).count(),
        "jobs in the last day": Job.objects.filter(created_at__gt=day).count(),
        "uploads on their way": Upload.objects.filter(state=UploadState.OPEN).count(),
    }


def _storage(site: StorageSite) -> dict[str, Any]:
    sums = Folder.objects.filter(site=site).aggregate(used=Sum("used_bytes"), folders=Count("pk"))
    try:
        disc = shutil.disk_usage(Path(site.root))
    except OSError as error:
        return {"site": site, "problem": str(error), **sums}
    return {
        "site": site,
        "free": disc.free,
        "total": disc.total,
        "percent": round(100 * disc.used / disc.total),
        **sums,
    }
