"""What a person may command of a job that failed: go on, or begin anew with more of something or elsewhere."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from common.errors import NotFound, StateConflict, Unavailable, UserError
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

MORE = (Action.MORE_MEMORY, Action.MORE_TIME)


def repairs(job: Job, user: User | None = None) -> list[Repair]:
    """What can be done about the job; for ``user`` the words also say where it would go with more of something."""
    attempt = _last(job)
    found = repairs_of(job, attempt)
    return found if user is None else [_with_place(user, job, attempt, one) for one in found]


def _with_place(user: User, job: Job, attempt: Attempt | None, repair: Repair) -> Repair:
    if repair.action not in MORE:
        return repair
    try:
        choice = _choice(user, job, repair.action, attempt, None)
    except (UserError, NotFound, Unavailable) as refused:
        return replace(repair, words=f"{repair.words} That can't be had: {refused.message}", possible=False)
    return replace(repair, words=f"{repair.words} {_where(job, choice)}")


def _where(job: Job, choice: broker.Choice) -> str:
    """Whether the job stays where it was, or where it goes and why."""
    there = f"{choice.site.name}, queue {choice.queue}" if choice.queue else choice.site.name
    if (choice.site.pk, choice.queue) == (job.site_id, job.queue):
        return f"It stays on {there}."
    mine = [one for one in choice.weighed if one["site"] == job.site.name and not one["possible"]]
    told = next((one for one in mine if one["queue"] == job.queue), mine[0] if mine else None)
    if told is None:
        return f"It goes to {there}."
    why = str(told["words"]).partition(". ")[0].rstrip(".")
    before = f"queue {job.queue}" if choice.site.pk == job.site_id and job.queue else job.site.name
    return f"It goes to {there}, because {before} {why}."


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
    moves = (choice.site.pk, choice.queue) != (job.site_id, job.queue)
    words = f"Begun anew by {user.display_name}. {_where(job, choice) if moves else ''}".strip()
    job.move_to(JobState.STAGING_IN, reason=words, actor=user)
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
    stays = (job.site.name, job.queue) if action in MORE else None
    return placed(
        user, info, folder, job.job_order,
        site=site if other else job.site.name if same else None,
        queue=job.queue if same else None,
        without=job.site.name if other else "", stays=stays,
        cores=job.cores, memory_mb=memory, wall_seconds=seconds,
    )  # fmt: skip


def _last(job: Job) -> Attempt | None:
    return job.attempts.order_by("-number").first()
