"""Elements that a node or the site lost are tried again beside the others of their array, each as a job of its own.

The array and its attempt stay what they are: such an element gets a further row, with a native name, a fence and a work
directory of its own, and from then on it is asked for, judged and merged like the others. Its row is the intent, which
is committed before the site is called; the site is asked for the name before anything is submitted.
"""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from common.errors import NotFound, UserError
from jobs.backends.base import JobRejected
from jobs.lifecycle import parts
from jobs.lifecycle.places import places_of
from jobs.lifecycle.points import reached
from jobs.lifecycle.sites import asking
from jobs.lifecycle.starting import latest, spec_of_element
from jobs.models import Attempt, Element, Job
from jobs.repairs import RETRIED
from jobs.results import Failure
from jobs.states import Does, ElementState, JobState

AT_SITE = (JobState.QUEUED, JobState.RUNNING)
LOST = Q(state=ElementState.FAILED, failure__code__in=sorted(RETRIED))
INTENDED = Q(retry__gt=0, native_id="", ended_at__isnull=True)


def is_due(attempt: Attempt) -> bool:
    """True when a worker has to hand over an element of the attempt once more."""
    if attempt.staged:  # its results are at the site until all have ended, so nothing is judged before
        return False
    rows = attempt.elements.filter(LOST | INTENDED)
    return any(one.state != ElementState.FAILED or _may(one) for one in rows)


def try_again(job: Job) -> None:
    """Each element of the running array that was lost, and may be tried again, was handed over once more."""
    attempt = latest(job)
    if attempt.does != Does.ELEMENTS or attempt.staged:
        return
    with transaction.atomic():
        # With this row locked the array does not end meanwhile.
        held = Attempt.objects.select_for_update().filter(pk=attempt.pk, ended_at__isnull=True)
        if held.first() is None or not Job.objects.filter(pk=job.pk, state__in=AT_SITE).exists():
            return
        for lost in [one for one in attempt.elements.filter(LOST) if _may(one)]:
            _intend(attempt, lost)
        reached("again.before_record")
    reached("again.recorded")
    for element in attempt.elements.filter(INTENDED):
        _hand_over(job, attempt, element)


def _may(lost: Element) -> bool:
    tries = Element.objects.filter(attempt__job=lost.attempt.job_id, index=lost.index).count()
    return tries <= settings.JOB_RETRIES


def _intend(attempt: Attempt, lost: Element) -> None:
    """The failed try is given up for a further one."""
    Element.objects.create(attempt=attempt, index=lost.index, place=lost.place, retry=lost.retry + 1)
    Element.objects.filter(pk=lost.pk).update(state=ElementState.DROPPED)


def _hand_over(job: Job, attempt: Attempt, element: Element) -> None:
    """The site has the element, exactly once; or it has failed, because nothing takes it as it is."""
    mine = Element.objects.filter(pk=element.pk)
    try:
        # Should what was lost begin after all, it finds a fence.
        before = attempt.elements.filter(index=element.index, retry__lt=element.retry)
        parts.fence(attempt, places_of(job), before)
        with asking(attempt.site) as backend:
            native_id = backend.find(element.native_name)
            if native_id is None:
                native_id = backend.submit(spec_of_element(job, attempt, element))
    except JobRejected as refused:
        failure = Failure(code="site_refused", message=refused.message, hint=refused.hint)
    except (UserError, NotFound) as wrong:
        failure = Failure(code=wrong.code, message=wrong.message, hint=wrong.hint)
    else:
        reached("again.after_submit")
        mine.update(native_id=native_id, last_seen_at=timezone.now())
        return
    mine.update(state=ElementState.FAILED, failure=failure.as_dict(), ended_at=timezone.now())
