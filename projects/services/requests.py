"""Asking to be let into a project, and the answer.

Who asks has the project's address and learns nothing else: an address without a project is answered in the same way.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.scopes import Scope
from common.errors import Forbidden, NotFound, StateConflict, TooOften
from projects import tasks
from projects.audit import record
from projects.models import AccessRequest, Membership, Project, RequestState
from projects.permissions import get_project
from projects.roles import Action, Role
from projects.services.rules import clean_purpose, clean_role, give_role, locked, refuse_above, refuse_past, text

MOST_A_DAY = 20


def request_access(user: User, project_id: UUID, *, purpose: str) -> AccessRequest:
    """The request waits for a manager's answer; the one that waits already is answered where there is one.

    UserError ``bad_purpose``; StateConflict ``already_member``; TooOften after 20 within a day.
    """
    _need_admin(user)
    purpose = clean_purpose(purpose)
    if Project.objects.visible_to(user).filter(pk=project_id).exists():
        raise StateConflict("You are in this project already.", code="already_member")
    with transaction.atomic():
        # The person's row is the queue for what they ask.
        User.objects.select_for_update().filter(pk=user.pk).first()
        mine = user.access_requests.order_by("-created_at")
        waiting = mine.filter(project_id=project_id, state=RequestState.WAITING).first()
        if waiting is not None:
            return waiting
        if mine.filter(created_at__gt=timezone.now() - timedelta(days=1)).count() >= MOST_A_DAY:
            hint = "Wait a day, or ask the people whom you know there."
            raise TooOften("You have asked for access many times today.", code="too_many_requests", hint=hint)
        made = AccessRequest.objects.create(project_id=project_id, user=user, purpose=purpose)
        transaction.on_commit(partial(tasks.ring, tasks.tell_managers, made.pk))
    return made


def my_requests(user: User) -> QuerySet[AccessRequest]:
    """What ``user`` has asked for, newest first."""
    if not user.allows_scope(Scope.READ):
        raise Forbidden("This token has no scope “read”.", code="scope_missing")
    return user.access_requests.order_by("-created_at", "id")


def withdraw_request(user: User, request_id: UUID | str) -> None:
    """The request no longer waits; NotFound ``request_not_found`` when it is not one of ``user``'s that wait."""
    _need_admin(user)
    waiting = user.access_requests.filter(pk=request_id, state=RequestState.WAITING)
    if not waiting.update(state=RequestState.WITHDRAWN, decided_at=timezone.now()):
        raise NotFound("No such request of yours waits.", code="request_not_found")


def requests_to(user: User, project_id: UUID | str) -> QuerySet[AccessRequest]:
    """What others have asked of the project, newest first; needs the role manager."""
    project = get_project(user, Action.MANAGE, project_id)
    return project.requests.select_related("user", "decided_by")


def approve_request(
    user: User, project_id: UUID | str, request_id: UUID | str, *, role: str, until: datetime | None = None
) -> Membership:
    """Who asked is a member. StateConflict ``request_decided`` when it does not wait, or ``already_member``."""
    with transaction.atomic():
        project = locked(user, Action.MANAGE, project_id)
        found = _decide(user, project, request_id, RequestState.APPROVED)
        new_role = clean_role(role)
        refuse_above(user, project, new_role)
        refuse_past(until)
        member = give_role(
            project, found.user, role=Role(new_role), until=until, purpose=found.purpose, granted_by=user
        )
        told = {"role": new_role, "purpose": found.purpose, "until": text(until)}
        record(project, user, "access.approved", found.user.username, **told)
        transaction.on_commit(partial(tasks.ring, tasks.tell_requester, found.pk))
    return member


def decline_request(user: User, project_id: UUID | str, request_id: UUID | str, *, answer: str = "") -> None:
    """The request is declined, with a word to who asked; StateConflict ``request_decided``."""
    with transaction.atomic():
        project = locked(user, Action.MANAGE, project_id)
        word = clean_purpose(answer, needed=False)
        found = _decide(user, project, request_id, RequestState.DECLINED, word)
        record(project, user, "access.declined", found.user.username, purpose=found.purpose, answer=word)
        transaction.on_commit(partial(tasks.ring, tasks.tell_requester, found.pk))


def _decide(
    user: User, project: Project, request_id: UUID | str, state: RequestState, answer: str = ""
) -> AccessRequest:
    found = project.requests.select_related("user").filter(pk=request_id).first()
    if found is None:
        raise NotFound("The project has no such request.", code="request_not_found")
    waiting = AccessRequest.objects.filter(pk=found.pk, state=RequestState.WAITING)
    if not waiting.update(state=state, answer=answer, decided_at=timezone.now(), decided_by=user):
        raise StateConflict("This request was decided or withdrawn already.", code="request_decided")
    return found


def _need_admin(user: User) -> None:
    if not user.allows_scope(Scope.ADMIN) or (user.token is not None and user.token.project_ids):
        hint = "Use the project's page, or a token with the scope “admin” that is not kept to some projects."
        raise Forbidden("This token can't ask for access.", code="scope_missing", hint=hint)
