"""Pages of projects: the list, activity, settings."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts.requests import PersonRequest
from projects import services
from projects.forms import ProjectForm
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
    rows = list(found.select_related("folder").with_people().with_running()[start : start + PAGE + 1])
    more = start + PAGE if len(rows) > PAGE else None
    context = {"section": "projects", "projects": rows[:PAGE], "more": more, "archived": archived}
    return render(request, "projects/list.html", context)


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
