"""The page of a project's people."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts.requests import PersonRequest
from common.errors import PortolanError
from projects import services
from projects.forms import MemberForm, RoleForm
from projects.permissions import get_project
from projects.roles import Action


@login_required
def people(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """Who may do what; a POST adds a person."""
    project = get_project(request.user, Action.VIEW, project_id)
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.add_member(request.user, project_id, **form.cleaned_data)
        except PortolanError as error:
            form.add_error("username", error.message)
        else:
            messages.success(request, f"{form.cleaned_data['username']} is a member now.")
            return redirect("projects:people", project_id)
    members = project.memberships.select_related("user", "granted_by")
    context = {"project": project, "tab": "people", "members": members, "form": form}
    return render(request, "projects/people.html", context, status=400 if form.errors else 200)


@login_required
@require_POST
def member_change(request: PersonRequest, project_id: UUID, user_id: UUID) -> HttpResponse:
    """The member has the posted role until the posted day."""
    form = RoleForm(request.POST)
    if form.is_valid():
        services.change_member(request.user, project_id, user_id, **form.cleaned_data)
        messages.success(request, "The role is changed.")
    else:
        messages.error(request, " ".join(str(word) for words in form.errors.values() for word in words))
    return redirect("projects:people", project_id)


@login_required
@require_POST
def member_remove(request: PersonRequest, project_id: UUID, user_id: UUID) -> HttpResponse:
    """The person is no member any more."""
    services.remove_member(request.user, project_id, user_id)
    messages.success(request, "The person is no longer a member.")
    return redirect("projects:people", project_id)


@login_required
@require_POST
def leave(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The person who asks is no member any more."""
    services.leave_project(request.user, project_id)
    messages.success(request, "You have left the project.")
    return redirect("projects:list")
