"""Pages about trust in bytes: room, checks, manifests, datasets."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import get_valid_filename
from django.views.decorators.http import require_GET, require_POST

from accounts.requests import PersonRequest
from projects.permissions import get_project
from projects.roles import Action
from storage.services import trust


@login_required
@require_GET
def page(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """Room, checks and datasets of the project."""
    context = {
        "project": get_project(request.user, Action.VIEW, project_id),
        "tab": "files",
        "usage": trust.usage(request.user, project_id),
        "checks": trust.check_list(request.user, project_id),
        "datasets": trust.datasets(request.user, project_id),
    }
    return render(request, "storage/trust.html", context)


@login_required
@require_GET
def manifest(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The checksums of a folder, to be saved."""
    path = request.GET.get("path", "")
    text = trust.manifest(request.user, project_id, path)
    name = get_valid_filename(path.rpartition("/")[2] or "project")
    headers = {"Content-Disposition": f'attachment; filename="{name}-manifest-sha256.txt"'}
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)


@login_required
@require_POST
def check(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """Everything at ``path`` is being read again."""
    trust.start_check(request.user, project_id, request.POST.get("path", ""))
    return redirect("storage:trust", project_id)


@login_required
@require_POST
def complete(request: PersonRequest, project_id: UUID) -> HttpResponse:
    """The folder is a dataset."""
    made = trust.mark_complete(request.user, project_id, request.POST.get("path", ""))
    messages.success(request, f"“{made.path}” is complete: nothing in it changes now. Its manifest is being made.")
    return redirect("storage:trust", project_id)


@login_required
@require_POST
def unlock(request: PersonRequest, project_id: UUID, dataset_id: UUID) -> HttpResponse:
    """The dataset can be changed again."""
    found = trust.unlock(request.user, project_id, dataset_id, reason=request.POST.get("reason", ""))
    messages.success(request, f"“{found.path}” can be changed again.")
    return redirect("storage:trust", project_id)
