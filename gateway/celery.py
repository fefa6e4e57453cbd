"""The Celery application: a bell, never the truth."""

import os

from celery import Celery, signals
from django.conf import settings

from gateway.database import drop_old_connections, keep_connections
from gateway.logs import connect_celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
app = Celery("portolan")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
MINUTE, HOUR = 60.0, 3600.0


@app.on_after_configure.connect
def set_schedule(sender: Celery, **_: object) -> None:
    """Beat rings for what must not hang on one message: polls, lost bells, and storage's house-keeping.

    A bell that nobody heard in time is dropped; the next one says the same.
    """
    periods = {
        "jobs.tasks.poll_sites": settings.POLL_SECONDS,
        "jobs.tasks.reconcile_jobs": settings.RECONCILE_SECONDS,
        "jobs.tasks.tidy_attempts": HOUR,
        "jobs.tasks.probe_sites": HOUR,
        "jobs.tasks.tend_canaries": 10.0,
        "accounts.tasks.refresh_identities": 10 * MINUTE,
        "storage.tasks.tend_folders": settings.RECONCILE_SECONDS,
        "storage.tasks.mirror_roles": settings.RECONCILE_SECONDS,
        "storage.tasks.tend_checks": MINUTE,
        "storage.tasks.tend_imports": 2 * settings.RECONCILE_SECONDS,
        "storage.tasks.measure_folders": 10 * MINUTE,
        "storage.tasks.end_idle_uploads": HOUR,
        "storage.tasks.purge_trash": HOUR,
    }
    sender.conf.beat_schedule = {
        task: {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 5.0)}}
        for task, seconds in periods.items()
    }


connect_celery()
signals.worker_process_init.connect(keep_connections)
signals.task_prerun.connect(drop_old_connections)
