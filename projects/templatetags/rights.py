"""What the person who looks may do in a project, for the templates."""

from django import template

from projects.models import Project
from projects.permissions import role_in
from projects.roles import RULES, Action, Role, at_least

register = template.Library()


@register.simple_tag(takes_context=True)
def rights(context: template.Context, project: Project) -> dict[str, object]:
    """``{role, view, download, write, run, manage, own}`` of the person in the project, in one query."""
    role = role_in(context["request"].user, project)
    found: dict[str, object] = {"role": role}
    for action in Action:
        needed, _, when_archived = RULES[action]
        allowed = role is not None and at_least(role, needed)
        found[action.value] = allowed and (when_archived or not project.archived)
    return found


@register.simple_tag
def roles_below(role: Role | None) -> list[Role]:
    """The roles that a person with ``role`` may give: an owner any, a manager those below owner."""
    return [given for given in Role if role == Role.OWNER or given != Role.OWNER]


@register.simple_tag
def roles_of_groups() -> list[Role]:
    """The roles that a group may have: owners are people."""
    return [given for given in Role if given != Role.OWNER]
