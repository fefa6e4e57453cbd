"""The start page and the catalogue of tools."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render

from accounts.requests import PersonRequest
from jobs import registry
from jobs.models import Job
from projects.models import Project
from projects.permissions import get_project
from projects.roles import Action

SOME = 6


@login_required
def home(request: PersonRequest) -> HttpResponse:
    """My projects, what runs, what can be run."""
    mine = Project.objects.visible_to(request.user).filter(archived_at__isnull=True).select_related("folder")
    jobs = Job.objects.visible_to(request.user).select_related("project", "submitted_by")
    context = {
        "projects": mine.with_running()[:SOME],
        "active": jobs.active()[:SOME],
        "recent": jobs.filter(finished_at__isnull=False).order_by("-finished_at")[:SOME],
        "tools": registry.tools(),
        "titles": titles(),
    }
    return render(request, "jobs/home.html", context)


@login_required
def tools(request: PersonRequest) -> HttpResponse:
    """The catalogue; with ``?project=`` the cards lead straight to that project's forms."""
    wanted = request.GET.get("project", "")
    project = get_project(request.user, Action.RUN, wanted) if _is_uuid(wanted) else None
    context = {"section": "tools", "tools": registry.tools(), "project": project}
    return render(request, "jobs/tools.html", context)


@login_required
def tool(request: PersonRequest, tool: str) -> HttpResponse:
    """What a tool takes and gives, and in which project to run it."""
    info = registry.get_tool(tool)
    mine = Project.objects.visible_to(request.user).filter(archived_at__isnull=True).select_related("folder")[:50]
    return render(request, "jobs/tool.html", {"section": "tools", "tool": info, "projects": mine})


def titles() -> dict[str, str]:
    """The tools' titles by name."""
    return {info.name: info.title for info in registry.tools()}


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
