"""Who is in a project, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q, QuerySet

from accounts.models import User
from projects.models import GroupGrant, Membership, Project
from projects.permissions import SEATED, get_project
from projects.roles import RANK, Action, Role


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why somebody is in a project: a role of their own (``grant`` is None), or one that a group's grant gives."""

    role: Role
    until: datetime | None
    purpose: str
    created_at: datetime
    granted_by: User | None
    in_force: bool
    grant: GroupGrant | None = None

    @property
    def by(self) -> str:
        """``member`` or ``group``."""
        return "member" if self.grant is None else "group"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody in a project with all the reasons, the strongest that counts now first."""

    user: User
    why: list[Reason] = field(default_factory=list)

    @property
    def reason(self) -> Reason:
        """The one that decides."""
        return self.why[0]

    @property
    def own(self) -> Reason | None:
        """The role of their own."""
        return next((reason for reason in self.why if reason.grant is None), None)


def people_in(user: User, project_id: UUID | str, *, search: str = "") -> QuerySet[User]:
    """All that have or had a role in the project and whose name holds ``search``, by user name."""
    return _people(get_project(user, Action.VIEW, project_id), search)


def described(project: Project, users: Iterable[User]) -> list[Person]:
    """These people with their reasons, in two queries."""
    found = {user.pk: Person(user=user) for user in users}
    members = Membership.objects.filter(project=project, user__in=found).select_related("granted_by", "user")
    for member in members:
        found[member.user_id].why.append(_reason(member, in_force=member.in_force and member.user.is_active))
    grants = GroupGrant.objects.filter(project=project).seated(Q(group__seats__user__in=list(found)))
    for grant in grants.select_related("group", "granted_by").annotate(person=F(SEATED)).distinct():
        found[grant.person].why.append(_reason(grant, in_force=True, grant=grant))
    for person in found.values():
        person.why.sort(key=lambda reason: (reason.in_force, RANK[reason.role]), reverse=True)
    return [person for person in found.values() if person.why]


def one_described(project: Project, user: User) -> Person:
    """The person with their reasons; they have one."""
    return described(project, [user])[0]


def _people(project: Project, search: str) -> QuerySet[User]:
    members = Membership.objects.filter(project=project).order_by().values("user")
    through_groups = GroupGrant.objects.filter(project=project).seated().values(SEATED)
    found = User.objects.filter(Q(pk__in=members) | Q(pk__in=through_groups)).order_by("username")
    for word in search.split():
        found = found.filter(Q(username__icontains=word) | Q(first_name__icontains=word) | Q(last_name__icontains=word))
    return found


def _reason(given: Membership | GroupGrant, *, in_force: bool, grant: GroupGrant | None = None) -> Reason:
    return Reason(
        role=Role(given.role),
        until=given.until,
        purpose=given.purpose,
        created_at=given.created_at,
        granted_by=given.granted_by,
        in_force=in_force,
        grant=grant,
    )
