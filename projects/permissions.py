"""The one getter through which every object of a project is reached."""

from collections.abc import Collection
from uuid import UUID

from accounts.models import User
from common.errors import Forbidden, NotFound, StateConflict
from projects.models import GroupGrant, Membership, Project
from projects.roles import RANK, RULES, Action, Role, at_least, strongest

SEATED = "group__seats__user"


def role_in(user: User, project: Project) -> Role | None:
    """The role that ``user`` holds in ``project`` now, or None: the strongest of their own and those of their groups.

    This, ``people_with_roles``, and the querysets behind both are the only places that decide who has which role.
    """
    own = Membership.objects.now_of(user).filter(project=project).values_list("role")
    through_groups = GroupGrant.objects.now_of(user).filter(project=project).values_list("role")
    held = strongest(role for (role,) in own.union(through_groups))
    if held is not None and user.seen_as is not None and user.seen_as[0] == project.pk:
        return min(held, Role(user.seen_as[1]), key=RANK.__getitem__)
    return held


def people_with_roles(project: Project) -> list[tuple[User, Role]]:
    """Everybody who holds a role in ``project`` now, with the strongest; suspended accounts hold none."""
    roles = roles_by_person(project)
    people = User.objects.filter(pk__in=list(roles)).order_by("username")
    return [(user, roles[user.pk]) for user in people]


def roles_by_person(
    project: Project, *, without: Membership | GroupGrant | None = None, only: Collection[UUID] | None = None
) -> dict[UUID, Role]:
    """The strongest role now of everybody in ``project`` by their key; as it would be ``without`` that one reason."""
    members = Membership.objects.in_force().filter(project=project)
    grants = GroupGrant.objects.filter(project=project)
    if isinstance(without, Membership):
        members = members.exclude(pk=without.pk)
    elif without is not None:
        grants = grants.exclude(pk=without.pk)
    if only is not None:
        members, grants = members.filter(user__in=only), grants.filter(group__seats__user__in=only)
    found: dict[UUID, Role] = {}
    for user_id, role in [*members.values_list("user", "role"), *grants.seated().values_list(SEATED, "role")]:
        found[user_id] = strongest([role, found.get(user_id, role)]) or Role(role)
    return found


def get_project(user: User, action: Action, project_id: UUID | str) -> Project:
    """The project, when ``user`` may do ``action`` in it.

    Raises NotFound for a stranger (and for a token kept from this project), Forbidden for a member whose role or
    token is too weak, StateConflict when the project is archived and the action would change it.
    """
    project = Project.objects.visible_to(user).filter(pk=project_id).first() if user.is_authenticated else None
    if project is None:
        raise NotFound("There is no such project, or you are not a member of it.", code="project_not_found")
    check(user, action, project)
    return project


def check(user: User, action: Action, project: Project) -> None:
    """Nothing happens when ``user`` may do ``action`` in ``project``; else Forbidden or StateConflict is raised."""
    needed, scope, when_archived = RULES[action]
    role = role_in(user, project)
    if role is None or not at_least(role, needed):
        raise Forbidden(
            f"This needs the role {needed.label.lower()} in “{project.name}”; yours is {role or 'none'}.",
            code="role_too_weak",
            hint="Ask an owner or manager of the project.",
        )
    if not user.allows_scope(scope):
        raise Forbidden(
            f"This token has no scope “{scope}”.", code="scope_missing", hint=f"Make a token with the scope “{scope}”."
        )
    if project.archived and not when_archived:
        raise StateConflict(
            f"“{project.name}” is archived, so nothing in it can change.",
            code="project_archived",
            hint="Restore the project first.",
        )


def may(user: User, action: Action, project: Project) -> bool:
    """True when ``user`` may do ``action`` in ``project`` now."""
    try:
        check(user, action, project)
    except (Forbidden, StateConflict):
        return False
    return True
