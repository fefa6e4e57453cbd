"""The page of a project's people, and looking at the project as somebody with a weaker role."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts.requests import PersonRequest
from common.errors import StateConflict, TooOften, UserError
from projects import services
from projects.forms import MemberForm, RoleForm
from projects.models import Project, RequestState
from projects.permissions import get_project, may, role_in
from projects.roles import Action, Role, at_least
from projects.services.rules import membership_of

PAGE = 50


@login_required
def people(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """Who may do what, and why; a POST adds a person."""
    project = get_project(request.user, Action.VIEW, project_id)
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.add_member(request.user, project_id, **form.cleaned_data)
        except (StateConflict, TooOften, UserError) as error:
            form.refuse(error) if error.field else form.add_error("username", error.message)
        else:
            messages.success(request, f"{form.cleaned_data['username']} is a member now.")
            return redirect("projects:people", project_id)
    context = {"project": project, "tab": "people", "form": form, **_who(request, project)}
    return render(request, "projects/people.html", context, status=400 if form.errors else 200)


def _who(request: PersonRequest, project: Project) -> dict[str, Any]:
    search = request.GET.get("search", "").strip()[:100]
    pages = Paginator(services.people_in(request.user, project.pk, search=search), PAGE)
    page = pages.get_page(request.GET.get("page"))
    found = {
        "search": search,
        "page": page,
        "people": services.described(project, page.object_list),
        "grants": project.grants.select_related("group", "granted_by").with_people()[:200],
    }
    if may(request.user, Action.MANAGE, project):
        waiting = services.requests_to(request.user, project.pk).filter(state=RequestState.WAITING)
        invitations = services.open_invitations(project).select_related("invited_by")
        found |= {"waiting": waiting[:50], "invitations": invitations[:200]}
    return found


@login_required
def member_change(request: PersonRequest, project_id: UUID, user_id: UUID) -> HttpResponse:
    """A member's role, last day and purpose; a POST changes them."""
    project = get_project(request.user, Action.MANAGE, project_id)
    member = membership_of(project, user_id)
    given = {"role": member.role, "until": member.until and member.until.date(), "purpose": member.purpose}
    form = RoleForm(request.POST or None, initial=given)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_member(request.user, project_id, user_id, **form.cleaned_data)
        except (StateConflict, TooOften, UserError) as error:
            form.refuse(error)
        else:
            messages.success(request, f"{member.user.display_name} is {form.cleaned_data['role']} now.")
            return redirect("projects:people", project_id)
    context = {"project": project, "tab": "people", "member": member, "form": form}
    return render(request, "projects/member.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def look_as(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """Until it is ended, the person sees the project as a member with the posted role would, and changes nothing."""
    project = get_project(request.user, Action.MANAGE, project_id)
    role, own = request.POST.get("role", ""), role_in(request.user, project)
    if role not in Role.values or own is None or not at_least(own, role):
        raise UserError("Choose a role that is no stronger than your own.", code="bad_role", field="role")
    request.session["seen_as"] = {"project": str(project_id), "role": role, "name": project.name}
    return redirect("storage:project", project_id)


@login_required
@require_POST
def look_as_self(request: PersonRequest) -> HttpResponse:
    """The person sees all that is theirs again."""
    seen = request.session.pop("seen_as", None)
    return redirect("projects:people", seen["project"]) if seen else redirect("projects:list")
