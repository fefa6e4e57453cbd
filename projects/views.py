"""Pages of projects: the list, people, activity, settings."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts.requests import PersonRequest
from common.errors import PortolanError
from projects import services
from projects.forms import MemberForm, ProjectForm, RoleForm
from projects.models import Project
from projects.permissions import get_project
from projects.roles import Action

PAGE = 50


@login_required
def project_list(request: PersonRequest) -> HttpResponse:
    """The projects of the person; the archived ones on request."""
    archived = request.GET.get("archived") == "1"
    start = _number(request.GET.get("from"))
    found = Project.objects.visible_to(request.user).filter(archived_at__isnull=not archived)
    found = found.select_related("folder").annotate(people=Count("memberships", distinct=True))
    rows = list(found.with_running()[start : start + PAGE + 1])
    more = start + PAGE if len(rows) > PAGE else None
    context = {"section": "projects", "projects": rows[:PAGE], "more": more, "archived": archived}
    return render(request, "projects/list.html", context)


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


@login_required
def activity(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The project's audit trail, newest first."""
    project = get_project(request.user, Action.VIEW, project_id)
    events = project.audit_events.select_related("actor")
    before = _number(request.GET.get("before"))
    rows = list((events.filter(id__lt=before) if before else events)[: PAGE + 1])
    more = rows[PAGE - 1].id if len(rows) > PAGE else None
    context = {"project": project, "tab": "activity", "events": rows[:PAGE], "more": more}
    return render(request, "projects/activity.html", context)


@login_required
def settings(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """Name and purpose; archive and restore; a POST saves."""
    project = get_project(request.user, Action.VIEW, project_id)
    form = ProjectForm(request.POST or None, initial={"name": project.name, "description": project.description})
    if request.method == "POST" and form.is_valid():
        services.rename_project(request.user, project_id, **form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("projects:settings", project_id)
    return render(request, "projects/settings.html", {"project": project, "tab": "settings", "form": form})


@login_required
@require_POST
def archive(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The project is kept for reading only."""
    services.archive_project(request.user, project_id)
    messages.success(request, "The project is archived: it can be read, and nothing in it changes.")
    return redirect("projects:settings", project_id)


@login_required
@require_POST
def restore(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The archived project can be worked in again."""
    services.restore_project(request.user, project_id)
    messages.success(request, "The project is restored.")
    return redirect("projects:settings", project_id)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 16 else 0
