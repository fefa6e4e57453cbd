"""Celery's door to jobs: each task says "look at this row now", and may come twice or never."""

import logging
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

from celery import current_app, shared_task
from django.conf import settings
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from jobs import lifecycle, reconcile
from jobs.models import ComputeSite
from jobs.states import JobState

SOON_SECONDS = 0.25
YOUNG = timedelta(seconds=20)
# Long copies and their sums have time-outs of their own; this is more than all of them together.
COPY_LIMIT = 4200
# So many messages that wait are a backlog, in which a job's own bell may be; fewer are the usual few of the moment.
MANY_BELLS = 50
# After a look at a site comes a rest of so many times what it took: watching never takes a worker for itself.
REST = 4
_asked: dict[str, float] = {}
log = logging.getLogger(__name__)


def ring(job_id: UUID) -> None:
    """A worker will look at the job; when the broker is away the reconciler finds the job by itself."""
    try:
        advance.delay(str(job_id))
    except (OperationalError, RedisError, OSError) as error:
        log.warning("job %s: the broker does not answer (%s); the reconciler will find it", job_id, error)


def ring_probe(site_id: UUID) -> None:
    """A worker will probe the site and send canaries there; when the broker is away this is done within the hour."""
    try:
        probe_site.delay(str(site_id))
        canary.delay(str(site_id), now=True)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("site %s: the broker does not answer (%s); it is probed within the hour", site_id, error)


def ask_soon(site_id: str) -> None:
    """The site is asked in a moment; one message stands for all that this process hands over until then."""
    now = time.monotonic()
    if now >= _asked.get(site_id, 0.0):
        _asked[site_id] = now + SOON_SECONDS
        poll_site.apply_async((site_id,), countdown=SOON_SECONDS)


def ask_again(site_id: str, *, took: float) -> None:
    """The site is asked again after a rest that fits what the last look at it ``took``, in seconds."""
    rest = max(SOON_SECONDS, REST * took)
    poll_site.apply_async((site_id, 0.8 * rest), countdown=rest)


def bells_waiting() -> int:
    """How many messages wait in the broker for a worker; 0 when it can't be asked."""
    try:
        with current_app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            return int(channel.queue_declare(current_app.conf.task_default_queue).message_count)
    except (OperationalError, RedisError, OSError):
        return 0


@shared_task
def probe_site(site_id: str) -> None:
    """The site's row says what works there."""
    lifecycle.probe(ComputeSite.objects.get(pk=site_id))


@shared_task
def probe_sites() -> None:
    """Every site that is on is being probed."""
    for site_id in ComputeSite.objects.filter(enabled=True).values_list("pk", flat=True):
        probe_site.delay(str(site_id))


@shared_task
def tend_canaries() -> None:
    """Canaries that are due are sent, and those that are under way looked at."""
    for site_id in lifecycle.canaries_due():
        canary.delay(str(site_id))


@shared_task
def canary(site_id: str, *, now: bool = False) -> None:
    """The site's row says how its canaries, a small job in each queue, stand."""
    lifecycle.tend_canary(site_id, now=now)


@shared_task(soft_time_limit=COPY_LIMIT, time_limit=COPY_LIMIT + 60)
def advance(job_id: str) -> None:
    """The job has gone as far as it can now; its site is asked soon after."""
    job = lifecycle.advance(job_id)
    if job is not None and JobState(job.state) in (JobState.QUEUED, JobState.CANCELLING):
        ask_soon(str(job.site_id))


@shared_task
def poll_sites() -> None:
    """Every site that has jobs is asked once."""
    for site_id in reconcile.sites_with_jobs():
        poll_site.delay(str(site_id), settings.POLL_SECONDS / 2)


@shared_task
def poll_site(site_id: str, least_seconds: float = SOON_SECONDS / 2) -> None:
    """The site was asked, unless somebody just did; again soon while a job of it may change any moment."""
    site = ComputeSite.objects.get(pk=site_id)
    if not lifecycle.take_turn(site, least=timedelta(seconds=least_seconds)):
        return
    began = time.monotonic()
    for job_id in lifecycle.observe(site):
        advance.delay(str(job_id))
    for attempt_id in lifecycle.to_mirror(site):
        mirror.delay(str(attempt_id))
    if lifecycle.young(site, within=YOUNG):
        ask_again(site_id, took=time.monotonic() - began)


@shared_task
def mirror(attempt_id: str) -> None:
    """Those who watch a job on another machine see its logs and charts."""
    lifecycle.mirror(attempt_id)


@shared_task
def reconcile_jobs() -> None:
    """Every job that waits for a worker, whose bell may have been lost, has been rung for again."""
    quiet = reconcile.QUIET_BEHIND_OTHERS if bells_waiting() > MANY_BELLS else reconcile.QUIET
    for job_id in reconcile.waiting_for_a_worker(quiet=quiet):
        advance.delay(str(job_id))


@shared_task
def tidy_attempts() -> None:
    """Control files of jobs that ended long ago are gone."""
    lifecycle.tidy()
