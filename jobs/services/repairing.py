"""What a person may command of a job that failed: go on, or begin anew with more of something or elsewhere."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common.errors import StateConflict
from jobs import broker, tasks
from jobs.lifecycle import parts
from jobs.models import Attempt, Job
from jobs.registry import get_tool
from jobs.repairs import Action, FailedPhase, Repair, more_memory, more_seconds, phase_of, repairs_of
from jobs.services.looking import get_job
from jobs.services.placing import placed
from jobs.states import JobState
from projects.audit import record
from projects.roles import Action as Right
from storage.services.folders import folder_of


def repairs(job: Job) -> list[Repair]:
    """What can be done about the job."""
    return repairs_of(job, _last(job))


def repair_job(user: User, job_id: UUID | str, action: Action, *, site: str | None = None) -> Job:
    """The failed job goes on, or begins anew as a further attempt; StateConflict when that can't be done with it.

    ``site`` is where ``other_site`` goes; left out, the broker chooses. What can't be had is told as at a submission.
    """
    job = get_job(user, Right.RUN, job_id)
    attempt = _last(job)
    if action not in {one.action for one in repairs_of(job, attempt)}:
        raise StateConflict("This can't be done with the job as it is.", code="no_such_repair",
                            hint="Its “repairs” say what can.")  # fmt: skip
    choice = None
    if action is not Action.RECOVER:
        choice = _choice(user, job, action, attempt, site)
    elif attempt is not None and attempt.tidied_at is not None:
        raise StateConflict("What it left on the site was tidied away.", code="tidied", hint="Start it again.")
    with transaction.atomic():
        if choice is None:
            if attempt is not None:
                parts.look_again(attempt)
            job.move_to(_goes_on_in(attempt), reason=f"Taken up again by {user.display_name}.", actor=user)
        else:
            _begin_anew(user, job, choice, keep=action is not Action.RESTART)
        record(job.project, user, "job.repaired", f"#{job.number} {job.tool}", job=str(job.pk), how=action.value)
        transaction.on_commit(partial(tasks.ring, job.pk))
    return job


def _goes_on_in(attempt: Attempt | None) -> JobState:
    if phase_of(attempt) is not FailedPhase.SET_UP:
        return JobState.STAGING_OUT
    copied = attempt is not None and not (attempt.staged and not attempt.staging)
    return JobState.SUBMITTING if copied else JobState.STAGING_IN


def _begin_anew(user: User, job: Job, choice: broker.Choice, *, keep: bool) -> None:
    """With ``keep`` the elements that are done stay so, unless the job is split otherwise now."""
    job.move_to(JobState.STAGING_IN, reason=f"Begun anew by {user.display_name}.", actor=user)
    job.attempts.filter(ended_at__isnull=True).update(ended_at=timezone.now())
    if not keep or choice.elements != job.elements:
        parts.drop_all(job)
    Job.objects.filter(pk=job.pk).update(
        site=choice.site, queue=choice.queue, cores=choice.cores, memory_mb=choice.memory_mb, tasks=choice.tasks,
        gpus=choice.gpus, wall_seconds=choice.wall_seconds, elements=choice.elements, choice=choice.weighed,
        progress={}, started_at=None,
    )  # fmt: skip
    job.refresh_from_db()


def _choice(user: User, job: Job, action: Action, attempt: Attempt | None, site: str | None) -> broker.Choice:
    info, folder = get_tool(job.tool), folder_of(job.project)
    memory = more_memory(job, attempt) if action is Action.MORE_MEMORY else job.memory_mb
    seconds = more_seconds(job) if action is Action.MORE_TIME else job.wall_seconds
    other, same = action is Action.OTHER_SITE, action in (Action.RESTART, Action.RETRY)
    return placed(
        user, info, folder, job.job_order,
        site=site if other else job.site.name if same else None,
        queue=job.queue if same else None,
        without=job.site.name if other else "",
        cores=job.cores, memory_mb=memory, wall_seconds=seconds,
    )  # fmt: skip


def _last(job: Job) -> Attempt | None:
    return job.attempts.order_by("-number").first()
