"""Roles for groups: what a grant would give, given, changed and taken away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.entitlements import Entitlement
from accounts.groups import MEMBER, groups_of, known_group, read_entitlement
from accounts.models import Group, Seat, User
from common.errors import NotFound, StateConflict, UserError
from projects.audit import record
from projects.models import GroupGrant, Project
from projects.permissions import get_project, roles_by_person
from projects.roles import Action, Role, at_least, deeds_of
from projects.services.rules import clean_purpose, clean_role, locked, refuse_above, refuse_past, text

NAMES_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A grant to make: for a ``group`` that one may choose, or one named by a pasted ``entitlement``."""

    role: str
    purpose: str
    until: datetime | None = None
    group: UUID | None = None
    entitlement: str = ""
    issuer: str = ""
    with_subgroups: bool = False
    aai_role: str = ""


@dataclass(frozen=True, kw_only=True)
class GrantPreview:
    """What a grant would do now. ``names`` are told to who is in the group; ``gaining`` get more than they have."""

    who: str
    urn: str
    role: Role
    purpose: str
    until: datetime | None
    people: int
    gaining: int
    names: list[str]
    may: list[str]
    may_not: list[str]

    @property
    def sentence(self) -> str:
        """All of it in one line: "14 people get: view, run tools; not manage people"."""
        people = "1 person gets" if self.people == 1 else f"{self.people} people get"
        less = f"; not {', '.join(self.may_not)}" if self.may_not else ""
        return f"{people}: {', '.join(self.may)}{less}."


def groups_to_choose(user: User) -> QuerySet[Group]:
    """The groups that ``user`` can see: those that they are in, by an AAI or as they are kept here."""
    return groups_of(user).order_by("issuer", "namespace", "path", "name")


def preview_grant(user: User, project_id: UUID | str, wish: Wish) -> GrantPreview:
    """What the grant would do if it were made now; it raises what ``grant_group`` would."""
    project = get_project(user, Action.MANAGE, project_id)
    return _preview(user, project, _cleaned(user, project, wish))


def grant_group(user: User, project_id: UUID | str, wish: Wish) -> GroupGrant:
    """Who is in the group has the role, from now until its end.

    UserError ``bad_role``, ``bad_purpose``, ``bad_until``, ``bad_grant`` or ``bad_entitlement``; NotFound
    ``group_not_found``; StateConflict ``already_granted``.
    """
    with transaction.atomic():
        project = locked(user, Action.MANAGE, project_id)
        grant = _cleaned(user, project, wish)
        if grant.group._state.adding:
            grant.group = known_group(grant.group.issuer, _entitlement_of(user, wish)[1])
        _refuse_twice(grant)
        grant.save()
        record(project, user, "grant.added", grant.who, **_told(grant))
    return grant


def change_grant(
    user: User, project_id: UUID | str, grant_id: UUID | str, *, role: str, purpose: str, until: datetime | None
) -> GroupGrant:
    """The grant gives this role until then; for whom it is does not change."""
    with transaction.atomic():
        project = locked(user, Action.MANAGE, project_id)
        grant = grant_of(project, grant_id)
        before = {"role": grant.role, "until": text(grant.until)}
        refuse_above(user, project, Role(grant.role))
        grant.role, grant.purpose, grant.until = _group_role(user, project, role), clean_purpose(purpose), until
        refuse_past(until)
        grant.granted_by = user
        grant.save(update_fields=["role", "purpose", "until", "granted_by"])
        record(project, user, "grant.changed", grant.who, before=before, **_told(grant))
    return grant


def remove_grant(user: User, project_id: UUID | str, grant_id: UUID | str, *, why: str = "") -> None:
    """The group has this role no more; who has another reason to be in the project keeps that."""
    with transaction.atomic():
        project = locked(user, Action.MANAGE, project_id)
        grant = grant_of(project, grant_id)
        refuse_above(user, project, Role(grant.role))
        record(project, user, "grant.removed", grant.who, why=clean_purpose(why, needed=False), **_told(grant))
        grant.delete()


def grant_of(project: Project, grant_id: UUID | str) -> GroupGrant:
    """The project's grant; NotFound ``grant_not_found``."""
    found = GroupGrant.objects.select_related("group").filter(project=project, pk=grant_id).first()
    if found is None:
        raise NotFound("The project has no such grant.", code="grant_not_found")
    return found


def seats_of(grant: GroupGrant) -> QuerySet[Seat]:
    """The seats that the grant would reach now if it were in force."""
    if grant.group._state.adding:
        return Seat.objects.none()
    if grant.aai_role:
        return Seat.objects.in_force().filter(group=grant.group, role=grant.aai_role)
    seats = Seat.objects.members().filter(group=grant.group)
    return seats if grant.with_subgroups else seats.filter(direct=True)


def _preview(user: User, project: Project, grant: GroupGrant) -> GrantPreview:
    people = set(seats_of(grant).values_list("user", flat=True))
    held = roles_by_person(project, only=people)
    names: list[str] = []
    if not grant.group._state.adding and groups_of(user).filter(pk=grant.group.pk).exists():
        found = User.objects.filter(pk__in=people).order_by("username")[:NAMES_SHOWN]
        names = [person.display_name for person in found]
    may, may_not = deeds_of(grant.role)
    return GrantPreview(
        who=grant.who,
        urn=grant.group.urn,
        role=Role(grant.role),
        purpose=grant.purpose,
        until=grant.until,
        people=len(people),
        gaining=sum(1 for key in people if key not in held or not at_least(held[key], grant.role)),
        names=names,
        may=may,
        may_not=may_not,
    )


def _cleaned(user: User, project: Project, wish: Wish) -> GroupGrant:
    """The grant as it would be; neither it nor a group that was never seen is saved."""
    refuse_past(wish.until)
    role, purpose = _group_role(user, project, wish.role), clean_purpose(wish.purpose)
    if bool(wish.group) == bool(wish.entitlement.strip()):
        raise UserError("Choose a group, or paste an entitlement.", code="bad_grant", field="group")
    group, aai_role = _chosen(user, wish) if wish.group else _pasted(user, wish)
    if aai_role and (wish.with_subgroups or group.local):
        message = "A role of the AAI goes with one group of the AAI, without its subgroups."
        raise UserError(message, code="bad_grant", field="aai_role")
    return GroupGrant(
        project=project,
        group=group,
        with_subgroups=wish.with_subgroups,
        aai_role=aai_role,
        role=role,
        purpose=purpose,
        until=wish.until,
        granted_by=user,
    )


def _chosen(user: User, wish: Wish) -> tuple[Group, str]:
    group = groups_to_choose(user).filter(pk=str(wish.group)).first()
    if group is None:
        hint = "Choose one that you are in, or paste its entitlement."
        raise NotFound("There is no such group that you can see.", code="group_not_found", hint=hint)
    return group, wish.aai_role.strip()


def _pasted(user: User, wish: Wish) -> tuple[Group, str]:
    issuer, told = _entitlement_of(user, wish)
    names = {"issuer": issuer, "namespace": told.namespace, "path": ":".join(told.path)}
    # Who is told to be a member is in the group, like somebody of whom no role is told.
    role = told.role if told.role != MEMBER else ""
    return Group.objects.filter(**names).first() or Group(**names), wish.aai_role.strip() or role


def _entitlement_of(user: User, wish: Wish) -> tuple[str, Entitlement]:
    return read_entitlement(user, wish.entitlement, issuer=wish.issuer)


def _group_role(user: User, project: Project, role: str) -> Role:
    found = clean_role(role)
    if found is Role.OWNER:
        hint = "Give the group the role manager, and make a person owner."
        raise UserError("A group can't own a project: owners are people.", code="bad_role", field="role", hint=hint)
    refuse_above(user, project, found)
    return found


def _refuse_twice(grant: GroupGrant) -> None:
    same = GroupGrant.objects.filter(project=grant.project, group=grant.group, aai_role=grant.aai_role)
    if same.exists():
        hint = "Change that one instead."
        raise StateConflict(f"“{grant.who}” has a role here already.", code="already_granted", hint=hint)


def _told(grant: GroupGrant) -> dict[str, object]:
    group = grant.group.urn or str(grant.group.pk)
    return {"role": grant.role, "group": group, "purpose": grant.purpose, "until": text(grant.until)}
