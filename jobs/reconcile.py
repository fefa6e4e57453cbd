"""Which jobs and sites need to be looked at, by the database alone: this is what makes a lost message harmless."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from jobs.lifecycle.watching import AT_SITE
from jobs.models import ComputeSite, Job
from jobs.states import JobState

WORKER_STATES = (
    JobState.CREATED,
    JobState.STAGING_IN,
    JobState.SUBMITTING,
    JobState.STAGING_OUT,
    JobState.CANCELLING,
)
# A bell that nobody heard was lost; while very many wait to be heard, it may be among them.
QUIET, QUIET_BEHIND_OTHERS = timedelta(seconds=2), timedelta(minutes=1)
MOST = 1000


def waiting_for_a_worker(*, quiet: timedelta = QUIET) -> Iterable[UUID]:
    """Jobs in a state that only a worker can end and that nobody touched for a moment, oldest first."""
    late = timezone.now() - quiet
    waiting = Job.objects.filter(state__in=WORKER_STATES, touched_at__lt=late).order_by("touched_at")
    found = list(waiting.values_list("pk", flat=True)[:MOST])
    # Rung for once in a while, not at every look: else bells pile up behind a worker that is busy.
    Job.objects.filter(pk__in=found, state__in=WORKER_STATES).update(touched_at=timezone.now())
    return found


def sites_with_jobs() -> Iterable[UUID]:
    """Sites that have a job now."""
    return list(ComputeSite.objects.filter(jobs__state__in=AT_SITE).distinct().values_list("pk", flat=True))
