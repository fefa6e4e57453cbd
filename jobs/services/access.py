"""Taking people's access away, with what of theirs runs: it is shown first, and finishes or is cancelled."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from django.db import models
from django.utils import timezone

from accounts.models import User
from common.errors import PortolanError, UserError
from jobs.models import Job
from jobs.services.commands import cancel_job
from projects import services as people
from projects.models import GroupGrant, Membership, Project
from projects.permissions import get_project, roles_by_person
from projects.roles import RULES, Action, Role, at_least
from projects.services.grants import grant_of
from projects.services.rules import membership_of
from storage.links.rights import WRITING, Right
from storage.models import Import, ImportState, TransferLink, Upload, UploadState

log = logging.getLogger("portolan.access")


class Running(models.TextChoices):
    """What becomes of the jobs of who loses the right to run them."""

    FINISH = "finish", "Let them finish"
    CANCEL = "cancel", "Cancel them"


@dataclass(frozen=True, kw_only=True)
class Weaker:
    """Somebody who keeps a weaker role."""

    user: User
    role: Role


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What taking one reason away does: who has how much left, and what of theirs runs now.

    ``losing`` have no role left, ``weaker`` a weaker one, and ``kept`` is how many have the same role for another
    reason. ``jobs`` are the running ones of people who can run none any more (``cut``), ``uploads`` the open ones of
    people who can upload no more, as ``imports``, ``links`` the live ones that would be refused.
    """

    project: Project
    reason: Membership | GroupGrant
    losing: list[User]
    weaker: list[Weaker]
    kept: int
    cut: list[UUID]
    jobs: list[Job]
    uploads: list[Upload]
    imports: list[Import]
    links: list[TransferLink]


def what_ends(user: User, project_id: UUID | str, *, member: UUID | str = "", grant: UUID | str = "") -> Ending:
    """What removing this member, or this grant, would do now; nothing is changed.

    Whoever may see the project may ask it of themselves; of others it needs the role manager.
    """
    own = str(member) == str(user.pk)
    project = get_project(user, Action.VIEW if own else Action.MANAGE, project_id)
    reason = grant_of(project, grant) if grant else membership_of(project, member)
    before, after = roles_by_person(project), roles_by_person(project, without=reason)
    touched = {key: role for key, role in before.items() if after.get(key) != role}
    people_by_key = User.objects.order_by("username").in_bulk(list(touched))
    named = sorted(people_by_key.values(), key=lambda one: one.username)
    cut = _cut(touched, after, Action.RUN)
    readers = _cut(touched, after, Action.WRITE)
    return Ending(
        project=project,
        reason=reason,
        losing=[one for one in named if one.pk not in after],
        weaker=[Weaker(user=one, role=after[one.pk]) for one in named if one.pk in after],
        kept=_reached(project, reason) - len(touched),
        cut=cut,
        jobs=list(_jobs(project, cut)),
        links=_links(project, [one.pk for one in named if one.pk not in after], readers),
        uploads=list(_uploads(project, readers)),
        imports=list(_imports(project, readers)),
    )


def remove_member(
    user: User, project_id: UUID | str, member_id: UUID | str, *, running: str = Running.FINISH, why: str = ""
) -> int:
    """The person is no member any more; how many of their jobs are being cancelled."""
    _check(running)
    ending = what_ends(user, project_id, member=member_id)
    people.remove_member(user, project_id, member_id, why=why)
    return _cancel(user, ending) if running == Running.CANCEL else 0


def remove_grant(
    user: User, project_id: UUID | str, grant_id: UUID | str, *, running: str = Running.FINISH, why: str = ""
) -> int:
    """The group has this role no more; how many jobs of people who lost it are being cancelled."""
    _check(running)
    ending = what_ends(user, project_id, grant=grant_id)
    people.remove_grant(user, project_id, grant_id, why=why)
    return _cancel(user, ending) if running == Running.CANCEL else 0


def leave_project(user: User, project_id: UUID | str, *, running: str = Running.FINISH) -> int:
    """``user`` is no member any more; how many of their jobs are being cancelled (before, while they still may)."""
    _check(running)
    if running != Running.CANCEL:
        people.leave_project(user, project_id)
        return 0
    people.refuse_leaving(user, project_id)
    cancelled = _cancel(user, what_ends(user, project_id, member=user.pk))
    people.leave_project(user, project_id)
    return cancelled


def _check(running: str) -> None:
    if running not in Running.values:
        raise UserError(f"Running jobs can {' or '.join(Running.values)}.", code="bad_running", field="running")


def _cut(touched: dict[UUID, Role], after: dict[UUID, Role], action: Action) -> list[UUID]:
    needed = RULES[action][0]
    return [
        key
        for key, role in touched.items()
        if at_least(role, needed) and not (key in after and at_least(after[key], needed))
    ]


def _reached(project: Project, reason: Membership | GroupGrant) -> int:
    """How many people the reason gives a role now."""
    if isinstance(reason, Membership):
        return int(reason.in_force and reason.user.is_active)
    rows = GroupGrant.objects.filter(pk=reason.pk).seated()
    return rows.values("group__seats__user").distinct().count()


def _jobs(project: Project, keys: list[UUID]) -> models.QuerySet[Job]:
    return Job.objects.active().filter(project=project, submitted_by__in=keys).select_related("submitted_by")


def _uploads(project: Project, keys: list[UUID]) -> models.QuerySet[Upload]:
    found = Upload.objects.filter(folder__project=project, state=UploadState.OPEN, created_by__in=keys)
    return found.select_related("created_by")


def _imports(project: Project, keys: list[UUID]) -> models.QuerySet[Import]:
    over = (ImportState.DONE, ImportState.FAILED, ImportState.CANCELLED)
    found = Import.objects.filter(folder__project=project, created_by__in=keys).exclude(state__in=over)
    return found.select_related("created_by")


def _links(project: Project, gone: list[UUID], readers: list[UUID]) -> list[TransferLink]:
    """Live links that would be refused: all of people who lose everything, and those that write of who only reads."""
    found = TransferLink.objects.filter(folder__project=project, revoked_at=None, expires_at__gt=timezone.now())
    mine = found.filter(created_by__in=[*gone, *readers]).select_related("created_by")
    return [link for link in mine if link.created_by_id in gone or WRITING.intersection(map(Right, link.rights))]


def _cancel(user: User, ending: Ending) -> int:
    """The jobs that run now of people who were cut off, also those that they began after it was looked at."""
    return sum(_cancelled(user, job) for job in _jobs(ending.project, ending.cut))


def _cancelled(user: User, job: Job) -> bool:
    try:
        cancel_job(user, job.pk)
    except PortolanError as error:  # it was over in between
        log.info("job %s was not cancelled: %s", job.pk, error.code)
        return False
    return True
