"""What a worker does with a job, a function for each step. It knows nothing of who asked, and queues nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from uuid import UUID

from django.utils import timezone

from common.errors import Forbidden, NotFound, QuotaExceeded, StateConflict, Unavailable, UserError
from jobs.backends.base import SiteUnavailable
from jobs.lifecycle import again, ending, starting
from jobs.lifecycle.canary import due as canaries_due
from jobs.lifecycle.canary import tend as tend_canary
from jobs.lifecycle.locks import only_one
from jobs.lifecycle.probing import probe
from jobs.lifecycle.tidying import tidy
from jobs.lifecycle.watching import mirror, observe, take_turn, to_mirror, young
from jobs.models import Job
from jobs.results import Failure
from jobs.states import JobState

__all__ = [
    "advance", "canaries_due", "mirror", "observe", "probe", "take_turn", "tend_canary", "tidy", "to_mirror", "young",
]  # fmt: skip

MOST_STEPS = 12
log = logging.getLogger(__name__)
STEPS: dict[JobState, Callable[[Job], None]] = {
    JobState.CREATED: starting.begin,
    JobState.STAGING_IN: starting.prepare,
    JobState.SUBMITTING: starting.hand_over,
    JobState.STAGING_OUT: ending.collect,
    JobState.CANCELLING: ending.cancel,
}


def advance(job_id: UUID | str) -> Job | None:
    """The job has gone as many steps as it can go now. None when another worker is at it, or there is no such job."""
    with only_one(UUID(str(job_id))) as mine:
        job = _read(job_id) if mine else None
        for _ in range(MOST_STEPS):
            step = _step_of(job) if job else None
            if job is None or step is None:
                break
            before = job.state
            done = _done(step, job)
            if job.state == before:  # not moved by this step, but perhaps by somebody else
                job = _read(job_id)
            if not done or job is None or job.state == before:
                break
    return job


def _step_of(job: Job) -> Callable[[Job], None] | None:
    """What a worker has to do for the job now; of one that is at its site only what its elements ask for."""
    if job.elements and job.job_state in again.AT_SITE:
        return again.try_again
    return STEPS.get(job.job_state)


def _read(job_id: UUID | str) -> Job | None:
    """The job as it is now, with what its steps ask for."""
    known = ("project__folder__site", "site", "submitted_by")
    return Job.objects.select_related(*known).filter(pk=job_id).first()


def _done(step: Callable[[Job], None], job: Job) -> bool:
    """True when the step was made, or the job was found changed; False when it has to be tried again later."""
    before = job.state
    try:
        step(job)
    except Exception as problem:
        if not Job.objects.filter(pk=job.pk, state=job.state).exists():
            job.state = before  # a move that was undone with its transaction
        return _went_wrong(step, job, problem)
    return True


def _went_wrong(step: Callable[[Job], None], job: Job, problem: Exception) -> bool:
    """What the problem means for the job was done; the answer is that of ``_done``."""
    if isinstance(problem, StateConflict):
        return True
    if isinstance(problem, UserError | NotFound | Forbidden | QuotaExceeded):
        field = (problem.field or "").removeprefix("inputs.")
        ending.fail(job, Failure(code=problem.code, message=problem.message, hint=problem.hint, input=field))
        return True
    if isinstance(problem, SiteUnavailable | Unavailable):
        _note(job, f"{problem} It is tried again.")
    else:
        log.error("job %s: the step %s broke", job.pk, step.__name__, exc_info=problem)
        _note(job, "The portal itself made an error here; the operator's log has it. It is tried again.")
    return False


def _note(job: Job, words: str) -> None:
    Job.objects.filter(pk=job.pk, state=job.state).update(reason=words[:500], touched_at=timezone.now())
