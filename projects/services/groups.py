"""Groups that people keep here, for teams without an AAI. What changes in one is in the trail of each project that
gives it a role.
"""

from __future__ import annotations

import uuid
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.groups import groups_of
from accounts.models import Group, Seat, User
from accounts.scopes import Scope
from common.errors import Forbidden, NotFound, StateConflict, UserError
from projects.audit import record
from projects.models import GroupGrant, Project
from projects.services.rules import clean_purpose

NAME_LENGTH, MOST_GROUPS = 120, 100


def my_groups(user: User) -> QuerySet[Group]:
    """The groups that ``user`` is in, of AAIs and kept here, newest first."""
    _need(user, Scope.READ)
    return groups_of(user).order_by("-created_at", "id")


def make_group(user: User, *, name: str, description: str = "") -> Group:
    """A group that ``user`` keeps and is in; UserError ``bad_name``."""
    _need(user, Scope.ADMIN)
    name, description = _clean_name(name), clean_purpose(description, needed=False)
    if Seat.objects.filter(user=user, keeper=True, ended_at=None).count() >= MOST_GROUPS:
        raise StateConflict("You keep many groups already.", code="too_many_groups", hint="Delete one first.")
    with transaction.atomic():
        group = Group.objects.create(path=uuid.uuid4().hex, name=name, description=description)
        Seat.objects.create(group=group, user=user, keeper=True)
    return group


def group_seen_by(user: User, group_id: UUID | str) -> Group:
    """The group, when ``user`` is in it; NotFound ``group_not_found`` else."""
    _need(user, Scope.READ)
    found = groups_of(user).filter(pk=group_id).first()
    if found is None:
        raise NotFound("There is no such group, or you are not in it.", code="group_not_found")
    return found


def seats_in(user: User, group_id: UUID | str) -> QuerySet[Seat]:
    """Who is in the group that is kept here, by user name; an AAI's groups tell only their own people's seats."""
    group = group_seen_by(user, group_id)
    seats = Seat.objects.in_force().filter(group=group).select_related("user").order_by("user__username")
    return seats if group.local else seats.filter(user=user)


def keeps(user: User, group: Group) -> bool:
    """True when ``user`` may change who is in the group."""
    return group.local and group.seats.in_force().filter(user=user, keeper=True).exists()


def rename_group(user: User, group_id: UUID | str, *, name: str, description: str = "") -> Group:
    """The group has this name and description."""
    with transaction.atomic():
        group = _kept(user, group_id)
        before = group.name
        group.name, group.description = _clean_name(name), clean_purpose(description, needed=False)
        group.save(update_fields=["name", "description"])
        _record(group, user, "group.renamed", group.name, before=before)
    return group


def delete_group(user: User, group_id: UUID | str) -> None:
    """The group is gone; StateConflict ``group_in_use`` while a project gives it a role."""
    with transaction.atomic():
        group = _kept(user, group_id)
        if group.grants.exists():
            hint = "Take its roles away first."
            raise StateConflict("A project gives this group a role.", code="group_in_use", hint=hint)
        group.delete()


def put_person(user: User, group_id: UUID | str, *, username: str, keeper: bool = False) -> Seat:
    """The person is in the group, and keeps it where ``keeper``. UserError ``unknown_user``; StateConflict
    ``last_keeper``.
    """
    with transaction.atomic():
        group = _kept(user, group_id)
        person = User.objects.filter(username=username, is_active=True).first()
        if person is None:
            raise UserError(f"There is no user “{username}”.", code="unknown_user", field="username")
        if not keeper:
            _refuse_last_keeper(group, person)
        seat, made = Seat.objects.update_or_create(
            group=group, user=person, identity=None, defaults={"keeper": keeper, "ended_at": None}
        )
        _record(group, user, "group.person_added" if made else "group.person_changed", person.username, keeper=keeper)
    return seat


def take_person(user: User, group_id: UUID | str, user_id: UUID | str) -> None:
    """The person is no longer in the group, and has lost what it gave. Anybody may take themselves out."""
    with transaction.atomic():
        group = group_seen_by(user, group_id) if str(user_id) == str(user.pk) else _kept(user, group_id)
        _need(user, Scope.ADMIN)
        seat = group.seats.select_related("user").filter(user__pk=user_id, identity=None).first()
        if seat is None:
            raise NotFound("This person is not in the group, or an AAI says so.", code="seat_not_found")
        _refuse_last_keeper(group, seat.user)
        seat.delete()
        _record(group, user, "group.person_removed", seat.user.username)


def _kept(user: User, group_id: UUID | str) -> Group:
    """The group with its row locked, when ``user`` keeps it."""
    _need(user, Scope.ADMIN)
    group = group_seen_by(user, group_id)
    Group.objects.select_for_update().filter(pk=group.pk).first()
    if not keeps(user, group):
        hint = "Ask one of those who keep it." if group.local else "Its institute says who is in it."
        raise Forbidden("You do not keep this group.", code="not_keeper", hint=hint)
    return group


def _refuse_last_keeper(group: Group, person: User) -> None:
    others = group.seats.in_force().filter(keeper=True).exclude(user=person)
    if not others.exists():
        raise StateConflict("A group has at least one keeper.", code="last_keeper", hint="Name another one first.")


def _record(group: Group, user: User, action: str, subject: str, **details: object) -> None:
    given = GroupGrant.objects.filter(group=group).values("project")
    for project in Project.objects.filter(pk__in=given).order_by("pk"):
        record(project, user, action, subject, group=group.name, **details)


def _need(user: User, scope: Scope) -> None:
    if not user.allows_scope(scope) or (scope is Scope.ADMIN and user.token is not None and user.token.project_ids):
        hint = f"Use a token with the scope “{scope}” that is not kept to some projects."
        raise Forbidden(f"This token has no scope “{scope}” for groups.", code="scope_missing", hint=hint)


def _clean_name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not 1 <= len(cleaned) <= NAME_LENGTH or not cleaned.isprintable():
        raise UserError(f"A group's name has 1 to {NAME_LENGTH} letters.", code="bad_name", field="name")
    return cleaned
