"""Pages of the trail: a project's, and for operators the gateway's own."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from accounts.operators import for_operators
from accounts.requests import PersonRequest
from common.errors import UserError
from projects.download import trail_file
from projects.forms import TrailForm
from projects.models import Project
from projects.permissions import get_project
from projects.roles import Action
from projects.trail import FORMS, find

PAGE = 50
# The first word of an action, as people call what it is about; another word is found by typing the address.
AREAS = {
    "project": "The project",
    "member": "Members",
    "grant": "Groups",
    "invitation": "Invitations",
    "request": "Requests for access",
    "files": "Files",
    "trash": "The trash",
    "link": "Transfer links",
    "job": "Jobs",
}
GATEWAY_AREAS = {"account": "Accounts", "storage": "Storage", "site": "Compute sites"}


@login_required
def activity(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The project's audit trail, newest first."""
    project = get_project(request.user, Action.VIEW, project_id)
    context: dict[str, Any] = {"project": project, "tab": "activity", "areas": AREAS} | _events(request, project)
    return render(request, "projects/activity.html", context, status=400 if context["form"].errors else 200)


@login_required
def activity_file(request: PersonRequest, project_id: UUID) -> StreamingHttpResponse:
    """The project's trail, or what the filters leave of it, as a file."""
    project = get_project(request.user, Action.VIEW, project_id)
    return _file(request, project)


@for_operators
def gateway_activity(request: PersonRequest) -> HttpResponse:
    """What was changed of accounts and of the gateway itself."""
    context = {"section": "operator", "areas": GATEWAY_AREAS} | _events(request, None)
    return render(request, "projects/gateway_activity.html", context, status=400 if context["form"].errors else 200)


@for_operators
def gateway_activity_file(request: PersonRequest) -> StreamingHttpResponse:
    """The gateway's trail, or what the filters leave of it, as a file."""
    return _file(request, None)


def _events(request: HttpRequest, project: Project | None) -> dict[str, Any]:
    form = TrailForm(request.GET)
    asked = form.asked()
    before = request.GET.get("before", "")
    found = find(project, asked)
    if before.isascii() and before.isdigit() and len(before) < 16 and int(before):
        found = found.filter(id__lt=int(before))
    rows = list(found[: PAGE + 1])
    more = rows[PAGE - 1].pk if len(rows) > PAGE else None
    return {"events": rows[:PAGE], "more": more, "form": form, "narrow": asked.narrow}


def _file(request: HttpRequest, project: Project | None) -> StreamingHttpResponse:
    form, trail_form = request.GET.get("form", "csv"), TrailForm(request.GET)
    asked = trail_form.asked()
    if form not in FORMS or trail_form.errors:
        raise UserError(f"The file is one of {', '.join(FORMS)}, and days are written as 2027-01-31.", code="bad_form")
    return trail_file(request, find(project, asked), form=form)
