"""Pages to give a group a role, with a look at what that does before it is done."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.requests import PersonRequest
from common.errors import StateConflict, TooOften, UserError
from projects import services
from projects.forms import GrantChangeForm, GrantForm
from projects.permissions import get_project
from projects.roles import Action
from projects.services.grants import grant_of


@login_required
def grant_add(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """A group's role in three steps: the form, who would get what, done."""
    project = get_project(request.user, Action.MANAGE, project_id)
    groups = list(services.groups_to_choose(request.user)[:500])
    form, step = GrantForm(request.POST or None, groups), request.POST.get("step")
    context: dict[str, Any] = {"project": project, "tab": "people", "form": form, "groups": groups}
    if request.method == "POST" and step != "edit" and form.is_valid():
        try:
            if step == "confirm":
                grant = services.grant_group(request.user, project_id, form.wish())
                messages.success(request, f"{grant.who}: {grant.get_role_display().lower()} from now on.")
                return redirect("projects:people", project_id)
            context["preview"] = services.preview_grant(request.user, project_id, form.wish())
        except (StateConflict, TooOften, UserError) as error:
            form.refuse(error)
    return render(request, "projects/grant_add.html", context, status=400 if form.errors and step != "edit" else 200)


@login_required
def grant_change(request: PersonRequest, project_id: UUID, grant_id: UUID) -> HttpResponse:
    """What a group gets; a POST changes it."""
    project = get_project(request.user, Action.MANAGE, project_id)
    grant = grant_of(project, grant_id)
    given = {"role": grant.role, "until": grant.until and grant.until.date(), "purpose": grant.purpose}
    form = GrantChangeForm(request.POST or None, initial=given)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_grant(request.user, project_id, grant_id, **form.cleaned_data)
        except (StateConflict, TooOften, UserError) as error:
            form.refuse(error)
        else:
            messages.success(request, f"{grant.who} is {form.cleaned_data['role']} now.")
            return redirect("projects:people", project_id)
    context = {"project": project, "tab": "people", "grant": grant, "form": form}
    return render(request, "projects/grant.html", context, status=400 if form.errors else 200)
